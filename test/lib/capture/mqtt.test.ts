import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { MqttSource, type MqttOptions } from '../../../lib/capture/mqtt.ts';
import { brokerUrl } from '../../../lib/capture/mqtt-broker.ts';
import type { CapturedImage, FailedImage } from '../../../lib/capture/source.ts';
import { testImage } from '../../support/camera-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Mosquitto, MqttBroker, requireMosquitto } from '../../support/mqtt-broker.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { makeCertificate, type TlsCertificate } from '../../support/tls-certificate.ts';

describe('MQTT camera', () => {
  const { signal } = new AbortController();
  let image: Buffer;
  let source: MqttSource;
  let clock: FakeClock;
  let events: EventEmitter;
  let seen: string[];
  let broker: MqttBroker;

  const next = async <Detail>(event: string): Promise<Detail> => ((await once(events, event)) as [Detail])[0];
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  const start = async (
    options: Partial<MqttOptions> = {},
    taken?: (image: CapturedImage) => void | Promise<void>,
  ): Promise<void> => {
    source = new MqttSource({
      url: broker.url,
      topic: 'cams/{partId}/image',
      timeoutMs: 5000,
      watchdog: false,
      clock,
      random: () => 1,
      ...options,
    });
    const note = (event: string, ...details: unknown[]): void => {
      seen.push(event);
      events.emit(event, ...details);
    };
    await source.start({
      lost: (error) => note('lost', error),
      restored: () => note('restored'),
      ...(taken && { image: taken, failed: (failure: FailedImage) => note('failed', failure) }),
    });
  };
  const open = async (...args: Parameters<typeof start>): Promise<void> => {
    const restored = next('restored');
    await start(...args);
    await restored;
  };

  before(async () => {
    image = await testImage();
  });

  beforeEach(async () => {
    seen = [];
    events = new EventEmitter();
    clock = new FakeClock();
    broker = new MqttBroker();
    await broker.start();
  });

  afterEach(async () => {
    await source.close();
    await broker.kill();
    assert.equal(clock.pending, 0, 'a timer is left behind');
  });

  it('asks for every part at once and acknowledged, and reads the part from the topic', async () => {
    await open();
    assert.deepEqual(broker.subscriptions, ['cams/+/image 1']);
    const waiting = source.grab(signal);
    await broker.publish('cams/SN-1/image', image);
    const { bytes, partId } = await waiting;
    assert.deepEqual([bytes, partId], [image, 'SN-1']);
  });

  it('gives an image that came a moment before its trigger, and none that is older than a second', async () => {
    await open({ timeoutMs: 10 });
    await broker.publish('cams/SN-1/image', image);
    await broker.publish('cams/SN-2/image', image);
    // The second one was acknowledged behind the first.
    await settle();
    assert.equal((await source.grab(signal)).partId, 'SN-2');
    await broker.publish('cams/SN-3/image', image);
    await settle();
    clock.advance(1001);
    const late = assert.rejects(source.grab(signal), { code: 'CAPTURE_TIMEOUT' });
    clock.advance(10);
    await late;
  });

  it('makes no part of the picture the broker kept from earlier', async () => {
    await broker.publish('cams/old/image', image, true);
    const parts: unknown[] = [];
    await open({}, ({ partId }) => {
      parts.push(partId);
      events.emit('image');
    });
    const arrived = next('image');
    await broker.publish('cams/new/image', image, true);
    await arrived;
    assert.deepEqual(parts, ['new']);
  });

  it('takes the picture the broker kept where asked to', async () => {
    await broker.publish('cams/old/image', image, true);
    const arrived = next<CapturedImage>('image');
    await open({ retained: true }, (captured) => void events.emit('image', captured));
    assert.equal((await arrived).partId, 'old');
  });

  it('reports a message that is no image as the failure of its part and goes on with the next', async () => {
    const arrived = next<CapturedImage>('image');
    await open({}, (captured) => void events.emit('image', captured));
    const failed = next<FailedImage>('failed');
    await broker.publish('cams/SN-1/image', image.subarray(0, 200));
    const { error, partId } = await failed;
    assert.deepEqual([error.code, partId], ['IMAGE_TRUNCATED', 'SN-1']);
    await broker.publish('cams/SN-2/image', JSON.stringify({ image: image.toString('base64') }));
    assert.equal((await arrived).partId, 'SN-2');
  });

  it('holds the broker back while the parts before are still being taken in', async () => {
    const received: unknown[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    await open({}, async ({ partId }) => {
      received.push(partId);
      events.emit('image', partId);
      if (partId === '0') await gate;
    });
    const first = next('image');
    for (const id of ['0', '1', '2']) void broker.publish(`cams/${id}/image`, image);
    await first;
    assert.deepEqual(received, ['0']);
    const third = new Promise<void>((resolve) => {
      events.on('image', (partId) => partId === '2' && resolve());
    });
    release();
    await third;
    assert.deepEqual(received, ['0', '1', '2']);
  });

  it('refuses a message by the size it announces, without collecting it', async () => {
    await open({ maxImageBytes: 10_000 });
    const lost = next<{ code: string; message: string }>('lost');
    broker.publish('cams/SN-1/image', Buffer.alloc(200_000)).catch(() => undefined);
    const { code, message } = await lost;
    assert.equal(code, 'IMAGE_INVALID');
    assert.match(message, /announces 2000\d\d bytes/);
  });

  it('says that the camera is silent while the broker is there, where it is told that it sends all the time', async () => {
    const again = broker.subscribed();
    await start({ watchdog: true, timeoutMs: 4000 });
    await again;
    let restored = next('restored');
    await broker.publish('cams/1/image', image);
    await restored;
    await settle();
    const lost = next<{ code: string; message: string }>('lost');
    clock.advance(2000);
    const { code, message } = await lost;
    assert.equal(code, 'CAMERA_LOST');
    assert.match(message, /no image for 2000 ms/);
    await assert.rejects(source.grab(signal), { code: 'CAMERA_LOST' });
    restored = next('restored');
    await broker.publish('cams/2/image', image);
    await restored;
    assert.equal(broker.subscriptions.length, 1, 'it stays subscribed');
    assert.deepEqual(seen, ['restored', 'lost', 'restored']);
  });

  it('says so when the broker refuses the sign-in, and signs in with the right password', async () => {
    broker.user = { name: 'inspector', password: 's3cret"' };
    const lost = next<{ code: string; message: string }>('lost');
    await start({ credentials: { user: 'inspector', password: 'wrong' } });
    const { code, message } = await lost;
    assert.equal(code, 'CAMERA_REFUSED');
    assert.doesNotMatch(message, /wrong/);
    await source.close();
    await open({ credentials: { user: 'inspector', password: 's3cret"' } });
  });

  it('says so when the broker does not let it read the topic', async () => {
    broker.deny = true;
    const lost = next<{ code: string; message: string }>('lost');
    await start();
    const { code, message } = await lost;
    assert.equal(code, 'CAMERA_REFUSED');
    assert.match(message, /does not let us read cams/);
  });

  it('says so when what answers there is no broker', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined).resume();
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const lost = next<{ code: string }>('lost');
    await start({ url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}` });
    assert.equal((await lost).code, 'CAMERA_LOST');
    await source.close();
    server.close();
    await once(server, 'close');
  });

  it('gives up a broker that takes the connection and says nothing', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).resume());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connected = once(server, 'connection');
    const lost = next<{ code: string; message: string }>('lost');
    await start({ url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}` });
    await connected;
    clock.advance(5000);
    const { code, message } = await lost;
    assert.equal(code, 'CAMERA_LOST');
    assert.match(message, /did not answer for 5000 ms/);
    await source.close();
    server.close();
    await once(server, 'close');
  });

  it('notices within seconds that the broker is gone without a word, and is back when it is', async () => {
    const proxy = await startTcpProxy(broker.port);
    await open({ url: `mqtt://127.0.0.1:${proxy.port}` });
    for (let second = 0; second < 10; second += 1) {
      // The answer to each ping goes through two sockets.
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(seen, ['restored']);
    proxy.muteAnswers();
    const lost = next<{ code: string; message: string }>('lost');
    const waiting = assert.rejects(source.grab(signal), { code: 'CAMERA_LOST' });
    clock.advance(4000);
    const { code, message } = await lost;
    assert.equal(code, 'CAMERA_LOST');
    assert.match(message, /was silent for \d000 ms/);
    await waiting;
    proxy.mend();
    const restored = next('restored');
    // Its leave from the connection before takes real time.
    while (seen.at(-1) !== 'restored') {
      clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await restored;
    await source.close();
    await proxy.close();
  });

  it('comes back by itself when a killed broker is there again', async () => {
    await open();
    for (let round = 0; round < 20; round += 1) {
      const lost = next<{ code: string }>('lost');
      await broker.kill();
      assert.equal((await lost).code, 'CAMERA_LOST');
      await broker.start();
      const restored = next('restored');
      // Until the lost connection is put away.
      while (clock.pending === 0) await settle();
      clock.advance(500);
      await restored;
      const waiting = source.grab(signal);
      await broker.publish(`cams/${round}/image`, image);
      assert.equal((await waiting).partId, String(round));
    }
    assert.equal(broker.connections, 1);
  });

  it('leaves no connection behind when it is closed while a trigger waits', async () => {
    await open();
    const waiting = assert.rejects(source.grab(signal), { code: 'CLOSED' });
    await source.close();
    await waiting;
    while (broker.connections > 0) await settle();
  });

  it('says which library to install where it is not', async () => {
    const script = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, context, next) => next(name === 'mqtt' ? 'mqtt-is-not-here' : name, context) });
      const { MqttSource } = await import(${JSON.stringify(import.meta.resolve('../../../lib/capture/mqtt.ts'))});
      const source = new MqttSource({ url: ${JSON.stringify(broker.url)}, topic: 'a', timeoutMs: 1, watchdog: false });
      const error = await new Promise((lost) => source.start({ lost, restored: () => lost({}) }));
      await source.close();
      console.log(error.code, error.hint);
    `;
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
    assert.match(stdout, /^LIBRARY_MISSING .*npm install mqtt/);
    // What every test ends with.
    await start();
  });

  describe('over TLS', () => {
    let folder: string;
    let tls: TlsCertificate;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'jidoka-mqtts-'));
      tls = await makeCertificate(folder);
    });

    after(async () => {
      await rm(folder, { recursive: true });
    });

    it('refuses a broker whose certificate nobody vouches for, and says what to do', async () => {
      const secure = new MqttBroker(tls);
      await secure.start();
      const lost = next<{ code: string; hint: string }>('lost');
      await start({ url: secure.url });
      const { code, hint } = await lost;
      assert.equal(code, 'CAMERA_REFUSED');
      assert.match(hint, /NODE_EXTRA_CA_CERTS/);
      await source.close();
      await secure.kill();
    });

    it('reads a broker whose certificate the plant vouches for', async () => {
      const known = getCACertificates('default');
      setDefaultCACertificates([...known, tls.cert]);
      try {
        const secure = new MqttBroker(tls);
        await secure.start();
        await open({ url: secure.url });
        const waiting = source.grab(signal);
        await secure.publish('cams/SN-1/image', image);
        assert.equal((await waiting).partId, 'SN-1');
        await source.close();
        await secure.kill();
      } finally {
        setDefaultCACertificates(known);
      }
    });
  });

  describe('on mosquitto', function () {
    this.timeout(20_000);
    before(function () {
      requireMosquitto(this);
    });

    it('receives bytes and JSON, and no retained picture', async () => {
      const mosquitto = await Mosquitto.start();
      const publisher = await mosquitto.publisher();
      await publisher.publishAsync('cams/old/image', image, { qos: 1, retain: true });
      await open({ url: mosquitto.url });
      let waiting = source.grab(signal);
      await publisher.publishAsync('cams/SN-1/image', image, { qos: 1 });
      assert.equal((await waiting).partId, 'SN-1');
      waiting = source.grab(signal);
      const json = JSON.stringify({ image: image.toString('base64'), partId: 'SN-2' });
      await publisher.publishAsync('cams/any/image', json, { qos: 1 });
      assert.equal((await waiting).partId, 'SN-2');
      await publisher.endAsync();
      await source.close();
      await mosquitto.stop();
    });
  });

  describe('address', () => {
    beforeEach(() => start());

    it('may be mqtt or mqtts, a host and a port', () => {
      assert.equal(brokerUrl(' mqtts://broker.plant:8884 ').host, 'broker.plant:8884');
      for (const [text, message] of [
        ['http://broker', /mqtt:\/\//],
        ['mqtt://', /mqtt:\/\//],
        ['broker:1883', /mqtt:\/\//],
        ['mqtt://anna:secret@broker', /own fields/],
        ['mqtt://broker/cams', /topic has its own field/],
      ] as const) {
        assert.throws(() => brokerUrl(text), { code: 'CAMERA_REFUSED', message });
      }
    });
  });
});
