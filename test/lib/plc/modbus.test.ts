import assert from 'node:assert/strict';
import { Backoff } from '../../../lib/backoff.ts';
import { CommandEngine, type Command, type Outcome } from '../../../lib/plc/command.ts';
import { ModbusTransport } from '../../../lib/plc/modbus.ts';
import type { StationControl } from '../../../lib/station/station.ts';
import { command, linkIs, person, testStation } from '../../support/commands.ts';
import { startModbusServer, type ModbusServer } from '../../support/modbus-server.ts';
import { startRtuGateway } from '../../support/rtu-gateway.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

describe('a command to a real Modbus TCP server', () => {
  let server: ModbusServer;
  let proxy: TcpProxy;
  let transport: ModbusTransport;
  let engine: CommandEngine;
  let station: StationControl;
  let remove: () => Promise<void>;

  beforeEach(async () => {
    server = await startModbusServer();
    proxy = await startTcpProxy(server.port);
    ({ station, remove } = await testStation());
    transport = new ModbusTransport({
      host: '127.0.0.1',
      port: proxy.port,
      unit: 1,
      backoff: new Backoff({ firstMs: 20, maxMs: 50 }),
    });
    engine = new CommandEngine({ endpoint: 'modbus', transport });
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

  const give = (tag: string, value: unknown, changes: Partial<Command> = {}): Promise<Outcome> =>
    engine.execute(command(tag, value, changes), station);

  it('is confirmed for coils, registers and both words of a float at once', async () => {
    assert.equal((await give('coil:12', true)).outcome, 'confirmed');
    assert.equal((await give('holding:40', 65_535)).outcome, 'confirmed');
    assert.equal((await give('holding:41:int16', -2)).outcome, 'confirmed');
    assert.equal((await give('holding:42:float32', 0.1)).outcome, 'confirmed');
    assert.deepEqual(server.writes.slice(0, 3), [
      { address: 12, value: true },
      { address: 40, value: 65_535 },
      { address: 41, value: 65_534 },
    ]);
    assert.deepEqual(server.writes.at(-1), { address: 42, value: [0x3dcc, 0xcccd] });
  });

  it('is refused for what the library would have bent into shape', async () => {
    for (const value of [NaN, 3.7, -1, 70_000, '12', null, undefined, true]) {
      assert.equal((await give('holding:40', value)).reason, 'OUT_OF_RANGE', String(value));
    }
    assert.equal((await give('coil:12', 1)).reason, 'OUT_OF_RANGE');
    assert.equal((await give('input:7', 1)).reason, 'NOT_GOOD');
    assert.equal((await give('holding:x', 1)).reason, 'NOT_GOOD');
    assert.deepEqual(server.writes, []);
  });

  it('is unknown when the register holds something else than it echoed', async () => {
    const { outcome, reason, readBack } = await give('holding:99', 500, { settleMs: 20 });
    assert.deepEqual([outcome, reason, readBack], ['unknown', 'READBACK_MISMATCH', 100]);
  });

  it('is refused while the link is cut, and nothing is replayed after it', async () => {
    proxy.cut();
    await linkIs(transport, 'down');
    const { outcome, reason } = await give('coil:1', true);
    assert.deepEqual([outcome, reason], ['refused', 'LINK_DOWN']);
    proxy.mend();
    await linkIs(transport, 'up');
    assert.equal((await give('coil:2', true)).outcome, 'confirmed');
    assert.deepEqual(server.writes, [{ address: 2, value: true }]);
  });

  it('is unknown in time when no answer comes, and is not sent again', async () => {
    proxy.muteAnswers();
    const ended = proxy.ended();
    const { outcome, reason, ms } = await give('coil:1', true, { timeoutMs: 100 });
    assert.deepEqual([outcome, reason], ['unknown', 'TIMEOUT']);
    assert.ok(ms < 1000, `${ms} ms`);
    assert.equal(await ended, 'reset');
    proxy.mend();
    await linkIs(transport, 'up');
    await engine.idle();
    assert.deepEqual(server.writes, [{ address: 1, value: true }]);
  });

  it('fails at once when the link breaks under it', async () => {
    proxy.muteAnswers();
    const given = give('coil:1', true, { timeoutMs: 5000 });
    await new Promise((resolve) => setImmediate(resolve));
    proxy.cut();
    const { outcome, ms } = await given;
    assert.ok(outcome === 'unknown', outcome);
    assert.ok(ms < 2000, `${ms} ms`);
  });

  it('finds a server that was restarted', async () => {
    await server.stop();
    await linkIs(transport, 'down');
    server = await startModbusServer(server.port);
    await linkIs(transport, 'up');
    assert.equal((await give('coil:1', true)).outcome, 'confirmed');
  });
});

describe('several tags of Modbus', () => {
  let server: ModbusServer;
  before(async () => {
    server = await startModbusServer();
  });
  after(() => server.stop());

  it('that lie side by side are written in one request, and others in turn', async () => {
    const transport = new ModbusTransport({ host: '127.0.0.1', port: server.port, unit: 1 });
    transport.open();
    await linkIs(transport, 'up');
    const block = [
      { tag: 'holding:10:float32', value: 1.5, dataType: 'Float' },
      { tag: 'holding:12', value: 300, dataType: 'UInt16' },
      { tag: 'holding:13:uint32', value: 7, dataType: 'UInt32' },
      { tag: 'coil:3', value: true, dataType: 'Boolean' },
      { tag: 'holding:20', value: 9, dataType: 'UInt16' },
    ] as const;
    assert.equal((await transport.writeAll(block, 1000)).result, 'good');
    assert.deepEqual(server.writes, [
      { address: 10, value: [0x3fc0, 0, 300, 0, 7] },
      { address: 3, value: true },
      { address: 20, value: 9 },
    ]);
    const values = await transport.readAll(
      block.map(({ tag }) => tag),
      1000,
    );
    assert.deepEqual(
      values.map(({ value }) => value),
      [1.5, 300, 7, true, 9],
    );
    await transport.close();
  });
});

describe('a serial gateway with Modbus RTU', () => {
  it('is asked one question at a time, in the order asked', async () => {
    const first = await startModbusServer();
    const gateway = await startRtuGateway({ 1: first.port });
    const transport = new ModbusTransport({
      host: '127.0.0.1',
      port: gateway.port,
      unit: 1,
      framing: 'rtu',
    });
    transport.open();
    await linkIs(transport, 'up');
    const writes = [1, 2, 3, 4].map((value) => transport.write('holding:40', value, 'UInt16', 2000));
    for (const { result } of await Promise.all(writes)) assert.equal(result, 'good');
    assert.deepEqual(
      first.writes.map(({ value }) => value),
      [1, 2, 3, 4],
    );
    assert.equal(gateway.frames[0]?.toString('hex'), '010600280001c802');
    assert.equal(await transport.read('holding:40', 2000).then(({ value }) => value), 4);
    await transport.close();
    await gateway.stop();
    await first.stop();
  });

  it('that soils an answer gets no value believed', async () => {
    const server = await startModbusServer();
    const gateway = await startRtuGateway({ 1: server.port });
    const proxy = await startTcpProxy(gateway.port);
    const transport = new ModbusTransport({
      host: '127.0.0.1',
      port: proxy.port,
      unit: 1,
      framing: 'rtu',
      backoff: new Backoff({ firstMs: 20, maxMs: 50 }),
    });
    transport.open();
    await linkIs(transport, 'up');
    proxy.muteAnswers();
    const reading = transport.read('holding:40', 2000);
    // The right unit, function and length, and a sum that is wrong.
    proxy.inject(Buffer.from('01030200050000', 'hex'));
    await assert.rejects(reading, { code: 'PLC_LINK_LOST' });
    await transport.close();
    await proxy.close();
    await gateway.stop();
    await server.stop();
  });
});
