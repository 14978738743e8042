import assert from 'node:assert/strict';
import { CommandEngine, type Command, type Outcome } from '../../../lib/plc/command.ts';
import { ModbusTransport } from '../../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../../lib/plc/opcua.ts';
import type { TagWrite, WriteAnswer, WriteGuard } from '../../../lib/plc/transport.ts';
import type { StationControl } from '../../../lib/station/station.ts';
import { startOpcua } from '../../../plant/opcua.ts';
import { PlcMemory } from '../../../plant/plc-memory.ts';
import { command, linkIs, person, testStation } from '../../support/commands.ts';
import { startModbusServer, type ModbusServer } from '../../support/modbus-server.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

/** Tells when a write stands in the queue of the link. */
class QueuedModbus extends ModbusTransport {
  onQueued: () => void = () => undefined;

  override writeAll(
    writes: readonly TagWrite[],
    timeoutMs: number,
    guard?: WriteGuard,
  ): Promise<WriteAnswer> {
    const answer = super.writeAll(writes, timeoutMs, guard);
    this.onQueued();
    return answer;
  }
}

describe('a command that waits behind another request to the PLC', () => {
  let server: ModbusServer;
  let proxy: TcpProxy;
  let transport: QueuedModbus;
  let engine: CommandEngine;
  let station: StationControl;
  let remove: () => Promise<void>;
  let nowMs: number;

  beforeEach(async () => {
    nowMs = 0;
    ({ station, remove } = await testStation());
    server = await startModbusServer();
    proxy = await startTcpProxy(server.port);
    transport = new QueuedModbus({ host: '127.0.0.1', port: proxy.port, unit: 1 });
    engine = new CommandEngine({ endpoint: 'plc', transport, monotonicNow: () => nowMs });
    transport.open();
    await linkIs(transport, 'up');
    await station.arm(person);
  });
  afterEach(async () => {
    await engine.close();
    await transport.close();
    await proxy.close();
    await server.stop();
    await remove();
  });

  const giveBehindARead = async (meanwhile: () => unknown): Promise<Outcome> => {
    proxy.freeze();
    const before = transport.read('holding:1', 3000);
    const queued = new Promise<void>((resolve) => (transport.onQueued = resolve));
    const given = engine.execute(command('coil:12', true, { startedAt: 0, timeoutMs: 3000 }), station);
    await queued;
    await meanwhile();
    proxy.thaw();
    await before;
    return given;
  };

  for (const [what, meanwhile, reason] of [
    ['the station was disarmed', () => station.disarm(person), 'NOT_ARMED'],
    ['the station tripped', () => station.trip({ code: 'X', message: 'y' }), 'NOT_ARMED'],
    [
      'the station stopped itself',
      () => station.degrade('STOPPED', { code: 'X', message: 'y' }),
      'NOT_ARMED',
    ],
    [
      'the station was disarmed and armed anew',
      async () => {
        await station.disarm(person);
        await station.arm(person);
      },
      'NOT_ARMED',
    ],
    [
      'the heartbeat of the PLC was lost',
      () => engine.suspend({ code: 'PLC_STOPPED', message: 'it stands still' }),
      'NOT_ARMED',
    ],
    ['its part became late', () => (nowMs = 5001), 'STALE'],
  ] as const) {
    it(`never leaves when ${what} meanwhile`, async () => {
      const { outcome, ...seen } = await giveBehindARead(meanwhile);
      assert.deepEqual([outcome, seen.reason], ['refused', reason]);
      assert.deepEqual(server.writes, []);
      assert.equal(server.coils[12] ?? false, false);
    });
  }

  it('is given up soon after its node was closed, and never leaves then', async () => {
    proxy.freeze();
    const before = transport.read('holding:1', 20_000);
    before.catch(() => undefined);
    const queued = new Promise<void>((resolve) => (transport.onQueued = resolve));
    const node = new AbortController();
    const late = { startedAt: 0, timeoutMs: 60_000, closing: node.signal };
    const given = engine.execute(command('coil:12', true, late), station);
    await queued;
    node.abort();
    const { outcome, reason } = await given;
    assert.deepEqual([outcome, reason], ['refused', 'INTERRUPTED']);
    proxy.thaw();
    await before;
    await transport.read('coil:12', 5000);
    assert.deepEqual(server.writes, []);
  });

  it('is unknown when its node was closed while it was on its way, and settled by the next', async () => {
    proxy.freeze();
    const given = engine.execute(command('coil:12', true, { startedAt: 0, timeoutMs: 60_000 }), station);
    const queued = new Promise<void>((resolve) => (transport.onQueued = resolve));
    await queued;
    const closed = engine.close();
    const { outcome, reason } = await given;
    assert.deepEqual([outcome, reason], ['unknown', 'INTERRUPTED']);
    await closed;
    proxy.thaw();
    const next = new CommandEngine({ endpoint: 'plc', transport });
    await next.recover(station);
    const settled = (await (await station.journal()).ledger()).find(({ type }) => type === 'plc.settled');
    assert.deepEqual(settled?.detail?.['matches'], true);
    await next.close();
  });

  it('leaves when nothing happened meanwhile', async () => {
    assert.equal((await giveBehindARead(() => undefined)).outcome, 'confirmed');
    assert.equal(server.coils[12], true);
  });
});

/** Lets something happen when all of a block but its number has been written. */
class HaltedOpcUa extends OpcUaTransport {
  beforeNumber: () => void = () => undefined;

  override writeAll(writes: readonly TagWrite[], timeoutMs: number, guard: WriteGuard): Promise<WriteAnswer> {
    let asked = 0;
    const mayLeave = (): boolean => {
      asked += 1;
      if (asked === 2) this.beforeNumber();
      return guard.mayLeave();
    };
    return super.writeAll(writes, timeoutMs, { ...guard, mayLeave });
  }
}

describe('a command of which the block has everything but the number', () => {
  it('is refused when the station trips then, and the PLC does not act', async () => {
    const { station, folder, remove } = await testStation();
    const plc = new PlcMemory();
    const server = await startOpcua({ plc });
    const endpointUrl = `opc.tcp://127.0.0.1:${server.port}`;
    const transport = new HaltedOpcUa({ endpointUrl, security: 'None', pkiFolder: folder });
    const engine = new CommandEngine({ endpoint: 'plc', transport });
    transport.open();
    await linkIs(transport, 'up');
    await station.arm(person);
    const node = (name: string): string => `ns=1;s=Line.Torque.${name}`;
    const [commandId, ackId, ackResult] = [node('CmdId'), node('AckId'), node('AckResult')];
    const given: Partial<Command> = { handshake: { commandId, ackId, ackResult } };
    transport.beforeNumber = () => station.trip({ code: 'X', message: 'y' });
    const { outcome, reason } = await engine.execute(command(node('Value'), 43, given), station);
    assert.deepEqual([outcome, reason], ['refused', 'NOT_ARMED']);
    assert.equal(plc.torque.command.Value, 43, 'the block was under way');
    assert.deepEqual([plc.torque.command.CmdId, plc.torque.effects.size], [0, 0]);
    await engine.close();
    await transport.close();
    await server.close();
    plc.close();
    await remove();
  });
});
