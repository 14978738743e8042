/** plc-write with the handshake profile, at the plant's PLC: its command block decides and answers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { openInspection } from '../../lib/inspection/inspection.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { startOpcua, type OpcuaPlc } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { codeOf, nextMessage, node } from '../support/helper.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const tag = (name: string): string => `ns=1;s=Line.Torque.${name}`;
const BLOCK = {
  profile: 'handshake',
  commandIdTag: tag('CmdId'),
  ttlTag: tag('TtlMs'),
  referenceTag: tag('DecisionRef'),
  ackIdTag: tag('AckId'),
  ackResultTag: tag('AckResult'),
  appliedTag: tag('AppliedValue'),
};
const DEADLINE_MS = 20_000;

describe('the handshake of plc-write, at a PLC with a command block', function () {
  this.timeout(60_000);
  let plc: PlcMemory;
  let server: OpcuaPlc;
  let flow: PlcFlow;

  beforeEach(async () => {
    plc = new PlcMemory();
    // Longer than this machine may be busy.
    plc.torque.settings.HeartbeatTimeoutMs = 60_000;
    server = await startOpcua({ plc });
  });
  afterEach(async () => {
    await flow.remove();
    await server.close();
    plc.close();
  });

  const scanned = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await once(plc.torque, 'scan');
  };

  async function start(write: Record<string, unknown> = {}): Promise<void> {
    flow = await loadPlcFlow(
      {
        ...{ protocol: 'opcua', endpointUrl: server.endpointUrl },
        ...{ heartbeatTag: tag('Heartbeat'), heartbeatMs: '100', armTag: tag('Arm') },
      },
      {
        ...{ tag: tag('Value'), value: '50', valueType: 'num', version: 2, ...BLOCK },
        ...{ timeoutMs: '10000', settleMs: '10000', ...write },
      },
    );
    await linked();
    await scanned(() => !plc.torqueStatus.SafeStateActive);
    await ask('post', '/jidoka/stations/station/arm', { reason: 'shift start' }, 'anna');
    await scanned(() => plc.torque.command.Arm);
  }
  function give(output: 'confirmed' | 'otherwise'): Promise<Message> {
    const ended = nextMessage(output);
    const inspection = openInspection({ station: 'Press 4', sequence: 1, deadlineMs: DEADLINE_MS });
    node('write').receive({ inspection });
    return ended;
  }
  const blockWrites = (): string[] =>
    plc.writes.map((write): string => write.tag).filter((name) => !/Heartbeat|Arm/.test(name));

  it('gives value, time and reference before the number, once, and takes the answer as the outcome', async () => {
    await start();
    const message = await give('confirmed');
    assert.equal(message.inspection?.command?.readBack, 50);
    assert.deepEqual([...plc.torque.effects.values()], [1]);
    assert.equal(blockWrites().at(-1), 'Torque.CmdId');
    assert.deepEqual(blockWrites().sort(), [
      'Torque.CmdId',
      'Torque.DecisionRef',
      'Torque.TtlMs',
      'Torque.Value',
    ]);
    const { TtlMs, DecisionRef } = plc.torque.command;
    assert.ok(TtlMs > 0 && TtlMs <= DEADLINE_MS, `${TtlMs} ms`);
    const record = (await (await flow.station.journal()).ledger({ limit: 100 })).find(
      ({ type }) => type === 'plc.command',
    );
    assert.equal(DecisionRef, Number.parseInt(record?.hash.slice(0, 8) ?? '', 16));
    assert.equal(plc.torque.status.AppliedRef, DecisionRef);
  });

  it('leaves out the tags that the block does not have', async () => {
    await start({ ttlTag: '', referenceTag: '', appliedTag: '' });
    // Without a time to live the block takes everything for late, and says so.
    const message = await give('otherwise');
    assert.deepEqual([message.payload, message.inspection?.command?.reason], ['refused', 'STALE']);
    assert.deepEqual(blockWrites(), ['Torque.Value', 'Torque.CmdId']);
    assert.equal(plc.torque.effects.size, 0);
  });

  for (const [what, reason, spoil] of [
    ['its interlock is open', 'INTERLOCK', () => (plc.interlockOk = false)],
    ['it is run by hand', 'MANUAL', () => plc.set('Manual', true)],
    ['its own range is narrower', 'OUT_OF_RANGE', () => (plc.torque.settings.RangeHigh = 45)],
  ] as const) {
    it(`says why the block refused: ${what}`, async () => {
      await start();
      spoil();
      const message = await give('otherwise');
      assert.deepEqual([message.payload, message.inspection?.command?.reason], ['refused', reason]);
      assert.equal(plc.torque.effects.size, 0);
      assert.equal(flow.station.arming().state, 'ARMED');
    });
  }

  it('stops the station when the block accepts one value and applies another', async () => {
    plc.torque.fault = { kind: 'clamp', min: 0, max: 45 };
    await start({ settleMs: '500' });
    const message = await give('otherwise');
    assert.equal(message.payload, 'clamped');
    assert.equal(message.inspection?.command?.readBack, 45);
    assert.equal(flow.station.arming().state, 'TRIPPED');
  });

  for (const field of ['commandIdTag', 'ackIdTag', 'ackResultTag']) {
    it(`ends every input in a coded error without ${field}, and writes nothing`, async () => {
      flow = await loadPlcFlow(
        { protocol: 'opcua', endpointUrl: server.endpointUrl },
        { tag: tag('Value'), value: '50', valueType: 'num', ...BLOCK, [field]: '' },
      );
      const caught = nextMessage('caught');
      node('write').receive({ payload: 1 });
      const message = await caught;
      assert.equal(codeOf(message), 'CONFIG_INVALID');
      assert.match(String((message['error'] as { message?: unknown }).message), new RegExp(field));
      assert.deepEqual(plc.writes, []);
    });
  }
});
