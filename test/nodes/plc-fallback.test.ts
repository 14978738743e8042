import assert from 'node:assert/strict';
import { once } from 'node:events';
import { openInspection } from '../../lib/inspection/inspection.ts';
import { type OpcuaPlc, startOpcua } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { nextMessage, node } from '../support/helper.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const tag = (name: string): string => `ns=1;s=Line.Torque.${name}`;
const OWN_VALUE = 42;

describe('the defined output of plc-write, at a PLC with a command block', function () {
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

  /** An armed station whose last part has set the torque to 50. */
  async function deciding(write: Record<string, unknown>): Promise<void> {
    flow = await loadPlcFlow(
      {
        protocol: 'opcua',
        endpointUrl: server.endpointUrl,
        heartbeatTag: tag('Heartbeat'),
        heartbeatMs: '100',
        armTag: tag('Arm'),
      },
      {
        tag: tag('Value'),
        value: '50',
        valueType: 'num',
        profile: 'handshake',
        commandIdTag: tag('CmdId'),
        ttlTag: tag('TtlMs'),
        referenceTag: tag('DecisionRef'),
        ackIdTag: tag('AckId'),
        ackResultTag: tag('AckResult'),
        appliedTag: tag('AppliedValue'),
        ...write,
      },
    );
    await linked();
    await scanned(() => !plc.torqueStatus.SafeStateActive);
    await ask('post', '/jidoka/stations/station/arm', { reason: 'shift start' }, 'anna');
    await scanned(() => plc.torque.command.Arm);
    const inspection = openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 10_000 });
    node('write').receive({ inspection });
    assert.equal((await nextMessage('confirmed')).payload, 'confirmed');
    assert.equal(plc.get('TorqueSetpoint'), 50);
    assert.equal([...plc.torque.effects.values()].length, 1);
  }

  const trip = (): void => flow.station.trip({ code: 'CLAMPED', message: 'holds 10' });

  it('releases to the PLC’s own value when the station trips, and goes on beating', async () => {
    await deciding({});
    trip();
    await scanned(() => plc.get('TorqueSetpoint') === OWN_VALUE);
    assert.equal(plc.torque.command.Arm, false);
    assert.equal(plc.torqueStatus.SafeStateActive, false);
    assert.equal(plc.torque.effects.size, 1);
  });

  it('holds the last value for its time, then releases', async () => {
    await deciding({ fallback: 'hold', fallbackHoldSeconds: '0.3' });
    trip();
    assert.equal(plc.get('TorqueSetpoint'), 50);
    await scanned(() => plc.get('TorqueSetpoint') === OWN_VALUE);
    assert.equal(plc.torque.command.Arm, false);
  });

  it('writes its value once, acknowledged, and keeps the Arm bit for it until a person takes over', async () => {
    await deciding({ fallback: 'value', fallbackValue: '30', fallbackValueType: 'num' });
    trip();
    await scanned(() => plc.get('TorqueSetpoint') === 30);
    assert.equal(plc.torque.command.Arm, true);
    assert.equal(plc.torque.effects.size, 2);
    await flow.station.reset({ actor: 'anna', reason: 'gripper replaced' });
    await scanned(() => plc.get('TorqueSetpoint') === OWN_VALUE);
    assert.equal(plc.torque.command.Arm, false);
  });

  it('releases when the PLC refuses the value', async () => {
    await deciding({ fallback: 'value', fallbackValue: '30', fallbackValueType: 'num' });
    plc.interlockOk = false;
    trip();
    await scanned(() => plc.get('TorqueSetpoint') === OWN_VALUE);
    assert.equal(plc.torque.effects.size, 1);
  });

  it('is due when no part comes for the time that was set, and ends with the next part', async () => {
    await deciding({ inputTimeoutSeconds: '3' });
    await scanned(() => plc.get('TorqueSetpoint') === OWN_VALUE);
    assert.equal(flow.station.arming().state, 'ARMED');
    assert.equal(plc.torque.command.Arm, false);
    const inspection = openInspection({ station: 'Press 4', sequence: 2, deadlineMs: 10_000 });
    node('write').receive({ inspection });
    await scanned(() => plc.torque.command.Arm);
  });

  it('is due though parts come, when each of them is too late', async () => {
    await deciding({ inputTimeoutSeconds: '3' });
    const late = setInterval(() => {
      const inspection = openInspection({ station: 'Press 4', sequence: 2, deadlineMs: 1 });
      inspection.part.startedAt -= 1000;
      node('write').receive({ inspection });
    }, 200);
    await scanned(() => plc.get('TorqueSetpoint') === OWN_VALUE);
    clearInterval(late);
    assert.equal(flow.station.arming().state, 'ARMED');
    assert.equal(plc.torque.effects.size, 1);
  });

  it('is not written by a deploy, though a command is under way', async () => {
    await deciding({ fallback: 'value', fallbackValue: '30', fallbackValueType: 'num', settleMs: '1000' });
    plc.torque.fault = { kind: 'effect-without-ack' };
    const { CmdId } = plc.torque.command;
    node('write').receive({
      inspection: openInspection({ station: 'Press 4', sequence: 2, deadlineMs: 10_000 }),
    });
    await scanned(() => plc.torque.command.CmdId !== CmdId);
    await flow.remove();
    flow.remove = () => Promise.resolve();
    assert.notEqual(plc.torque.command.Value, 30);
  });
});
