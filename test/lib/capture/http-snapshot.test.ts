import assert from 'node:assert/strict';
import { HttpSnapshotSource, type HttpSnapshotOptions } from '../../../lib/capture/http-snapshot.ts';
import { CameraServer, testImage } from '../../support/camera-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('HTTP snapshot camera', () => {
  const signal = new AbortController().signal;
  let camera: CameraServer;
  let source: HttpSnapshotSource;
  let events: string[];

  const open = async (options: Partial<HttpSnapshotOptions> = {}): Promise<void> => {
    source = new HttpSnapshotSource({ url: `${camera.url}/snapshot`, timeoutMs: 5000, ...options });
    await source.start({
      lost: ({ code }) => events.push(`lost ${code}`),
      restored: () => events.push('restored'),
    });
  };

  beforeEach(async () => {
    events = [];
    camera = new CameraServer(await testImage());
    await camera.start();
  });

  afterEach(async () => {
    await source.close();
    await camera.kill();
  });

  it('brings the image with its dimensions and its part, over one kept connection', async () => {
    camera.partId = 'SN 4711';
    await open();
    const image = await source.grab(signal);
    assert.deepEqual(image.bytes, camera.image);
    assert.deepEqual([image.format, image.width, image.height], ['jpeg', 64, 48]);
    assert.equal(image.partId, 'SN 4711');
    await source.grab(signal);
    await source.grab(signal);
    assert.equal(camera.connections, 1);
    assert.deepEqual(events, ['restored']);
  });

  it('asks again when the camera has closed the kept connection meanwhile', async () => {
    await open();
    await source.grab(signal);
    camera.dropConnections();
    assert.equal((await source.grab(signal)).width, 64);
    assert.deepEqual(events, ['restored']);
  });

  for (const signIn of ['basic', 'digest'] as const) {
    it(`signs in with ${signIn}, and is only asked once`, async () => {
      camera.signIn = signIn;
      await open({ credentials: { user: 'inspector', password: 's3cret"' } });
      await source.grab(signal);
      await source.grab(signal);
      assert.equal(camera.requests, 3);
    });

    it(`says so when ${signIn} does not let it in`, async () => {
      camera.signIn = signIn;
      await open({ credentials: { user: 'inspector', password: 'wrong' } });
      await assert.rejects(source.grab(signal), { code: 'CAMERA_REFUSED', message: /sign-in/ });
    });
  }

  it('leaves a camera alone that refused the password, whatever the triggers, before it locks the account', async () => {
    const clock = new FakeClock();
    camera.signIn = 'digest';
    await open({ credentials: { user: 'inspector', password: 'wrong' }, clock });
    await assert.rejects(source.grab(signal), { code: 'CAMERA_REFUSED' });
    const { requests } = camera;
    for (let second = 0; second < 299; second += 1) {
      clock.advance(1000);
      await assert.rejects(source.grab(signal), { code: 'CAMERA_REFUSED' });
    }
    assert.equal(camera.requests, requests);
    camera.signIn = 'none';
    clock.advance(1000);
    await source.grab(signal);
    assert.deepEqual(events, ['lost CAMERA_REFUSED', 'restored']);
  });

  for (const announceLength of [true, false]) {
    it(`never takes half an image for a whole one, ${announceLength ? 'with' : 'without'} a length`, async () => {
      camera.announceLength = announceLength;
      camera.truncateAt = camera.image.length - 20;
      await open();
      await assert.rejects(source.grab(signal), { code: 'IMAGE_TRUNCATED' });
      camera.truncateAt = undefined;
      assert.equal((await source.grab(signal)).width, 64);
    });
  }

  it('tells a web page, a stream and an oversized image from an image', async () => {
    await open({ maxImageBytes: 500 });
    await assert.rejects(source.grab(signal), { code: 'IMAGE_INVALID', message: /larger than 500 bytes/ });
    camera.announceLength = false;
    await assert.rejects(source.grab(signal), { code: 'IMAGE_INVALID', message: /larger than 500 bytes/ });
    camera.contentType = 'text/html';
    await assert.rejects(source.grab(signal), { code: 'CAMERA_REFUSED', message: /text\/html/ });
    await source.close();
    await open({ url: `${camera.url}/stream` });
    await assert.rejects(source.grab(signal), { code: 'CAMERA_REFUSED', hint: /MJPEG/ });
    camera.image = Buffer.from('no image at all');
    camera.contentType = 'image/jpeg';
    await source.close();
    await open();
    await assert.rejects(source.grab(signal), { code: 'IMAGE_INVALID', message: /not a JPEG/ });
  });

  it('is lost once while the camera is away, whatever the number of triggers, and comes back', async () => {
    await open();
    await source.grab(signal);
    await camera.kill();
    await assert.rejects(source.grab(signal), { code: 'CAMERA_LOST' });
    await assert.rejects(source.grab(signal), { code: 'CAMERA_LOST' });
    await camera.start();
    await source.grab(signal);
    assert.deepEqual(events, ['restored', 'lost CAMERA_LOST', 'restored']);
  });

  it('does not wait for a camera that does not answer', async () => {
    camera.frozen = true;
    await open({ timeoutMs: 50 });
    await assert.rejects(source.grab(signal), { code: 'CAPTURE_TIMEOUT' });
  });

  it('ends what is under way when it is closed', async () => {
    camera.frozen = true;
    await open();
    const grab = source.grab(signal);
    await source.close();
    await assert.rejects(grab, { code: 'CLOSED' });
  });

  it('blames the camera for its own faults, and the address for a wrong path', async () => {
    await open();
    camera.status = 503;
    await assert.rejects(source.grab(signal), { code: 'CAMERA_LOST' });
    camera.status = 404;
    await assert.rejects(source.grab(signal), { code: 'CAMERA_REFUSED' });
  });

  it('refuses an address that is none, and one that holds a password', () => {
    const create = (url: string) => () => new HttpSnapshotSource({ url, timeoutMs: 1000 });
    for (const url of ['', 'camera', 'ftp://camera/', 'http://inspector:s3cret@camera/']) {
      assert.throws(create(url), { code: 'CAMERA_REFUSED' });
    }
  });
});
