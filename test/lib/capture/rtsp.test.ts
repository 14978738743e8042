import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rtspSource, rtspUrl, type RtspOptions } from '../../../lib/capture/rtsp.ts';
import type { MediaSource } from '../../../lib/capture/media-source.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { BadCamera } from '../../support/bad-camera.ts';
import { codeOfRejection, never, pixelsOf, startAndWait, Watcher } from '../../support/captured.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { requireGStreamer } from '../../support/gstreamer.ts';
import { errorOf, madeAtMs, RtspServer } from '../../support/rtsp-server.ts';

const USER = 'inspector';
const PASSWORD = 's3c"ret %40\\';

describe('an RTSP camera', function () {
  this.timeout(40_000);
  let server: RtspServer;
  let source: MediaSource | undefined;

  const open = (options: Partial<RtspOptions> = {}): MediaSource => {
    source = rtspSource({ url: server.url(), transport: 'tcp', timeoutMs: 10_000, ...options });
    return source;
  };
  const grab = async (): Promise<CapturedImage> => await (source as MediaSource).grab(never);
  /** When the picture in the image was made. */
  const madeAt = async (image: CapturedImage): Promise<number> => {
    const made = madeAtMs(await pixelsOf(image), image.width, 3);
    assert.ok(made !== undefined, 'the picture carries no time stamp');
    return made;
  };

  before(async function () {
    requireGStreamer(this);
    server = new RtspServer({ width: 640, height: 360 });
    await server.start();
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
  });
  after(async () => {
    await (server as RtspServer | undefined)?.kill();
  });

  for (const [path, transport] of [
    ['/h264', 'tcp'],
    ['/h264', 'udp'],
    ['/h265', 'tcp'],
    ['/jpeg', 'tcp'],
    ['/jpeg', 'udp'],
    ['/vp8', 'tcp'],
  ] as const) {
    it(`gives the picture of now from ${path} over ${transport.toUpperCase()}`, async () => {
      await startAndWait(open({ url: server.url(path), transport }));
      const image = await grab();
      const now = Date.now();
      assert.deepEqual([image.format, image.width, image.height], ['rgb', 640, 360]);
      const made = await madeAt(image);
      // of this run and not of the stream's beginning
      assert.ok(made <= now && now - made < 10_000, `made ${now - made} ms ago`);
      const captured = image.capturedAt.getTime();
      assert.ok(
        captured >= made - 1 && captured <= now + 1,
        `captured ${captured - made} ms after it was made`,
      );
    });
  }

  it('never gives two triggers the same picture, and every later one a later picture', async () => {
    await startAndWait(open());
    const images = await Promise.all(Array.from({ length: 6 }, grab));
    const times = await Promise.all(images.map(madeAt));
    assert.deepEqual(
      times,
      [...new Set(times)].sort((a, b) => a - b),
    );
  });

  it('brings a free run in order, and no more pictures a second than it is told', async () => {
    open({ maxFps: 5 });
    const times: number[] = [];
    await new Promise<void>((resolve, reject) => {
      const watcher = Object.assign(new Watcher(), {
        image: async (image: CapturedImage): Promise<void> => {
          times.push(await madeAt(image));
          if (times.length === 8) resolve();
        },
      });
      void (source as MediaSource).start(watcher);
      void watcher.outages(1).then(reject);
    });
    const tookMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
    assert.ok(tookMs > (7 * 1000) / 5.5, `8 pictures in ${tookMs} ms`);
  });

  describe('of which only a part arrives', () => {
    let shared: RtspServer;
    /** Far below what gray or smeared pictures have (50), above what codecs do to a whole one (3). */
    const MAX_ERROR = 8;

    before(async () => {
      shared = new RtspServer({ width: 640, height: 360, shared: true });
      await shared.start();
    });
    after(async () => {
      await shared.kill();
    });

    for (const path of ['/h264', '/h265'] as const) {
      it(`begins with a whole picture where it joins a stream that runs (${path})`, async () => {
        const other = rtspSource({ url: shared.url(path), transport: 'tcp', timeoutMs: 5000 });
        // Now and then a client of a stream with several gets nothing at all, and has to connect anew.
        const [first, second] = [new Watcher(), new Watcher()];
        await other.start(first);
        await first.restoredTimes(1);
        for (let count = 0; count < 4; count += 1) await other.grab(never);
        await open({ url: shared.url(path), timeoutMs: 5000 }).start(second);
        await second.restoredTimes(1);
        const image = await grab();
        await other.close();
        assert.ok(errorOf(await pixelsOf(image), image.width) < MAX_ERROR);
      });

      it(`leaves out what a lost packet spoils (${path})`, async () => {
        let toLose = 0;
        const way = await BadCamera.between(server.port, (packet) => {
          // channel 0 has the pictures, and a packet of this size is not the only one of its picture
          if (toLose === 0 || packet[1] !== 0 || packet.length < 1000) return packet;
          toLose -= 1;
          return undefined;
        });
        try {
          // Key frames come two seconds apart; the watchdog would not wait for the next.
          await startAndWait(open({ url: `rtsp://127.0.0.1:${way.port}${path}`, watchdog: false }));
          await grab();
          toLose = 1;
          while (toLose > 0) await grab();
          for (let count = 0; count < 5; count += 1) {
            const image = await grab();
            const error = errorOf(await pixelsOf(image), image.width);
            assert.ok(error < MAX_ERROR, `picture ${count} is off by ${error}`);
          }
        } finally {
          await way.close();
        }
      });
    }
  });

  it('says when there is no stream at the address', async () => {
    const watcher = new Watcher();
    await open({ url: server.url('/absent') }).start(watcher);
    const error = await watcher.outages(1);
    assert.equal(error.code, 'CAMERA_REFUSED');
    assert.match(error.hint ?? '', /path/);
    assert.equal(await codeOfRejection(grab()), 'CAMERA_REFUSED');
  });

  it('says when nobody is at the address', async () => {
    const watcher = new Watcher();
    await open({ url: 'rtsp://127.0.0.1:9/h264' }).start(watcher);
    assert.equal((await watcher.outages(1)).code, 'CAMERA_LOST');
  });

  describe('with a sign-in', () => {
    let locked: RtspServer;

    before(async () => {
      locked = new RtspServer({ width: 640, height: 360, user: USER, password: PASSWORD });
      await locked.start();
    });
    after(async () => {
      await locked.kill();
    });

    it('takes user and password as they are, and shows them to no other program', async () => {
      await startAndWait(open({ url: locked.url(), credentials: { user: USER, password: PASSWORD } }));
      await madeAt(await grab());
      for (const file of ['cmdline', 'environ']) {
        const text = readFileSync(`/proc/${source?.pid ?? 0}/${file}`, 'utf8');
        assert.ok(text.length > 0);
        assert.ok(!text.includes('s3c') && !text.includes(USER), file);
      }
    });

    it('does not hammer a camera that refuses user and password', async () => {
      const clock = new FakeClock();
      const watcher = new Watcher();
      open({ url: locked.url(), credentials: { user: USER, password: 'wrong' }, clock, random: () => 1 });
      await source?.start(watcher);
      const error = await watcher.outages(1);
      assert.equal(error.code, 'CAMERA_REFUSED');
      assert.ok(!`${error.message}${error.hint ?? ''}`.includes('wrong'));
      while (clock.pending === 0) await new Promise(setImmediate);
      clock.advance(299_000);
      await new Promise(setImmediate);
      assert.equal(watcher.attempts, 1);
      clock.advance(1000);
      await watcher.attempted(2);
    });
  });

  it('takes rtsp addresses without a password only', () => {
    assert.equal(rtspUrl(' rtsp://cam-4:8554/live?x=1 ').host, 'cam-4:8554');
    for (const text of ['http://cam/', 'cam', '', 'rtsp://', 'rtsp://user:secret@cam/', 'rtsp://user@cam/']) {
      assert.throws(() => rtspUrl(text), { code: 'CAMERA_REFUSED' }, text);
    }
  });
});
