/** The control API over HTTP, with a real OPC UA server at the other end. */
import assert from 'node:assert/strict';
import type { PlcEndpoint } from '../../nodes/plc-endpoint/endpoint.ts';
import { command } from '../support/commands.ts';
import { node } from '../support/helper.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';
import { until } from '../support/until.ts';

const reason = 'lot blocked';
const PATH = '/jidoka/stations/station/commands';

describe('the control API of a station', () => {
  let server: TestServer;
  let flow: PlcFlow;
  let keys = 0;

  before(async () => {
    server = await startOpcUaServer();
  });
  after(() => server.stop());
  beforeEach(async () => {
    flow = await loadPlcFlow({ protocol: 'opcua', endpointUrl: server.url });
    await linked();
    const { plc } = node('plc') as unknown as { plc: PlcEndpoint };
    for (const tag of ['RejectGate', 'Clamping', 'SilentlyClamping']) {
      flow.station.addCommandable({
        id: `out-${tag}`,
        name: tag,
        command: ({ value, actor, key: id, signal }) => {
          const given = command(`ns=1;s=${tag}`, value, { id, partId: null, actor, signal, settleMs: 50 });
          return plc.engine.execute(given, flow.station);
        },
      });
    }
    server.writes.length = 0;
  });
  afterEach(() => flow.remove());

  const arm = (): Promise<unknown> => ask('post', '/jidoka/stations/station/arm', { reason }, 'anna');
  function order(target: string, value: unknown, key = `key-${(keys += 1)}`) {
    return ask('post', PATH, { target, value, reason }, 'mes', { 'idempotency-key': key });
  }

  it('answers with the confirmed outcome, once for a key, and shows it afterwards', async () => {
    await arm();
    const first = await order('RejectGate', true, 'lot-17');
    const { id, outcome, readBack, ms } = first.body;
    assert.deepEqual([first.status, outcome, readBack], [200, 'confirmed', true]);
    assert.ok(Number(ms) > 0);
    const again = await order('RejectGate', true, 'lot-17');
    assert.deepEqual([again.status, again.body['id'], again.body['outcome']], [200, id, 'confirmed']);
    const other = await order('RejectGate', false, 'lot-17');
    assert.deepEqual([other.status, other.body['code']], [422, 'IDEMPOTENCY_KEY_REUSED']);
    assert.deepEqual(server.writes, [{ tag: 'RejectGate', value: true }]);
    const shown = await ask('get', `${PATH}/${String(id)}`);
    assert.deepEqual([shown.body['actor'], shown.body['outcome']], ['mes', 'confirmed']);
    const { body: list } = await ask('get', `${PATH}?limit=5`);
    assert.deepEqual(
      (list as unknown as { id: string }[]).map((record) => record.id),
      [id],
    );
  });

  it('looks like success for nothing else: refused 409, clamped 502, not seen 504', async () => {
    const refused = await order('RejectGate', true);
    assert.deepEqual(
      [refused.status, refused.body['outcome'], refused.body['reason']],
      [409, 'refused', 'NOT_ARMED'],
    );
    assert.deepEqual(server.writes, []);
    await arm();
    const unseen = await order('SilentlyClamping', 50);
    assert.deepEqual(
      [unseen.status, unseen.body['outcome'], unseen.body['reason'], unseen.body['readBack']],
      [504, 'unknown', 'READBACK_MISMATCH', 10],
    );
    // The answer does not wait for the outcome to be on record: its intent is.
    await until(async () => {
      const { body } = await ask('get', '/jidoka/stations/station');
      return (body['unknown'] as unknown[]).length === 1;
    }, 'the unknown outcome to be on record');
    const clamped = await order('Clamping', 50);
    assert.deepEqual(
      [clamped.status, clamped.body['outcome'], clamped.body['readBack']],
      [502, 'clamped', 10],
    );
    assert.equal(flow.station.arming().state, 'TRIPPED');
  });

  it('takes a value of one kind and nothing that only looks like one', async () => {
    await arm();
    for (const value of [null, [true], { value: true }, 'x'.repeat(1001), undefined]) {
      assert.equal((await order('RejectGate', value)).status, 400, JSON.stringify(value));
    }
    const text = await order('RejectGate', 'true');
    assert.deepEqual(
      [text.status, text.body['outcome'], text.body['reason']],
      [409, 'refused', 'OUT_OF_RANGE'],
    );
    assert.deepEqual(server.writes, []);
  });

  it('needs somebody who is signed in, and a key', async () => {
    await arm();
    const body = { target: 'RejectGate', value: true, reason };
    assert.equal((await ask('post', PATH, body, undefined, { 'idempotency-key': 'k' })).status, 403);
    const keyless = await ask('post', PATH, body, 'mes');
    assert.deepEqual([keyless.status, keyless.body['code']], [400, 'IDEMPOTENCY_KEY_INVALID']);
    assert.deepEqual(server.writes, []);
  });
});
