import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { connect } from 'node:net';
import { HttpMjpegSource, type HttpMjpegOptions } from '../../../lib/capture/http-mjpeg.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { CameraServer, testImage } from '../../support/camera-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('MJPEG camera', () => {
  const signal = new AbortController().signal;
  let camera: CameraServer;
  let source: HttpMjpegSource;
  let clock: FakeClock;
  let events: EventEmitter;
  let seen: string[];

  const open = async (options: Partial<HttpMjpegOptions> = {}, freeRun = false): Promise<void> => {
    source = new HttpMjpegSource({
      url: `${camera.url}/stream`,
      timeoutMs: 5000,
      watchdog: true,
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
      ...(freeRun
        ? {
            image: (image: CapturedImage) => note('image', image),
            failed: (failure: unknown) => note('failed', failure),
          }
        : {}),
    });
  };
  const next = async <Detail>(event: string): Promise<Detail> => ((await once(events, event)) as [Detail])[0];

  /** The watchdog is armed once the image before has been handed over. */
  const armed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  beforeEach(async () => {
    seen = [];
    events = new EventEmitter();
    clock = new FakeClock();
    camera = new CameraServer(await testImage());
    await camera.start();
  });

  afterEach(async () => {
    await source.close();
    await camera.kill();
    assert.equal(clock.pending, 0, 'a timer is left behind');
  });

  it('gives a trigger the newest image while it is fresh, else the next one', async () => {
    await open();
    await camera.streaming();
    const restored = next('restored');
    camera.send();
    await restored;
    assert.deepEqual((await source.grab(signal)).bytes, camera.image);
    const waiting = source.grab(signal);
    const other = await testImage(1);
    camera.send(other);
    assert.deepEqual((await waiting).bytes, other);
  });

  it('brings every image with the id of its part when nobody asks for one', async () => {
    await open({}, true);
    await camera.streaming();
    for (const id of ['A1', 'A2', 'A3']) {
      const arrived = next<CapturedImage>('image');
      camera.send(camera.image, id);
      assert.equal((await arrived).partId, id);
    }
  });

  it('holds the camera back while the parts before are still being taken in', async () => {
    const received: string[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    source = new HttpMjpegSource({ url: `${camera.url}/stream`, timeoutMs: 5000, watchdog: true, clock });
    const done = new Promise<void>((resolve) => {
      void source.start({
        image: async ({ partId = '' }) => {
          received.push(partId);
          events.emit('image');
          if (partId === '0') await gate;
          if (partId === '2') resolve();
        },
        lost: () => undefined,
        restored: () => undefined,
      });
    });
    await camera.streaming();
    const first = next('image');
    for (const id of ['0', '1', '2']) camera.send(camera.image, id);
    await first;
    clock.advance(60_000);
    assert.deepEqual(received, ['0']);
    release();
    await done;
    assert.deepEqual(received, ['0', '1', '2']);
  });

  it('knows by the missing images that a camera is frozen which keeps its connection', async () => {
    await open();
    await camera.streaming();
    let restored = next('restored');
    camera.send();
    await restored;
    await source.grab(signal);
    const waiting = source.grab(signal);
    await armed();
    const lost = next<{ code: string; message: string }>('lost');
    clock.advance(2000);
    assert.match((await lost).message, /no image for 2000 ms/);
    await assert.rejects(waiting, { code: 'CAMERA_LOST' });
    await assert.rejects(source.grab(signal), { code: 'CAMERA_LOST' });
    restored = next('restored');
    const again = camera.nextStream();
    clock.advance(500);
    await again;
    camera.send();
    await restored;
    assert.deepEqual(seen, ['restored', 'lost', 'restored']);
  });

  it('waits for ever for a camera that only sends when a part passes, if told so', async () => {
    await open({ watchdog: false });
    await next('restored');
    clock.advance(3_600_000);
    const waiting = source.grab(signal);
    camera.send();
    assert.equal((await waiting).width, 64);
    assert.deepEqual(seen, ['restored']);
  });

  it('is not kept alive by a trickle of bytes that never becomes an image', async () => {
    await open({ timeoutMs: 3000 });
    await camera.streaming();
    const lost = next<{ code: string }>('lost');
    for (const response of camera.streams) response.write('--frame\r\nContent-Length: 100000\r\n\r\n');
    for (let second = 0; second < 3; second += 1) {
      for (const response of camera.streams) response.write('x');
      clock.advance(1000);
    }
    assert.equal((await lost).code, 'CAMERA_LOST');
  });

  it('comes back by itself when a killed camera is there again', async () => {
    await open();
    await camera.streaming();
    let restored = next('restored');
    camera.send();
    await restored;
    for (let round = 0; round < 20; round += 1) {
      const lost = next<{ code: string }>('lost');
      await camera.kill();
      assert.equal((await lost).code, 'CAMERA_LOST');
      await camera.start();
      restored = next('restored');
      clock.advance(500);
      await camera.streaming();
      camera.send();
      await restored;
    }
    assert.equal(camera.streams.size, 1);
  });

  it('reports a broken image as the failure of its part and goes on with the next', async () => {
    await open({}, true);
    await camera.streaming();
    const failed = next<{ error: { code: string }; partId: string }>('failed');
    camera.send(camera.image.subarray(0, 200), 'A1');
    const { error, partId } = await failed;
    assert.deepEqual([error.code, partId], ['IMAGE_TRUNCATED', 'A1']);
    const arrived = next<CapturedImage>('image');
    camera.send(camera.image, 'A2');
    assert.equal((await arrived).partId, 'A2');
  });

  it('gives up a stream of garbage and tries again later', async () => {
    await open({ maxImageBytes: 50_000 });
    await camera.streaming();
    const lost = next<{ code: string }>('lost');
    for (const response of camera.streams) response.write(Buffer.alloc(300_000, 'garbage '));
    assert.equal((await lost).code, 'IMAGE_INVALID');
    const restored = next('restored');
    const again = camera.nextStream();
    clock.advance(500);
    await again;
    camera.send();
    await restored;
  });

  it('says what it found where there is no stream', async () => {
    await open({ url: `${camera.url}/snapshot` });
    const { code, message } = await next<{ code: string; message: string }>('lost');
    assert.equal(code, 'CAMERA_REFUSED');
    assert.match(message, /image\/jpeg, not an MJPEG stream/);
  });

  it('leaves no connection behind when it is closed in the middle of an image', async () => {
    await open();
    await camera.streaming();
    const [response] = camera.streams;
    assert.ok(response);
    response.write('--frame\r\nContent-Length: 100000\r\n\r\nhalf');
    const ended = once(response, 'close');
    const waiting = assert.rejects(source.grab(signal), { code: 'CLOSED' });
    await source.close();
    await Promise.all([ended, waiting]);
    assert.equal(camera.streams.size, 0);
    const probe = connect(Number(new URL(camera.url).port), '127.0.0.1');
    await once(probe, 'connect');
    probe.destroy();
  });
});
