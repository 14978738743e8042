import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { Backoff } from '../../../lib/backoff.ts';
import { MqttTransport, type MqttPlcOptions } from '../../../lib/plc/mqtt.ts';
import type { TagValue } from '../../../lib/plc/tag-type.ts';
import { linkIs } from '../../support/commands.ts';
import { MqttBroker, Mosquitto, requireMosquitto } from '../../support/mqtt-broker.ts';
import { MqttDevice, TOPICS } from '../../support/mqtt-device.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
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

  it('says that the password is wrong', async () => {
    const broker = new MqttBroker();
    broker.user = { name: 'operator', password: 'right' };
    await broker.start();
    const transport = new MqttTransport(
      optionsFor(broker.port, { user: { name: 'operator', password: 'wrong' } }),
    );
    const refused = new Promise<unknown>((resolve) =>
      transport.onLink((link) => {
        if (link.state === 'failed') resolve((link.error as { code?: unknown }).code);
      }),
    );
    transport.open();
    assert.equal(await refused, 'PLC_SIGN_IN');
    await transport.close();
    await broker.kill();
  });
});
