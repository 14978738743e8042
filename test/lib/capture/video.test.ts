import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { videoSource } from '../../../lib/capture/video.ts';
import {
  codeOfRejection,
  never,
  numberIn,
  pixelsOf,
  sha256Of,
  startAndWait,
  Watcher,
} from '../../support/captured.ts';
import { requireGStreamer } from '../../support/gstreamer.ts';
import { renderVideo } from '../../support/rendered-video.ts';

describe('a video', function () {
  this.timeout(30_000);
  let folder: string | undefined;
  let file: string;
  let source: ReturnType<typeof videoSource> | undefined;
  const inFolder = (name: string): string => join(folder ?? '', name);
  const FRAMES = 12;
  const timeoutMs = 10_000;

  const open = (options: Partial<Parameters<typeof videoSource>[0]> = {}): ReturnType<typeof videoSource> => {
    source = videoSource({ file, mode: 'cycle', timeoutMs, ...options });
    return source;
  };
  const grabNumber = async (): Promise<number | undefined> =>
    await numberIn((await source?.grab(never)) as CapturedImage);
  /** The numbers of so many images of a free run; `each` holds the source up. */
  const freeRun = async (count: number, each?: () => Promise<void>): Promise<number[]> => {
    const numbers: number[] = [];
    await new Promise<void>((resolve, reject) => {
      const watcher = Object.assign(new Watcher(), {
        image: async (image: CapturedImage): Promise<void> => {
          numbers.push((await numberIn(image)) ?? -1);
          if (numbers.length >= count) resolve();
          await each?.();
        },
      });
      void source?.start(watcher);
      void watcher.outages(1).then(reject);
    });
    return numbers;
  };

  before(async function () {
    requireGStreamer(this);
    folder = await mkdtemp(join(tmpdir(), 'jidoka-video-'));
    file = inFolder('parts "1".mkv');
    await renderVideo(file, { frames: FRAMES, fps: 25 });
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('gives each trigger the next picture, and begins anew after the last', async () => {
    await startAndWait(open());
    const numbers: unknown[] = [];
    for (let count = 0; count < FRAMES + 3; count += 1) numbers.push(await grabNumber());
    const expected = Array.from({ length: FRAMES + 3 }, (_, index) => index % FRAMES);
    assert.deepEqual(numbers, expected);
  });

  it('gives raw rows without padding, with their digest', async () => {
    await startAndWait(open());
    const image = await source?.grab(never);
    assert.ok(image !== undefined && !Buffer.isBuffer(image.bytes));
    assert.deepEqual([image.format, image.width, image.height], ['rgb', 451, 37]);
    const pixels = await pixelsOf(image);
    assert.equal(pixels.length, 451 * 37 * 3);
    assert.equal(image.bytes.sha256, sha256Of(pixels));
    // the slope below the stamp: a row that began a byte too late would show in the last one
    const last = (36 * 451 + 10) * 3;
    assert.ok(Math.abs((pixels[last] ?? 0) - ((10 + 5 * 36) % 200)) < 16, `${pixels[last]}`);
  });

  it('gives gray rows of a gray video', async () => {
    const gray = inFolder('gray.mkv');
    await renderVideo(gray, { frames: 2, color: false });
    await startAndWait(open({ file: gray }));
    const image = await source?.grab(never);
    assert.equal(image?.format, 'gray');
    assert.equal(image.bytes.length, 451 * 37);
  });

  it('ends with NO_IMAGE after its last picture where it is to be shown once', async () => {
    const watcher = await startAndWait(open({ mode: 'once' }));
    for (let number = 0; number < FRAMES; number += 1) assert.equal(await grabNumber(), number);
    assert.equal(await codeOfRejection(grabNumber()), 'NO_IMAGE');
    assert.equal((await watcher.outages(1)).code, 'NO_IMAGE');
    assert.equal(await codeOfRejection(grabNumber()), 'NO_IMAGE');
    assert.equal(watcher.attempts, 1);
  });

  it('runs at its own pace when nobody triggers, and never shows a picture twice', async () => {
    open();
    const startedAt = performance.now();
    const numbers = await freeRun(FRAMES);
    assert.ok(performance.now() - startedAt > ((FRAMES - 2) * 1000) / 25, 'faster than the video');
    assert.ok(
      numbers.slice(1).every((number, index) => number !== numbers[index]),
      numbers.join(),
    );
    assert.ok(!numbers.includes(-1));
  });

  it('leaves pictures out for a listener that is slow, and keeps their order', async () => {
    open();
    const numbers = await freeRun(4, async () => {
      await new Promise((resolve) => setTimeout(resolve, 90));
    });
    const steps = numbers.slice(1).map((number, index) => (number - (numbers[index] ?? 0) + FRAMES) % FRAMES);
    assert.ok(
      steps.every((step) => step >= 2),
      numbers.join(),
    );
  });

  it('brings no more pictures a second than it is told', async () => {
    open({ maxFps: 5 });
    const numbers = await freeRun(4);
    const steps = numbers.slice(1).map((number, index) => (number - (numbers[index] ?? 0) + FRAMES) % FRAMES);
    assert.ok(
      steps.every((step) => step === 0 || step >= 2),
      numbers.join(),
    );
  });

  it('says when there is no such file, and takes it as soon as it is there', async () => {
    const late = inFolder('late.mkv');
    const watcher = new Watcher();
    await open({ file: late }).start(watcher);
    assert.equal((await watcher.outages(1)).code, 'CAMERA_LOST');
    assert.equal(await codeOfRejection(grabNumber()), 'CAMERA_LOST');
    await renderVideo(late, { frames: 2 });
    await watcher.restoredTimes(1);
    assert.equal(await grabNumber(), 0);
  });

  it('refuses what is no video', async () => {
    const text = inFolder('text.mkv');
    await writeFile(text, 'no video at all\n'.repeat(100));
    const watcher = new Watcher();
    await open({ file: text }).start(watcher);
    assert.equal((await watcher.outages(1)).code, 'CAMERA_REFUSED');
  });

  it('takes absolute paths only', () => {
    assert.throws(() => open({ file: 'video.mkv' }), { code: 'CAMERA_REFUSED' });
  });
});
