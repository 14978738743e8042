import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { Backoff } from '../../../lib/backoff.ts';
import { MqttTransport, type MqttPlcOptions } from '../../../lib/plc/mqtt.ts';
import { PlcError } from '../../../lib/plc/plc-error.ts';
import { writePlain } from '../../../lib/plc/plain-profile.ts';
import type { TagValue } from '../../../lib/plc/tag-type.ts';
import { linkIs } from '../../support/commands.ts';
import { MqttBroker, Mosquitto, requireMosquitto } from '../../support/mqtt-broker.ts';
import { MqttDevice, TOPICS } from '../../support/mqtt-device.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { makeCertificate, type TlsCertificate } from '../../support/tls-certificate.ts';
import { conforms, type Rig } from './conformance.ts';

const TAGS = {
  gate: { value: false, type: 'Boolean' },
  recipe: { value: 0, type: 'Int16' },
  speed: { value: 0, type: 'Float' },
  fixed: { value: 0, type: 'Int16', writable: false },
} as const;

const optionsFor = (port: number, options: Partial<MqttPlcOptions> = {}): MqttPlcOptions => ({
  url: `mqtt://127.0.0.1:${port}`,
  version: '3.1.1',
  ...TOPICS,
  staleMs: 60_000,
  backoff: new Backoff({ firstMs: 20, maxMs: 50 }),
  ...options,
});

async function rig(): Promise<Rig> {
  const broker = new MqttBroker();
  await broker.start();
  const proxy = await startTcpProxy(broker.port);
  const device = new MqttDevice(structuredClone(TAGS));
  await device.connect(broker.url);
  const another = (): MqttTransport => new MqttTransport(optionsFor(proxy.port));
  const retain = (tag: string): void => {
    void broker.publish(TOPICS.stateTopic.replace('{tag}', tag), device.state(tag), true);
  };
  return {
    transport: another(),
    another,
    tags: { bit: 'gate', integer: 'recipe', float: 'speed', readOnly: 'fixed', malformed: 'a+b' },
    peer: {
      value: (tag) => device.value(tag),
      set: (tag: string, value: TagValue) => {
        void device.set(tag, value);
        retain(tag);
      },
      writes: () => device.writes,
      sessions: () => proxy.links(),
      freeze: () => {
        proxy.freeze();
      },
      thaw: () => {
        proxy.thaw();
      },
      reset: () => {
        proxy.reset();
      },
      inject: (bytes) => {
        proxy.inject(bytes);
      },
      kill: async () => {
        proxy.cut();
        device.leave();
        await broker.kill();
      },
      restart: async () => {
        await broker.start();
        await device.connect(broker.url);
        proxy.mend();
      },
    },
    close: async () => {
      device.leave();
      await proxy.close();
      await broker.kill();
    },
  };
}

conforms('the link of MQTT', rig);

/** Opens the link; resolves with what needs a person. */
function failure(transport: MqttTransport): Promise<PlcError> {
  const failed = new Promise<PlcError>((resolve) =>
    transport.onLink((link) => {
      if (link.state === 'failed' && link.error instanceof PlcError) resolve(link.error);
    }),
  );
  transport.open();
  return failed;
}

