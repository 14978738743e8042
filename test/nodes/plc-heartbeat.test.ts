import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type OpcuaPlc, startOpcua } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { node } from '../support/helper.ts';
import { loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const HEARTBEAT = { heartbeatTag: 'ns=1;s=Line.Torque.Heartbeat', heartbeatMs: '100' };
const ARM = { armTag: 'ns=1;s=Line.Torque.Arm' };

describe('the heartbeat of plc-endpoint', function () {
  this.timeout(60_000);
  let plc: PlcMemory;
  let server: OpcuaPlc;
  let flow: PlcFlow | undefined;

  beforeEach(async () => {
    plc = new PlcMemory();
    server = await startOpcua({ plc });
  });
  afterEach(async () => {
    await flow?.remove();
    flow = undefined;
    await server.close();
    plc.close();
  });

  const endpoint = (changes: Record<string, unknown>): Promise<PlcFlow> =>
    loadPlcFlow(
      { protocol: 'opcua', endpointUrl: server.endpointUrl, ...changes },
      { tag: 'ns=1;s=Line.TorqueSetpoint', value: '40', valueType: 'num' },
    );
  const fellBack = (): boolean => plc.torqueStatus.SafeStateActive;
  const beats = (): number => plc.writes.filter(({ tag }) => tag === 'Torque.Heartbeat').length;

  it('beats as soon as there is a link, disarmed, until the flow is stopped', async () => {
    flow = await endpoint({ ...HEARTBEAT, ...ARM });
    while (beats() < 3) await once(plc, 'write');
    assert.equal(plc.torque.command.Arm, false);
    while (fellBack()) await once(plc.torque, 'scan');
    await flow.remove();
    flow = undefined;
    const { length } = plc.writes;
    while (!fellBack()) await once(plc.torque, 'scan');
    assert.equal(plc.writes.length, length);
  });

  it('lets the PLC hear nothing in a dry run', async () => {
    flow = await endpoint({ ...HEARTBEAT, ...ARM, dryRun: true });
    const { station } = flow;
    await station.arm({ actor: 'anna', reason: 'shift start' });
    for (let cycle = 0; cycle < 50; cycle += 1) await once(plc.torque, 'scan');
    assert.deepEqual(plc.writes, []);
  });

  for (const [what, stops, code] of [
    ['the PLC no longer hears it', () => server.close(), 'HEARTBEAT_LOST'],
    ["the PLC's own stands still", () => plc.torque.stop(), 'PLC_STOPPED'],
  ] as const) {
    it(`disarms the station when ${what}, and lets nothing leave until it is back`, async () => {
      const own = { plcHeartbeatTag: 'ns=1;s=Line.Torque.PlcHeartbeat', beatTimeoutMs: '3000' };
      flow = await endpoint({
        ...HEARTBEAT,
        ...ARM,
        ...(code === 'PLC_STOPPED' ? own : { beatTimeoutMs: '3000' }),
      });
      const { station } = flow;
      while (fellBack()) await once(plc.torque, 'scan');
      await station.arm({ actor: 'anna', reason: 'shift start' });
      const disarmed = new Promise<void>((resolve) => {
        station.onChange(() => {
          if (station.arming().state === 'DISARMED') resolve();
        });
      });
      await stops();
      await disarmed;
      assert.match(station.arming().reason, new RegExp(`^${code}: Line PLC`));
      await station.arm({ actor: 'anna', reason: 'again' });
      const { outcome } = await station.command({
        ...{ target: 'write', value: 40, actor: 'anna', reason: 'a test', idempotencyKey: 'k-1' },
        signal: new AbortController().signal,
      });
      assert.equal(outcome, 'refused');
    });
  }

  it('wants a heartbeat with an Arm bit', async () => {
    flow = await endpoint(ARM);
    const status = node('plc') as unknown as { plc?: unknown };
    assert.equal(status.plc, undefined);
  });
});
