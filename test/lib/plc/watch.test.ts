import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../../../lib/backoff.ts';
import { ModbusTransport } from '../../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../../lib/plc/opcua.ts';
import type { Reading } from '../../../lib/plc/transport.ts';
import { TagWatch } from '../../../lib/plc/watch.ts';
import { startModbus, type ModbusPlc } from '../../../plant/modbus.ts';
import { startOpcua, type OpcuaPlc } from '../../../plant/opcua.ts';
import { PlcMemory } from '../../../plant/plc-memory.ts';
import { linkIs } from '../../support/commands.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

const quickly = (): Backoff => new Backoff({ firstMs: 20, maxMs: 50 });

/** What was told of a tag, in order, for who waits for the next of it. */
class Heard {
  readonly all: (Reading | Error)[] = [];
  #next = 0;
  #wake = (): void => undefined;

  readonly listener = (seen: Reading | Error): void => {
    this.all.push(seen);
    this.#wake();
  };

  async next(): Promise<Reading | Error> {
    while (this.#next >= this.all.length) await new Promise<void>((resolve) => (this.#wake = resolve));
    const seen = this.all[this.#next];
    this.#next += 1;
    assert.ok(seen);
    return seen;
  }

  /** The value that is told next; fails on an error. */
  async value(): Promise<unknown> {
    const seen = await this.next();
    if (seen instanceof Error) throw seen;
    return seen.value;
  }

  async code(): Promise<unknown> {
    const seen = await this.next();
    assert.ok(seen instanceof Error, `told ${JSON.stringify(seen)} instead of a failure`);
    return (seen as { code?: unknown }).code;
  }
}

describe('a watch over OPC UA', () => {
  let folder: string;
  let plc: PlcMemory;
  let server: OpcuaPlc;
  let proxy: TcpProxy;
  let transport: OpcUaTransport;
  let watch: TagWatch;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-watch-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    plc = new PlcMemory();
    server = await startOpcua({ plc, pkiFolder: join(folder, 'server') });
    proxy = await startTcpProxy(server.port);
    transport = new OpcUaTransport({
      endpointUrl: `opc.tcp://127.0.0.1:${proxy.port}`,
      security: 'None',
      pkiFolder: join(folder, 'client'),
      backoff: quickly(),
    });
    watch = new TagWatch(transport, { pollMs: 50 });
    transport.open();
  });
  afterEach(async () => {
    watch.close();
    await transport.close();
    await proxy.close();
    await server.close();
    plc.close();
  });

  it('tells what a tag holds, then each change once, with quality and the time it arose at the PLC', async () => {
    const present = new Heard();
    // Before there is a link: it is told when there is one.
    watch.watch('ns=1;s=Line.PartPresent', present.listener);
    const before = Date.now();
    const first = await present.next();
    assert.ok(!(first instanceof Error));
    assert.deepEqual([first.value, first.good, first.status], [false, true, 'Good']);
    const arose = Date.parse(first.sourceAt ?? '');
    assert.ok(Math.abs(arose - before) < 60_000, `${first.sourceAt}`);
    for (const value of [true, false, true]) {
      plc.set('PartPresent', value);
      assert.equal(await present.value(), value);
    }
    assert.equal(present.all.length, 4);
  });

  it('tells who comes later the present state, and nobody who has left', async () => {
    const [one, other] = [new Heard(), new Heard()];
    const leave = watch.watch('ns=1;s=Line.PartId', one.listener);
    assert.equal(await one.value(), '');
    watch.watch('ns=1;s=Line.PartId', other.listener);
    assert.equal(await other.value(), '');
    leave();
    plc.set('PartId', 'SN-1');
    assert.equal(await other.value(), 'SN-1');
    assert.equal(one.all.length, 1);
  });

  it('goes on after the server was restarted: the loss once, then the state again though it is the same', async () => {
    const manual = new Heard();
    watch.watch('ns=1;s=Line.Manual', manual.listener);
    assert.equal(await manual.value(), false);
    const { port } = server;
    await server.close();
    assert.equal(await manual.code(), 'PLC_LINK_LOST');
    server = await startOpcua({ plc, port, pkiFolder: join(folder, 'server') });
    assert.equal(await manual.value(), false);
    plc.set('Manual', true);
    assert.equal(await manual.value(), true);
    assert.equal(manual.all.length, 4);
  });

  it('goes on after the cable was pulled, with the state of now and nothing of meanwhile', async () => {
    const counter = new Heard();
    watch.watch('ns=1;s=Line.PartCounter', counter.listener);
    assert.equal(await counter.value(), 0);
    proxy.cut();
    assert.equal(await counter.code(), 'PLC_LINK_LOST');
    plc.set('PartCounter', 1);
    plc.set('PartCounter', 2);
    proxy.mend();
    assert.equal(await counter.value(), 2);
    plc.set('PartCounter', 3);
    assert.equal(await counter.value(), 3);
    assert.equal(counter.all.length, 4);
  });

  it('goes on after the client was thrown away, as a write without an answer does', async () => {
    const gate = new Heard();
    watch.watch('ns=1;s=Line.RejectGate', gate.listener);
    assert.equal(await gate.value(), false);
    proxy.muteAnswers();
    await assert.rejects(transport.write('ns=1;s=Line.RejectGate', true, 'Boolean', 100), {
      code: 'PLC_TIMEOUT',
    });
    assert.equal(await gate.code(), 'PLC_LINK_LOST');
    proxy.mend();
    assert.equal(await gate.value(), true);
    plc.set('RejectGate', false);
    assert.equal(await gate.value(), false);
  });

  it('says that the PLC does not know a tag, and watches the others', async () => {
    const [unknown, malformed, known] = [new Heard(), new Heard(), new Heard()];
    watch.watch('ns=1;s=Line.Nowhere', unknown.listener);
    watch.watch('no node id', malformed.listener);
    watch.watch('ns=1;s=Line.Manual', known.listener);
    assert.equal(await unknown.code(), 'PLC_TAG_UNUSABLE');
    assert.equal(await malformed.code(), 'PLC_TAG_INVALID');
    assert.equal(await known.value(), false);
  });
});

