import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Backoff } from '../../../lib/backoff.ts';
import { Heartbeat } from '../../../lib/plc/heartbeat.ts';
import { ModbusTransport } from '../../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../../lib/plc/opcua.ts';
import type { Transport } from '../../../lib/plc/transport.ts';
import { startModbus } from '../../../plant/modbus.ts';
import { startOpcua } from '../../../plant/opcua.ts';
import { PlcMemory } from '../../../plant/plc-memory.ts';
import { linkIs } from '../../support/commands.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

interface Protocol {
  name: string;
  serve: (plc: PlcMemory) => Promise<{ port: number; close(): Promise<void> }>;
  connect: (port: number, folder: string) => Transport;
  tags: { beat: string; arm: string; text?: string };
}

const backoff = (): Backoff => new Backoff({ firstMs: 20, maxMs: 50 });
const PROTOCOLS: Protocol[] = [
  {
    name: 'OPC UA',
    serve: (plc) => startOpcua({ plc }),
    connect: (port, folder) =>
      new OpcUaTransport({
        endpointUrl: `opc.tcp://127.0.0.1:${port}`,
        security: 'None',
        pkiFolder: join(folder, 'pki'),
        backoff: backoff(),
      }),
    tags: {
      beat: 'ns=1;s=Line.Torque.Heartbeat',
      arm: 'ns=1;s=Line.Torque.Arm',
      text: 'ns=1;s=Line.PartId',
    },
  },
  {
    name: 'Modbus',
    serve: (plc) => startModbus({ plc }),
    connect: (port) => new ModbusTransport({ host: '127.0.0.1', port, unit: 1, backoff: backoff() }),
    tags: { beat: 'holding:108', arm: 'coil:3' },
  },
];

