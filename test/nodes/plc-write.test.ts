import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { openInspection, type Inspection } from '../../lib/inspection/inspection.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import { messageFaults } from '../support/message-rule.ts';
import { nextMessage, node, unload } from '../support/helper.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const reason = 'shift start';

function part(changes: Partial<Inspection['part']> = {}): Inspection {
  const inspection = openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 5000 });
  return { ...inspection, part: { ...inspection.part, ...changes } };
}

describe('plc-write', () => {
  let server: TestServer;
  let flow: PlcFlow;

  before(async () => {
    server = await startOpcUaServer();
  });
  after(() => server.stop());
  beforeEach(() => {
    server.writes.length = 0;
    server.set('Feeder', true);
  });
  afterEach(() => flow.remove());

  async function start(
    write: Record<string, unknown> = {},
    station: Record<string, unknown> = {},
  ): Promise<void> {
    flow = await loadPlcFlow({ protocol: 'opcua', endpointUrl: server.url }, write, station);
    await linked();
  }
  const arm = (): Promise<unknown> => ask('post', '/jidoka/stations/station/arm', { reason }, 'anna');

  it('sends a confirmed command to the first output, with its record in the envelope and the journal', async () => {
    await start();
    await arm();
    const inspection = part();
    node('write').receive({ inspection, other: 'untouched' });
    const message = await nextMessage('confirmed');
    assert.equal(message.payload, 'confirmed');
    assert.equal(message['other'], 'untouched');
    const command = message.inspection?.command;
    assert.deepEqual(
      { ...command, id: '', ms: 0 },
      {
        id: '',
        endpoint: 'Line PLC',
        tag: 'ns=1;s=RejectGate',
        requested: true,
        outcome: 'confirmed',
        readBack: true,
        ms: 0,
      },
    );
    assert.ok((message.inspection?.timings['command'] ?? 0) > 0);
    assert.deepEqual(messageFaults(message), []);
    assert.deepEqual(server.writes, [{ tag: 'RejectGate', value: true }]);
    const journal = await flow.station.journal();
    assert.equal((await journal.command(command?.id ?? ''))?.partId, inspection.part.id);
    assert.equal((await journal.parts())[0]?.inspection.command?.outcome, 'confirmed');
  });

  it('sends a refused command to the second output, and the PLC sees nothing', async () => {
    await start();
    node('write').receive({ inspection: part() });
    const disarmed = await nextMessage('otherwise');
    assert.deepEqual([disarmed.payload, disarmed.inspection?.command?.reason], ['refused', 'NOT_ARMED']);
    await arm();
    node('write').receive({ inspection: part({ startedAt: performance.now() - 10_000 }) });
    assert.equal((await nextMessage('otherwise')).inspection?.command?.reason, 'STALE');
    assert.deepEqual(server.writes, []);
  });

  it("gives a part that was opened without a station its own station's deadline", async () => {
    await start({}, { deadlineMs: '500' });
    await arm();
    const open = { station: '', deadlineMs: Number.MAX_SAFE_INTEGER };
    node('write').receive({ inspection: part({ ...open, startedAt: performance.now() - 501 }) });
    assert.equal((await nextMessage('otherwise')).inspection?.command?.reason, 'STALE');
    assert.deepEqual(server.writes, []);
    node('write').receive({ inspection: part({ ...open, startedAt: performance.now() }) });
    assert.equal((await nextMessage('confirmed')).payload, 'confirmed');
  });

  it('takes its value from the message and refuses what does not belong on the tag', async () => {
    await start({ tag: 'ns=1;s=Torque', value: 'torque', valueType: 'msg', max: '50' });
    await arm();
    for (const torque of [51, '12', null, undefined, NaN]) {
      node('write').receive({ inspection: part(), torque });
      assert.equal((await nextMessage('otherwise')).inspection?.command?.reason, 'OUT_OF_RANGE');
    }
    assert.deepEqual(server.writes, []);
    node('write').receive({ inspection: part(), torque: 45 });
    assert.equal((await nextMessage('confirmed')).inspection?.command?.readBack, 45);
  });

  it('ends a message without a part in PART_MISSING', async () => {
    await start();
    await arm();
    node('write').receive({ payload: 'no envelope' });
    const { error } = await nextMessage('caught');
    assert.equal((error as { code?: string }).code, 'PART_MISSING');
    assert.deepEqual(server.writes, []);
  });

  it('releases what it halted when a person releases the station', async () => {
    await start({ tag: 'ns=1;s=Feeder', value: 'false', releaseValue: 'true' });
    await arm();
    node('write').receive({ inspection: part() });
    await nextMessage('confirmed');
    assert.equal(server.value('Feeder'), false);
    await ask('post', '/jidoka/stations/station/disarm', { reason: 'looking at it' }, 'anna');
    const released = await ask(
      'post',
      '/jidoka/stations/station/release',
      { reason: 'coil changed' },
      'anna',
    );
    assert.deepEqual([released.status, released.body['state']], [200, 'ARMED']);
    assert.equal(server.value('Feeder'), true);
    const [command] = await (await flow.station.journal()).commands({ limit: 1 });
    assert.equal(command?.actor, 'anna');
  });

  it('says so when it could not release', async () => {
    await start({
      tag: 'ns=1;s=ReadOnly',
      value: '0',
      valueType: 'num',
      releaseValue: '1',
      releaseValueType: 'num',
    });
    const answer = await ask('post', '/jidoka/stations/station/release', { reason }, 'anna');
    assert.deepEqual([answer.status, answer.body['code']], [409, 'RELEASE_FAILED']);
  });

  it('waits for a person in a station that acts only after a yes', async () => {
    await start({}, { autonomy: 'confirm' });
    await arm();
    const waiting = new Promise<string>((resolve) => {
      const stop = flow.station.onChange(() => {
        const [request] = flow.station.approvals();
        if (request === undefined) return;
        stop();
        resolve(request.commandId);
      });
    });
    node('write').receive({ inspection: part() });
    const path = `/jidoka/stations/station/commands/${await waiting}/confirm`;
    assert.deepEqual(server.writes, []);
    const confirmed = nextMessage('confirmed');
    assert.equal((await ask('post', path, { reason: 'seen it myself' }, 'anna')).status, 200);
    assert.equal((await confirmed).payload, 'confirmed');
    assert.equal((await ask('post', path, { reason: 'once more' }, 'anna')).status, 404);
  });

  it('lets the command under way end before it is closed, and arms nothing by being deployed again', async () => {
    await start({ tag: 'ns=1;s=Slow', value: '5', valueType: 'num' });
    await arm();
    const sent = server.nextWrite();
    node('write').receive({ inspection: part() });
    await sent;
    await unload();
    const journal = await openJournal({ folder: flow.station.folder });
    const [command] = await journal.commands({ limit: 1 });
    assert.deepEqual([command?.outcome, command?.readBack], ['confirmed', 5]);
    await journal.close();
    await rm(flow.folder, { recursive: true });
    await start();
    assert.equal(flow.station.arming().state, 'DISARMED');
  });

  for (const [what, changes] of [
    ['without a tag', { tag: '' }],
    ['with a limit that is no number', { max: 'much' }],
    ['with a number that is none', { value: 'x', valueType: 'num' }],
    ['without a station', { station: 'nowhere' }],
  ] as const) {
    it(`ends every input in a coded error ${what}`, async () => {
      flow = await loadPlcFlow({ protocol: 'opcua', endpointUrl: server.url }, changes);
      node('write').receive({ inspection: part() });
      const { error } = await nextMessage('caught');
      assert.equal((error as { code?: string }).code, 'CONFIG_INVALID');
    });
  }
});