describe('what a watch leaves at an OPC UA server', () => {
  it('is one subscription for all tags while it lasts, and after a hundred rounds nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-watch-'));
    const server = await startOpcUaServer();
    const transport = new OpcUaTransport({
      endpointUrl: server.url,
      security: 'None',
      pkiFolder: join(folder, 'pki'),
    });
    const watch = new TagWatch(transport, { pollMs: 50 });
    transport.open();
    await linkIs(transport, 'up');
    const doubtful = new Heard();
    watch.watch('ns=1;s=Uncertain', doubtful.listener);
    const seen = await doubtful.next();
    assert.ok(!(seen instanceof Error));
    assert.deepEqual([seen.good, seen.status], [false, 'UncertainLastUsableValue']);
    for (let round = 0; round < 100; round += 1) {
      const torque = new Heard();
      const leave = watch.watch('ns=1;s=Torque', torque.listener);
      // Every other one is left before anything was told.
      if (round % 2 === 0) assert.equal(await torque.value(), 40);
      leave();
    }
    while (server.subscribed().items !== 1) await delay(5);
    assert.equal(server.subscribed().subscriptions, 1);
    watch.close();
    while (server.subscribed().items !== 0) await delay(5);
    assert.equal(server.subscribed().subscriptions, 0);
    await transport.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
});

describe('a watch over Modbus', () => {
  let plc: PlcMemory;
  let server: ModbusPlc;
  let proxy: TcpProxy;
  let transport: ModbusTransport;
  let clock: FakeClock;
  let watch: TagWatch;
  let reads: number;

  beforeEach(async () => {
    plc = new PlcMemory();
    server = await startModbus({ plc });
    proxy = await startTcpProxy(server.port);
    transport = new ModbusTransport({ host: '127.0.0.1', port: proxy.port, unit: 1, backoff: quickly() });
    reads = 0;
    const read = transport.read.bind(transport);
    transport.read = (tag, timeoutMs) => {
      reads += 1;
      return read(tag, timeoutMs);
    };
    clock = new FakeClock();
    transport.open();
    await linkIs(transport, 'up');
    watch = new TagWatch(transport, { pollMs: 100, timeoutMs: 200, clock });
  });
  afterEach(async () => {
    watch.close();
    await transport.close();
    await proxy.close();
    await server.close();
    plc.close();
  });

  /** The next look is planned when the one before has ended. */
  async function planned(): Promise<void> {
    while (clock.pending === 0) await turn();
  }

  it('looks in a steady rhythm and tells what has changed since', async () => {
    const manual = new Heard();
    watch.watch('coil:2', manual.listener);
    assert.equal(await manual.value(), false);
    for (const [beat, value] of [false, true, true, false].entries()) {
      plc.set('Manual', value);
      await planned();
      clock.advance(99);
      assert.equal(reads, beat + 1, 'it looked before it was time');
      clock.advance(1);
      assert.equal(reads, beat + 2);
      await planned();
    }
    assert.equal(await manual.value(), true);
    assert.equal(await manual.value(), false);
    assert.equal(manual.all.length, 3);
  });

  it('leaves out the beats that fall into a look, instead of asking twice at once', async () => {
    const manual = new Heard();
    watch.watch('coil:2', manual.listener);
    assert.equal(await manual.value(), false);
    await planned();
    proxy.muteAnswers();
    clock.advance(100);
    assert.equal(reads, 2);
    clock.advance(250);
    assert.equal(reads, 2);
    assert.equal(await manual.code(), 'PLC_LINK_LOST');
    await planned();
    proxy.mend();
    await linkIs(transport, 'up');
    // 350 ms have passed: the next beat of the same rhythm is at 400.
    clock.advance(49);
    assert.equal(reads, 2);
    clock.advance(1);
    assert.equal(reads, 3);
    assert.equal(await manual.value(), false);
  });

  it('tells the loss of the link once however long it lasts, asks nothing meanwhile, and then the state again', async () => {
    const manual = new Heard();
    watch.watch('coil:2', manual.listener);
    assert.equal(await manual.value(), false);
    proxy.cut();
    assert.equal(await manual.code(), 'PLC_LINK_LOST');
    for (let beat = 0; beat < 20; beat += 1) {
      await planned();
      clock.advance(100);
    }
    assert.equal(reads, 1);
    proxy.mend();
    await linkIs(transport, 'up');
    await planned();
    clock.advance(100);
    assert.equal(await manual.value(), false);
    assert.equal(manual.all.length, 3);
  });

  it('says which tag cannot be read, once, and watches the others', async () => {
    const [bad, good] = [new Heard(), new Heard()];
    watch.watch('holding:77', bad.listener);
    watch.watch('coil:2', good.listener);
    assert.equal(await bad.code(), 'PLC_READ_FAILED');
    assert.equal(await good.value(), false);
    await planned();
    clock.advance(100);
    await planned();
    assert.equal(bad.all.length, 1);
    plc.set('Manual', true);
    clock.advance(100);
    assert.equal(await good.value(), true);
  });

  it('ends its rhythm with the last listener', async () => {
    const manual = new Heard();
    const leave = watch.watch('coil:2', manual.listener);
    assert.equal(await manual.value(), false);
    await planned();
    leave();
    assert.equal(clock.pending, 0);
  });
});