describe('a PLC over MQTT', () => {
  for (const version of ['3.1.1', '5'] as const) {
    it(`takes a write when the device has answered, not when mosquitto has (MQTT ${version})`, async function () {
      requireMosquitto(this);
      const broker = await Mosquitto.start();
      const device = new MqttDevice(structuredClone(TAGS));
      await device.connect(broker.url, version === '5' ? 5 : 4);
      const transport = new MqttTransport(optionsFor(broker.port, { version }));
      transport.open();
      await linkIs(transport, 'up');
      assert.equal((await transport.write('recipe', 7, 'Int16', 2000)).result, 'good');
      assert.equal((await transport.read('recipe', 2000)).value, 7);
      device.mute = true;
      await assert.rejects(transport.write('recipe', 8, 'Int16', 200), { code: 'PLC_TIMEOUT' });
      assert.equal(device.value('recipe'), 8, 'it arrived, and nobody said so');
      device.leave();
      await linkIs(transport, 'up');
      await assert.rejects(transport.write('recipe', 9, 'Int16', 200), { code: 'PLC_TIMEOUT' });
      device.mute = false;
      await device.connect(broker.url, version === '5' ? 5 : 4);
      await linkIs(transport, 'up');
      assert.equal((await transport.write('recipe', 10, 'Int16', 2000)).result, 'good');
      assert.deepEqual(
        device.writes.map(({ value }) => value),
        [7, 8, 10],
      );
      await transport.close();
      device.leave();
      await broker.stop();
    });
  }

  it('reads a state that nobody has renewed as not good, and one without a time too', async () => {
    const broker = new MqttBroker();
    await broker.start();
    const publisher = await connectAsync(broker.url, { reconnectPeriod: 0 });
    const retain = { qos: 1, retain: true } as const;
    const at = new Date(Date.now() - 5000).toISOString();
    await publisher.publishAsync('line/state/old', JSON.stringify({ value: 1, at }), retain);
    await publisher.publishAsync('line/state/undated', JSON.stringify({ value: 1 }), retain);
    await publisher.publishAsync('line/state/noise', 'no JSON', retain);
    const transport = new MqttTransport(optionsFor(broker.port, { staleMs: 2000 }));
    transport.open();
    await linkIs(transport, 'up');
    for (const tag of ['old', 'undated']) {
      const { good, status } = await transport.read(tag, 2000);
      assert.deepEqual([good, status], [false, 'Stale']);
    }
    await assert.rejects(transport.read('noise', 100), { code: 'PLC_TIMEOUT' });
    await transport.close();
    publisher.end(true);
    await broker.kill();
  });

  describe('with a device that answers', () => {
    const broker = new MqttBroker();
    let device: MqttDevice;
    let transport: MqttTransport;

    beforeEach(async () => {
      await broker.start();
      device = new MqttDevice({ torque: { value: 0, type: 'Double' } });
      await device.connect(broker.url);
      transport = new MqttTransport(optionsFor(broker.port));
      transport.open();
      await linkIs(transport, 'up');
    });
    afterEach(async () => {
      await transport.close();
      device.leave();
      await broker.kill();
    });

    it('tells it the time that is left of a command, where that is less than the wait for its answer', async () => {
      for (const leftMs of [1500.7, 60_000, 0.2]) {
        await transport.write('torque', 1, 'Double', 3000, { mayLeave: () => true, leftMs: () => leftMs });
      }
      await transport.write('torque', 1, 'Double', 3000);
      assert.deepEqual(device.ttlsMs, [1500, 3000, 1, 3000]);
    });

    it('takes what 32 bits make of a value as that value', async () => {
      device.hold = (value) => Math.fround(Number(value));
      assert.equal((await transport.write('torque', 0.1, 'Double', 3000)).result, 'good');
    });

    it('leaves it to who knows the tolerance whether another value is as good', async () => {
      device.hold = () => 41.98;
      const given = {
        tag: 'torque',
        value: 42,
        dataType: 'Double',
        settleMs: 3000,
        timeoutMs: 3000,
      } as const;
      const now = (): number => performance.now();
      assert.equal((await writePlain(transport, { ...given, tolerance: 0.1 }, now)).outcome, 'confirmed');
      assert.equal((await writePlain(transport, { ...given, tolerance: 0 }, now)).outcome, 'clamped');
    });
  });

  it('says that the password is wrong', async () => {
    const broker = new MqttBroker();
    broker.user = { name: 'operator', password: 'right' };
    await broker.start();
    const transport = new MqttTransport(
      optionsFor(broker.port, { user: { name: 'operator', password: 'wrong' } }),
    );
    assert.equal((await failure(transport)).code, 'PLC_SIGN_IN');
    await transport.close();
    await broker.kill();
  });

  it('unsubscribes when the last listener has left, and can be asked and listened to again', async () => {
    const broker = new MqttBroker();
    await broker.start();
    const state = 'line/state/recipe';
    const tell = (value: number): Promise<void> =>
      broker.publish(state, JSON.stringify({ value, at: new Date().toISOString() }), true);
    await tell(1);
    const transport = new MqttTransport(optionsFor(broker.port));
    transport.open();
    await linkIs(transport, 'up');
    let [heard, leave] = await listened(transport);
    const [alsoHeard, leaveToo] = await listened(transport);
    assert.deepEqual([await heard.next(), await alsoHeard.next()], [1, 1]);
    await leave();
    await tell(2);
    assert.equal(await alsoHeard.next(), 2);
    assert.deepEqual(broker.unsubscriptions, [], 'somebody still listens');
    const left = broker.unsubscribed();
    await leaveToo();
    await left;
    await leaveToo();
    assert.deepEqual(broker.unsubscriptions, [state]);
    await tell(3);
    assert.equal((await transport.read('recipe', 2000)).value, 3);
    [heard, leave] = await listened(transport);
    assert.equal(await heard.next(), 3);
    await tell(4);
    assert.equal(await heard.next(), 4);
    const leftAgain = broker.unsubscribed();
    await leave();
    await leftAgain;
    assert.deepEqual(broker.unsubscriptions, [state, state]);
    await transport.close();
    await broker.kill();
  });

  describe('over TLS', () => {
    let folder: string;
    let tls: TlsCertificate;
    let broker: MqttBroker;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'jidoka-plc-mqtts-'));
      tls = await makeCertificate(folder);
    });
    after(() => rm(folder, { recursive: true }));
    beforeEach(async () => {
      broker = new MqttBroker(tls);
      await broker.start();
    });
    afterEach(() => broker.kill());

    const over = (caFile?: string): MqttTransport =>
      new MqttTransport(
        optionsFor(broker.port, { url: broker.url, ...(caFile === undefined ? {} : { caFile }) }),
      );

    it('writes and reads at a broker the file vouches for, and sends nothing twice', async () => {
      const device = new MqttDevice(structuredClone(TAGS));
      await device.connect(broker.url, 4, tls.cert);
      const transport = over(tls.certFile);
      transport.open();
      await linkIs(transport, 'up');
      assert.equal((await transport.write('recipe', 7, 'Int16', 2000)).result, 'good');
      assert.equal((await transport.read('recipe', 2000)).value, 7);
      device.mute = true;
      await assert.rejects(transport.write('recipe', 8, 'Int16', 200), { code: 'PLC_TIMEOUT' });
      assert.equal(transport.linkUp(), false, 'the socket under TLS was reset');
      device.mute = false;
      await linkIs(transport, 'up');
      assert.equal((await transport.write('recipe', 9, 'Int16', 2000)).result, 'good');
      assert.deepEqual(
        device.writes.map(({ value }) => value),
        [7, 8, 9],
      );
      device.leave();
      await broker.kill();
      await linkIs(transport, 'down');
      await broker.start();
      await linkIs(transport, 'up');
      await transport.close();
    });

    it('refuses a broker nobody vouches for, and says what to do', async () => {
      const transport = over();
      const { code, hint } = await failure(transport);
      assert.equal(code, 'PLC_CERTIFICATE');
      assert.match(hint ?? '', /certificate of your plant's authority/);
      await transport.close();
    });

    it('says that the file cannot be read', async () => {
      const transport = over(join(folder, 'nowhere.pem'));
      const { code, hint } = await failure(transport);
      assert.equal(code, 'PLC_CERTIFICATE');
      assert.match(hint ?? '', /PEM, readable/);
      await transport.close();
    });
  });
});

/** A listener for `recipe`, and the way to stop. */
async function listened(
  transport: MqttTransport,
): Promise<[{ next: () => Promise<TagValue> }, () => Promise<void>]> {
  const values: TagValue[] = [];
  let came = (): void => undefined;
  const leave = await transport.subscribe('recipe', 50, (seen) => {
    assert.ok(!(seen instanceof Error));
    // What is retained may be told more than once.
    if (values.at(-1) !== seen.value) values.push(seen.value);
    came();
  });
  let read = 0;
  const next = async (): Promise<TagValue> => {
    for (;;) {
      const value = values[read];
      if (value !== undefined) {
        read += 1;
        return value;
      }
      await new Promise<void>((resolve) => (came = resolve));
    }
  };
  return [{ next }, leave];
}