for (const { name, serve, connect, tags } of PROTOCOLS) {
  describe(`the heartbeat over ${name}`, function () {
    this.timeout(40_000);
    const plc = new PlcMemory();
    const clock = new FakeClock();
    let folder: string;
    let server: Awaited<ReturnType<Protocol['serve']>>;
    let proxy: TcpProxy;
    let transport: Transport;
    let heartbeat: Heartbeat;
    let armed: boolean;
    const failures: (string | undefined)[] = [];

    /** Resolves when the PLC holds this count, and the answer to it has come back. */
    const beaten = async (count: number): Promise<void> => {
      while (plc.torque.command.Heartbeat !== count) await once(plc, 'write');
      await answered();
    };
    const answered = async (): Promise<void> => {
      await transport.read(tags.beat, 5000);
      // Both answers may have come at once: what waits for the beat's runs first.
      await setImmediate();
    };
    const written = (): unknown[] => plc.writes.map(({ tag, value }) => [tag, value]);

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'jidoka-heartbeat-'));
      server = await serve(plc);
      // Longer than this machine may be busy.
      plc.torque.settings.HeartbeatTimeoutMs = 60_000;
      proxy = await startTcpProxy(server.port);
      transport = connect(proxy.port, folder);
      transport.open();
      await linkIs(transport, 'up');
    });
    after(async () => {
      await transport.close();
      await proxy.close();
      await server.close();
      plc.close();
      await rm(folder, { recursive: true, force: true });
    });
    beforeEach(() => {
      armed = false;
      plc.torque.command.Heartbeat = 0;
      failures.length = 0;
      plc.writes.length = 0;
      heartbeat = new Heartbeat({
        transport,
        tag: tags.beat,
        armTag: tags.arm,
        armed: () => armed,
        clock,
        onFailure: (error) => failures.push(error?.message),
      });
    });
    afterEach(async () => {
      await heartbeat.stop();
      assert.equal(clock.pending, 0);
    });

    it('counts up every half second, with the Arm bit before it', async () => {
      heartbeat.start();
      await beaten(1);
      armed = true;
      clock.advance(500);
      await beaten(2);
      assert.deepEqual(written(), [
        ['Torque.Arm', false],
        ['Torque.Heartbeat', 1],
        ['Torque.Arm', true],
        ['Torque.Heartbeat', 2],
      ]);
    });

    it('keeps the command block of the PLC alive, and stopping lets the Arm bit fall', async () => {
      armed = true;
      heartbeat.start();
      await beaten(1);
      let beats = 1;
      // In a cycle of its own it sees a count that it has not seen before; on a busy machine not each one.
      while (plc.torqueStatus.SafeStateActive) {
        clock.advance(500);
        await beaten((beats += 1));
        await once(plc.torque, 'scan');
      }
      assert.equal(plc.torque.command.Arm, true);
      await heartbeat.stop();
      assert.equal(plc.torque.command.Arm, false);
      assert.equal(plc.torque.command.Heartbeat, beats);
    });

    it('sends the Arm bit at once when it has changed, also while a beat is under way', async () => {
      heartbeat.start();
      await beaten(1);
      armed = true;
      heartbeat.refresh();
      armed = false;
      heartbeat.refresh();
      await beaten(3);
      assert.deepEqual(written().at(-2), ['Torque.Arm', false]);
      armed = true;
      heartbeat.refresh();
      await beaten(4);
      assert.equal(plc.torque.command.Arm, true);
    });

    it('sends no second beat while one is under way, and makes up for none', async () => {
      heartbeat.start();
      await beaten(1);
      proxy.freeze();
      clock.advance(5000);
      proxy.thaw();
      await beaten(2);
      await answered();
      assert.deepEqual(written().length, 4);
    });

    it('sends nothing while the link is down, and nothing late when it is back', async () => {
      heartbeat.start();
      await beaten(1);
      proxy.cut();
      await linkIs(transport, 'down');
      plc.writes.length = 0;
      clock.advance(60_000);
      proxy.mend();
      await linkIs(transport, 'up');
      await answered();
      assert.deepEqual(written(), []);
      clock.advance(500);
      await beaten(2);
      assert.deepEqual(written(), [
        ['Torque.Arm', false],
        ['Torque.Heartbeat', 2],
      ]);
      assert.deepEqual(failures, []);
    });

    it('is lost when the PLC has answered no beat for its time, and found with the next', async () => {
      const lost: boolean[] = [];
      heartbeat = new Heartbeat({
        ...{ transport, tag: tags.beat, armed: () => armed, clock, timeoutMs: 2000 },
        onLost: (isLost) => lost.push(isLost),
      });
      heartbeat.start();
      await beaten(1);
      proxy.cut();
      await linkIs(transport, 'down');
      clock.advance(2000);
      assert.deepEqual(lost, []);
      clock.advance(500);
      assert.deepEqual(lost, [true]);
      clock.advance(5000);
      proxy.mend();
      await linkIs(transport, 'up');
      heartbeat.refresh();
      await beaten(2);
      assert.deepEqual(lost, [true, false]);
    });

    it('never tells an Arm bit that holds no longer, however long it waited for its turn', async () => {
      armed = true;
      const writeAll = transport.writeAll.bind(transport);
      // As behind another request to the PLC.
      transport.writeAll = async (writes, timeoutMs, guard) => {
        armed = false;
        await setImmediate();
        return writeAll(writes, timeoutMs, guard);
      };
      heartbeat.start();
      await beaten(2);
      transport.writeAll = writeAll;
      assert.deepEqual(written(), [
        ['Torque.Arm', false],
        ['Torque.Heartbeat', 2],
      ]);
      assert.deepEqual(failures, []);
    });

    if (tags.text !== undefined) {
      it('says what is wrong with a tag that cannot count', async () => {
        const failed = new Promise<Error | undefined>((resolve) => {
          heartbeat = new Heartbeat({
            transport,
            tag: tags.text ?? '',
            armed: () => true,
            clock,
            onFailure: resolve,
          });
        });
        heartbeat.start();
        const error = await failed;
        assert.equal((error as Error & { code?: string }).code, 'PLC_TAG_UNUSABLE');
        assert.match(error?.message ?? '', /cannot count/);
      });
    }
  });
}
