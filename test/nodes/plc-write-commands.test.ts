/** plc-write as what a person or a program commands from outside of the flow, over HTTP, through the same fences. */
import assert from 'node:assert/strict';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const reason = 'lot blocked';
const PATH = '/jidoka/stations/station/commands';

describe('plc-write, commanded from outside of the flow', () => {
  let server: TestServer;
  let flow: PlcFlow;

  before(async () => {
    server = await startOpcUaServer();
  });
  after(() => server.stop());
  beforeEach(() => {
    server.writes.length = 0;
    server.set('Torque', 40);
  });
  afterEach(() => flow.remove());

  async function start(write: Record<string, unknown> = {}): Promise<void> {
    flow = await loadPlcFlow(
      { protocol: 'opcua', endpointUrl: server.url, manualTag: 'ns=1;s=Manual' },
      {
        ...{ name: 'Torque of the press', tag: 'ns=1;s=Torque', value: '40', valueType: 'num', version: 2 },
        ...{ timeoutMs: '10000', ...write },
      },
    );
    await linked();
  }
  /** Resolves when the station knows of so many machines run by hand. */
  const overrides = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (flow.station.overrides().length !== count) return;
        stop();
        resolve();
      };
      const stop = flow.station.onChange(look);
      look();
    });
  const arm = (): Promise<unknown> => ask('post', '/jidoka/stations/station/arm', { reason }, 'anna');
  let keys = 0;
  const order = (value: unknown, key = `key-${(keys += 1)}`) =>
    ask('post', PATH, { target: 'Torque of the press', value, reason }, 'mes', { 'idempotency-key': key });

  it('writes once for a key, by the name of the node, and records who asked for what', async () => {
    await start();
    await arm();
    const first = await order(45, 'lot-17');
    assert.deepEqual([first.status, first.body['outcome'], first.body['readBack']], [200, 'confirmed', 45]);
    const again = await order(45, 'lot-17');
    assert.deepEqual([again.status, again.body['id']], [200, first.body['id']]);
    const both = await Promise.all([order(46, 'lot-18'), order(46, 'lot-18')]);
    // The second may come while the first is under way, or after it.
    assert.ok(both.some(({ status }) => status === 200));
    for (const { status, body } of both) if (status !== 200) assert.equal(body['code'], 'COMMAND_UNDER_WAY');
    assert.deepEqual(server.writes, [
      { tag: 'Torque', value: 45 },
      { tag: 'Torque', value: 46 },
    ]);
    const [record] = await (await flow.station.journal()).commands({ limit: 1 });
    assert.deepEqual([record?.actor, record?.partId, record?.outcome], ['mes', null, 'confirmed']);
  });

  it('meets the fences that a part meets, and the PLC sees nothing of what they hold back', async () => {
    await start({ min: '10', max: '50', maxStep: '8', maxPerMinute: '2' });
    const refusal = async (value: unknown): Promise<unknown> => {
      const { status, body } = await order(value);
      assert.deepEqual([status, body['outcome']], [409, 'refused']);
      return body['reason'];
    };
    assert.equal(await refusal(45), 'NOT_ARMED');
    await arm();
    for (const value of [9, 51, 30, '45', true]) assert.equal(await refusal(value), 'OUT_OF_RANGE');
    server.set('Manual', true);
    assert.equal(await refusal(45), 'MANUAL');
    // Both edges are told by the PLC in its own rhythm.
    await overrides(1);
    server.set('Manual', false);
    await overrides(0);
    assert.deepEqual(server.writes, []);
    assert.equal((await order(45)).status, 200);
    assert.equal((await order(44)).status, 200);
    assert.equal(await refusal(43), 'RATE');
    assert.deepEqual(
      server.writes.map(({ value }) => value),
      [45, 44],
    );
  });

  it('is known to nobody after the node is gone', async () => {
    await start({ tag: '' });
    await arm();
    assert.equal((await order(45)).status, 404);
    assert.deepEqual(server.writes, []);
  });
});
