/** What happens to triggers when an RTSP camera dies, freezes, stammers or talks rubbish, and when it is back. */
import assert from 'node:assert/strict';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { MediaSource } from '../../../lib/capture/media-source.ts';
import { rtspSource, type RtspOptions } from '../../../lib/capture/rtsp.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { BadCamera, spoilt } from '../../support/bad-camera.ts';
import { startAndWait, Watcher } from '../../support/captured.ts';
import { held, Triggers, within } from '../../support/faults.ts';
import { pause } from '../../support/ordeal.ts';
import { requireGStreamer } from '../../support/gstreamer.ts';
import { RtspServer } from '../../support/rtsp-server.ts';

const RECOVERY_MS = 5000;
/** Generous: the watchdog barks after 2 s. */
const NOTICED_MS = 6000;
const TIMEOUT_MS = 4000;

const isWhole = ({ width }: CapturedImage): Promise<boolean> => Promise.resolve(width === 640);

describe('faults of an RTSP camera', function () {
  this.timeout(120_000);
  let server: RtspServer | undefined;
  let source: MediaSource | undefined;
  let bad: BadCamera | undefined;
  let triggers: Triggers | undefined;

  const serve = async (port?: number): Promise<RtspServer> => {
    server = new RtspServer({ width: 640, height: 360, ...(port === undefined ? {} : { port }) });
    await server.start();
    return server;
  };
  const open = (url: string, options: Partial<RtspOptions> = {}): MediaSource => {
    source = rtspSource({ url, transport: 'tcp', timeoutMs: TIMEOUT_MS, random: () => 1, ...options });
    return source;
  };
  /** Every trigger so far had one outcome, and it was one of these. */
  const check = async (triggers: Triggers, expected: string[]): Promise<void> => {
    await triggers.stop();
    assert.equal(triggers.outcomes.length, triggers.sent);
    assert.deepEqual([...new Set(triggers.outcomes)].sort(), expected.sort());
  };

  before(function () {
    requireGStreamer(this);
  });
  afterEach(async () => {
    await triggers?.stop();
    await source?.close();
    await bad?.close();
    server?.thaw();
    await server?.kill();
    source = bad = server = triggers = undefined;
  });

  describe('killed', () => {
    it('is lost at once and back within five seconds, however long it was away', async () => {
      const camera = await serve();
      const watcher = await startAndWait(open(camera.url()));
      triggers = new Triggers(source as MediaSource, isWhole);
      await pause(200);
      await camera.kill();
      const error = await within(watcher.outages(1), NOTICED_MS, 'to notice');
      assert.equal(error.code, 'CAMERA_LOST');
      // Attempts come 0.5, 1, 2, 4 and 8 s apart: after 8 s the next one is 7 s away.
      await pause(8500);
      await camera.start();
      await within(watcher.restoredTimes(2), RECOVERY_MS, 'the way back');
      await pause(200);
      await check(triggers, ['CAMERA_LOST', 'image']);
    });

    it('would be away longer if nobody asked whether it is back', async () => {
      const camera = await serve();
      source = new MediaSource({
        kind: 'rtsp',
        name: 'camera',
        open: { url: camera.url(), transport: 'tcp' },
        timeoutMs: TIMEOUT_MS,
        random: () => 1,
      });
      const watcher = await startAndWait(source);
      await camera.kill();
      // After the fourth attempt in vain (waits of 0.5, 1, 2 and 4 s) the next is 8 s away.
      await watcher.attempted(5);
      await pause(2000);
      await camera.start();
      await assert.rejects(within(watcher.restoredTimes(2), RECOVERY_MS, 'the way back'));
    });
  });

  describe('frozen', () => {
    it('is lost within seconds, and back within five seconds after it thaws', async () => {
      const camera = await serve();
      const watcher = await startAndWait(open(camera.url()));
      triggers = new Triggers(source as MediaSource, isWhole);
      await pause(200);
      camera.freeze();
      const error = await within(watcher.outages(1), NOTICED_MS, 'to notice');
      assert.equal(error.code, 'CAMERA_LOST');
      await pause(6000);
      camera.thaw();
      await within(watcher.restoredTimes(2), RECOVERY_MS, 'the way back');
      await pause(200);
      await check(triggers, ['CAMERA_LOST', 'image']);
    });

    it('would not be noticed without the watchdog', async () => {
      const camera = await serve();
      const watcher = await startAndWait(open(camera.url(), { watchdog: false, timeoutMs: 20_000 }));
      camera.freeze();
      await assert.rejects(within(watcher.outages(1), NOTICED_MS, 'to notice'));
    });
  });

  describe('at whose address somebody answers byte by byte', () => {
    it('is given up after the time allowed, and back within five seconds', async () => {
      bad = await BadCamera.loris();
      const { port } = bad;
      const watcher = new Watcher();
      await open(`rtsp://127.0.0.1:${port}/h264`).start(watcher);
      triggers = new Triggers(source as MediaSource, isWhole);
      const error = await within(watcher.outages(1), TIMEOUT_MS + NOTICED_MS, 'to notice');
      assert.match(error.message, /no frame/);
      await bad.close();
      bad = undefined;
      await serve(port);
      await within(watcher.restoredTimes(1), RECOVERY_MS, 'the way back');
      await pause(200);
      await check(triggers, ['CAMERA_LOST', 'CAPTURE_TIMEOUT', 'image']);
    });

    it('would be waited for without the watchdog', async () => {
      bad = await BadCamera.loris();
      const watcher = new Watcher();
      await open(`rtsp://127.0.0.1:${bad.port}/h264`, { watchdog: false }).start(watcher);
      await assert.rejects(within(watcher.outages(1), TIMEOUT_MS + NOTICED_MS, 'to notice'));
    });
  });

  describe('at whose address somebody talks rubbish', () => {
    it('is lost, costs no memory, and is back within five seconds', async () => {
      bad = await BadCamera.babble();
      const { port } = bad;
      const watcher = new Watcher();
      await open(`rtsp://127.0.0.1:${port}/h264`).start(watcher);
      triggers = new Triggers(source as MediaSource, isWhole);
      await within(watcher.outages(1), TIMEOUT_MS + NOTICED_MS, 'to notice');
      await bad.close();
      bad = undefined;
      await serve(port);
      await within(watcher.restoredTimes(1), RECOVERY_MS, 'the way back');
      await pause(200);
      await triggers.stop();
      assert.equal(triggers.outcomes.length, triggers.sent);
      assert.equal(triggers.outcomes.at(-1), 'image');
    });
  });

  describe('whose pictures turn into rubbish on the way', () => {
    const spoil = async (options: Partial<RtspOptions>): Promise<{ watcher: Watcher; mend: () => void }> => {
      const camera = await serve();
      let isSpoilt = false;
      bad = await BadCamera.between(camera.port, (packet) => (isSpoilt ? spoilt(packet) : packet));
      const watcher = await startAndWait(open(`rtsp://127.0.0.1:${bad.port}/h264`, options));
      isSpoilt = true;
      return { watcher, mend: () => (isSpoilt = false) };
    };

    it('is lost, gives no trigger rubbish, and is back within five seconds', async () => {
      const { watcher, mend } = await spoil({});
      triggers = new Triggers(source as MediaSource, isWhole);
      const error = await within(watcher.outages(1), NOTICED_MS, 'to notice');
      assert.equal(error.code, 'CAMERA_LOST');
      mend();
      await within(watcher.restoredTimes(2), RECOVERY_MS, 'the way back');
      await pause(200);
      await triggers.stop();
      assert.equal(triggers.outcomes.length, triggers.sent);
      assert.ok(!triggers.outcomes.includes('wrong image'));
      assert.equal(triggers.outcomes.at(-1), 'image');
    });

    it('would not be noticed without the watchdog', async () => {
      const { watcher } = await spoil({ watchdog: false });
      await assert.rejects(within(watcher.outages(1), NOTICED_MS, 'to notice'));
    });
  });

  describe('that ends its session again and again', () => {
    /** Makes the waits between attempts ten times shorter, and leaves the watchdog as it is. */
    const hasty: Clock = {
      ...systemClock,
      after: (ms, callback) => systemClock.after(ms < 1000 ? ms / 10 : ms, callback),
    };

    it('is there again each of a hundred times, and nothing is left behind', async () => {
      const camera = await serve();
      const before = held();
      const watcher = await startAndWait(open(camera.url(), { clock: hasty, random: () => 0 }));
      const open1 = held();
      assert.equal(open1.children, before.children + 1, 'the count sees one camera');
      triggers = new Triggers(source as MediaSource, isWhole);
      for (let count = 1; count <= 100; count += 1) {
        camera.drop();
        await within(watcher.outages(count), NOTICED_MS, `to notice end ${count}`);
        await within(watcher.restoredTimes(count + 1), RECOVERY_MS, `way back ${count}`);
      }
      await pause(200);
      await triggers.stop();
      assert.equal(triggers.outcomes.length, triggers.sent);
      assert.deepEqual([...new Set(triggers.outcomes)].sort(), ['CAMERA_LOST', 'image']);
      const after = held();
      assert.equal(after.children, open1.children);
      assert.ok(after.descriptors <= open1.descriptors + 1, `${open1.descriptors} → ${after.descriptors}`);
      await source?.close();
      source = undefined;
      assert.equal(held().children, before.children);
      assert.ok(held().descriptors <= before.descriptors + 1);
    });
  });
});
