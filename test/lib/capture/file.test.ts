import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, open as openFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { FileSource, type FileOptions } from '../../../lib/capture/file.ts';
import { testImage } from '../../support/camera-server.ts';
import { HangingShare } from '../../support/hanging-share.ts';

describe('file as a camera', () => {
  const { signal } = new AbortController();
  let root: string;
  let path: string;
  let image: Buffer;
  let source: FileSource;
  let seen: string[];

  const open = async (options: Partial<FileOptions> = {}): Promise<void> => {
    seen = [];
    source = new FileSource({ file: path, timeoutMs: 2000, ...options });
    await source.start({
      lost: (error) => seen.push(`lost ${error.code}`),
      restored: () => seen.push('restored'),
    });
  };

  before(async () => {
    image = await testImage();
  });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'jidoka-file-'));
    path = join(root, 'latest.jpg');
  });

  afterEach(async () => {
    await source.close();
    await rm(root, { recursive: true });
  });

  it('reads it anew for each trigger, with the time it was written', async () => {
    await writeFile(path, image);
    await utimes(path, new Date(1_772_352_000_000), new Date(1_772_352_000_000));
    await open();
    const { bytes, capturedAt, file } = await source.grab(signal);
    assert.deepEqual([bytes, capturedAt.getTime(), file], [image, 1_772_352_000_000, 'latest.jpg']);
    const other = await sharp(image).tiff().toBuffer();
    await writeFile(path, other);
    assert.deepEqual((await source.grab(signal)).bytes, other);
    assert.deepEqual(seen, ['restored']);
  });

  it('gives a picture that did not change again: the image health says that it is frozen', async () => {
    await writeFile(path, image);
    await open();
    assert.deepEqual((await source.grab(signal)).bytes, (await source.grab(signal)).bytes);
  });

  it('gives whole pictures only while they are renamed into its place as fast as can be', async () => {
    const pictures = [image, await testImage(3, 320, 240)];
    await writeFile(path, image);
    await open();
    const stop = new AbortController();
    const written = (async () => {
      for (let count = 0; !stop.signal.aborted; count += 1) {
        await writeFile(join(root, 'next.tmp'), pictures[count % 2] ?? image);
        await rename(join(root, 'next.tmp'), path);
      }
    })();
    for (let count = 0; count < 50; count += 1) {
      const { bytes } = await source.grab(signal);
      assert.ok(pictures.some((picture) => Buffer.isBuffer(bytes) && picture.equals(bytes)));
    }
    stop.abort();
    await written;
  });

  it('waits for a picture that is being written until it is complete', async () => {
    await writeFile(path, '');
    await open();
    const waiting = source.grab(signal);
    const handle = await openFile(path, 'w');
    await handle.write(image.subarray(0, 300));
    await new Promise((resolve) => setImmediate(resolve));
    await handle.write(image.subarray(300));
    await handle.close();
    assert.deepEqual((await waiting).bytes, image);
  });

  it('says that the picture is cut short when it stays so', async () => {
    await writeFile(path, image.subarray(0, 300));
    await open({ timeoutMs: 120 });
    await assert.rejects(source.grab(signal), { code: 'IMAGE_TRUNCATED' });
    await writeFile(path, 'not an image, however long one waits');
    await assert.rejects(source.grab(signal), { code: 'IMAGE_INVALID' });
    assert.deepEqual(seen, ['restored'], 'a bad picture is no outage');
  });

  it('says once that the file is not there, and when it is back', async () => {
    await open();
    await assert.rejects(source.grab(signal), { code: 'NO_IMAGE' });
    await writeFile(path, image);
    await source.grab(signal);
    await rm(path);
    await assert.rejects(source.grab(signal), { code: 'NO_IMAGE' });
    assert.deepEqual(seen, ['lost NO_IMAGE', 'restored', 'lost NO_IMAGE']);
  });

  it('refuses what is too large, and what is no file and would never end', async () => {
    await writeFile(path, image);
    await open({ maxImageBytes: image.length - 1 });
    await assert.rejects(source.grab(signal), { code: 'IMAGE_INVALID', message: /larger than/ });
    await rm(path);
    execFileSync('mkfifo', [path]);
    await assert.rejects(source.grab(signal), { code: 'NO_IMAGE' });
  });

  it('ends the wait of a trigger when it is closed', async () => {
    await writeFile(path, image.subarray(0, 300));
    await open({ timeoutMs: 60_000 });
    const waiting = assert.rejects(source.grab(signal), { code: 'CLOSED' });
    await source.close();
    await waiting;
  });

  describe('on a share that hangs', () => {
    let share: HangingShare;

    beforeEach(async () => {
      await writeFile(path, image);
      share = new HangingShare(root);
    });

    afterEach(() => {
      share.close();
    });

    it('reads once at a time, however many triggers come, and goes on when the share answers', async () => {
      await open({ timeoutMs: 100 });
      share.hang();
      const late = { code: 'CAPTURE_TIMEOUT' };
      await Promise.all(Array.from({ length: 8 }, () => assert.rejects(source.grab(signal), late)));
      await assert.rejects(source.grab(signal), late);
      assert.equal(share.hanging, 1);
      const waiting = source.grab(signal);
      share.answer();
      assert.deepEqual((await waiting).bytes, image);
      assert.deepEqual(seen, ['restored', 'lost CAPTURE_TIMEOUT', 'restored']);
    });

    it('says so when it is opened, and its first trigger begins no read beside the one that hangs', async () => {
      share.hang();
      await open({ timeoutMs: 100 });
      assert.deepEqual(seen, ['lost CAPTURE_TIMEOUT']);
      await assert.rejects(source.grab(signal), { code: 'CAPTURE_TIMEOUT' });
      assert.equal(share.hanging, 1);
    });
  });
});
