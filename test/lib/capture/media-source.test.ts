import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MediaSource, type MediaSourceOptions } from '../../../lib/capture/media-source.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { codeOfRejection, never, numberIn, pixelsOf, startAndWait, Watcher } from '../../support/captured.ts';
import { requireGStreamer } from '../../support/gstreamer.ts';
import { renderVideo } from '../../support/rendered-video.ts';

const FRAMES = 50;

/** Resolves when no process has this id any longer. */
async function gone(pid: number): Promise<void> {
  const isThere = (): boolean => {
    // a killed process whose parent is killed too is a zombie until init has looked at it
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : ') Z';
    return !/\) Z/.test(stat);
  };
  while (isThere()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('a camera in a process of its own', function () {
  this.timeout(30_000);
  let folder: string | undefined;
  let file: string;
  let source: MediaSource | undefined;

  /** A video that runs by itself, as cameras do, whether it is listened to or not. */
  const open = (options: Partial<MediaSourceOptions> = {}): MediaSource => {
    source = new MediaSource({
      kind: 'video',
      name: 'camera',
      open: { file, mode: 'cycle', freeRun: true },
      timeoutMs: 10_000,
      random: () => 0,
      ...options,
    });
    return source;
  };
  const grab = async (signal = never): Promise<CapturedImage> => await (source as MediaSource).grab(signal);
  const pid = (): number => (source as MediaSource).pid ?? assert.fail('no process');

  before(async function () {
    requireGStreamer(this);
    folder = await mkdtemp(join(tmpdir(), 'jidoka-media-'));
    file = join(folder, 'parts.mkv');
    await renderVideo(file, { frames: FRAMES, fps: 25 });
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('leaves no process, no file descriptor and no shared memory when it is closed', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const memory = (): number => globSync(`/dev/shm/jidoka-frames-${process.pid}-*`).length;
    await startAndWait(open());
    await source?.close();
    const before = [descriptors(), memory()];
    await startAndWait(open());
    const child = pid();
    await source?.close();
    await gone(child);
    assert.deepEqual([descriptors(), memory()], before);
  });

  it('leaves no process when its parent is killed', async () => {
    const parent = spawn(
      process.execPath,
      [join(import.meta.dirname, '../../support/media-parent.ts'), file],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const child = Number(line.toString());
    assert.ok(existsSync(`/proc/${child}`), 'the camera process runs');
    parent.kill('SIGKILL');
    await gone(child);
  });

  it('answers a trigger with the reason when the process dies, and starts another', async () => {
    const watcher = await startAndWait(open());
    const first = pid();
    await grab();
    process.kill(first, 'SIGSTOP');
    const waiting = codeOfRejection(Promise.all([grab(), grab()]));
    process.kill(first, 'SIGKILL');
    assert.equal(await waiting, 'CAMERA_LOST');
    assert.match((await watcher.outages(1)).message, /SIGKILL/);
    assert.equal(await codeOfRejection(grab()), 'CAMERA_LOST');
    await watcher.restoredTimes(2);
    assert.notEqual(pid(), first);
    await grab();
  });

  it('kills a process that hangs, and starts another', async () => {
    const watcher = await startAndWait(open());
    const first = pid();
    process.kill(first, 'SIGSTOP');
    const error = await watcher.outages(1);
    assert.equal(error.code, 'CAMERA_LOST');
    assert.match(error.message, /no frame for 2000 ms/);
    await gone(first);
    await watcher.restoredTimes(2);
    await grab();
  });

  it('would wait for it for ever without the watchdog', async () => {
    const watcher = await startAndWait(open({ watchdog: false, timeoutMs: 4000 }));
    await grab();
    process.kill(pid(), 'SIGSTOP');
    await codeOfRejection(grab());
    assert.equal(await codeOfRejection(grab()), 'CAPTURE_TIMEOUT');
    assert.equal(watcher.errors.length, 0);
    process.kill(pid(), 'SIGKILL');
  });

  it('gives up waiting when the trigger does, and does not lose the memory meant for it', async () => {
    await startAndWait(open({ slots: 2 }));
    for (let count = 0; count < 10; count += 1) {
      const abort = new AbortController();
      const image = codeOfRejection(Promise.all([grab(abort.signal), grab(abort.signal)]));
      abort.abort();
      assert.equal(await image, 'CLOSED');
    }
    assert.notEqual(await numberIn(await grab()), undefined);
  });

  it('keeps the pixels of a frame however many come after it', async () => {
    await startAndWait(open({ slots: 3 }));
    const kept = await grab();
    const number = await numberIn(kept);
    for (let count = 0; count < 12; count += 1) await grab();
    assert.equal(await numberIn(kept), number);
    await source?.close();
    assert.equal((await pixelsOf(kept)).length, 451 * 37 * 3);
  });

  it('ends the trigger that waits when it is closed', async () => {
    await startAndWait(open());
    process.kill(pid(), 'SIGSTOP');
    const waiting = codeOfRejection(Promise.all([grab(), grab()]));
    const closing = source?.close();
    assert.equal(await waiting, 'CLOSED');
    await closing;
  });

  it('says what to install where the interpreter or its bindings are absent', async () => {
    const watcher = new Watcher();
    await open({ python: '/nowhere/python3' }).start(watcher);
    const error = await watcher.outages(1);
    assert.equal(error.code, 'LIBRARY_MISSING');
    assert.match(
      error.hint ?? '',
      /apt-get install --no-install-recommends python3-gi .*gstreamer1\.0-libav/,
    );
    assert.equal(await codeOfRejection(grab()), 'LIBRARY_MISSING');
  });

  it('does not believe a process that says what cannot be', async () => {
    const wrong = ['{"error":null}', '{"up":null}', '{"took":1,"width":"9"}'];
    for (const line of ['no json', '7', 'null', ...wrong, 'x'.repeat(100_000)]) {
      const talker = join(folder ?? '', 'talker');
      await writeFile(talker, `#!/bin/sh\nif [ "$2" = -c ]; then exit 0; fi\necho '${line}'\nsleep 60\n`, {
        mode: 0o755,
      });
      const watcher = new Watcher();
      await open({ python: talker }).start(watcher);
      const waiting = codeOfRejection(grab());
      const { code } = await watcher.outages(1);
      assert.ok(code === 'CAMERA_LOST' || code === 'IMAGE_INVALID', code);
      assert.equal(await waiting, code);
      await source?.close();
    }
  });
});
