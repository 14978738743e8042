import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import {
  link,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { FolderSource, type FolderOptions } from '../../../lib/capture/folder.ts';
import type { CapturedImage, FailedImage } from '../../../lib/capture/source.ts';
import { testImage } from '../../support/camera-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { HangingShare } from '../../support/hanging-share.ts';

describe('folder as a camera', () => {
  const signal = new AbortController().signal;
  let root: string;
  let folder: string;
  let source: FolderSource;
  let events: EventEmitter;
  let taken: string[];
  let image: Buffer;

  const open = async (options: Partial<FolderOptions> = {}, freeRun = false): Promise<void> => {
    source = new FolderSource({
      folder,
      mode: 'watch',
      recursive: false,
      partIdFromName: false,
      timeoutMs: 5000,
      ...options,
    });
    await source.start({
      lost: (error) => events.emit('lost', error),
      restored: () => events.emit('restored'),
      ...(freeRun
        ? {
            image: (captured: CapturedImage) => {
              taken.push(captured.file ?? '');
              events.emit('image', captured);
            },
            failed: (failure: FailedImage) => void events.emit('failed', failure),
          }
        : {}),
    });
  };
  const next = async <Detail>(event: string): Promise<Detail> => ((await once(events, event)) as [Detail])[0];
  const put = (name: string, bytes = image): Promise<void> => writeFile(join(folder, name), bytes);

  before(async () => {
    image = await testImage();
  });

  beforeEach(async () => {
    taken = [];
    events = new EventEmitter();
    root = await mkdtemp(join(tmpdir(), 'jidoka-folder-'));
    folder = join(root, 'images');
    await mkdir(folder);
  });

  afterEach(async () => {
    await source.close();
    await rm(root, { recursive: true });
  });

  it('refuses a done marker that can be none', async () => {
    await open();
    for (const doneMarker of ['/done', 'a\\b', '.jpg', 'x.TIF']) {
      const options = {
        folder,
        mode: 'watch',
        recursive: false,
        partIdFromName: false,
        timeoutMs: 1,
      } as const;
      assert.throws(() => new FolderSource({ ...options, doneMarker }), { message: /done marker/ });
    }
  });

  describe('with images that lie there', () => {
    it('gives them in the order of their names, as people count, over and over', async () => {
      for (const name of ['part 10.jpg', 'part 9.JPG', 'part 1.png', 'notes.txt', '.part 0.jpg'])
        await put(name);
      await open({ mode: 'cycle', partIdFromName: true });
      const files: unknown[] = [];
      for (let count = 0; count < 4; count += 1) {
        const { file, partId } = await source.grab(signal);
        files.push(file, partId);
      }
      const round = ['part 1.png', 'part 1', 'part 9.JPG', 'part 9', 'part 10.jpg', 'part 10'];
      assert.deepEqual(files, [...round, 'part 1.png', 'part 1']);
    });

    it('gives each once where asked to, sees a broken one as a failure of its own, and says when it is through', async () => {
      await put('a.jpg');
      await put('b.jpg', image.subarray(0, 300));
      await put('c.jpg', Buffer.from('text'));
      await put('d.jpg');
      await open({ mode: 'once' });
      assert.equal((await source.grab(signal)).file, 'a.jpg');
      await assert.rejects(source.grab(signal), { code: 'IMAGE_TRUNCATED' });
      await assert.rejects(source.grab(signal), { code: 'IMAGE_INVALID' });
      assert.equal((await source.grab(signal)).file, 'd.jpg');
      await assert.rejects(source.grab(signal), { code: 'NO_IMAGE' });
      await assert.rejects(source.grab(signal), { code: 'NO_IMAGE' });
    });

    it('never gives two triggers at once the same file', async () => {
      for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) await put(name);
      await open({ mode: 'once' });
      const images = await Promise.all([source.grab(signal), source.grab(signal), source.grab(signal)]);
      assert.deepEqual(
        images.map(({ file }) => file),
        ['a.jpg', 'b.jpg', 'c.jpg'],
      );
    });

    it('looks below the folder where asked to, and never follows a link out of it', async () => {
      await mkdir(join(folder, 'good'));
      await put(join('good', 'a.jpg'));
      await writeFile(join(root, 'secret.jpg'), image);
      await symlink(join(root, 'secret.jpg'), join(folder, 'z.jpg'));
      await open({ mode: 'once', recursive: true });
      assert.equal((await source.grab(signal)).file, join('good', 'a.jpg'));
      await assert.rejects(source.grab(signal), { code: 'IMAGE_INVALID', message: /out of the folder/ });
    });

    it('passes over images without their marker', async () => {
      for (const name of ['a.jpg', 'b.jpg', 'c.jpg', 'b.jpg.ok', 'd.jpg.ok']) await put(name);
      await open({ mode: 'once', doneMarker: '.ok' });
      assert.equal((await source.grab(signal)).file, 'b.jpg');
      await assert.rejects(source.grab(signal), { code: 'NO_IMAGE' });
    });

    it('says that the folder is not there, and goes on when it is', async () => {
      await rm(folder, { recursive: true });
      const lost = next<{ code: string }>('lost');
      await open({ mode: 'once' });
      assert.equal((await lost).code, 'FOLDER_UNREADABLE');
      await assert.rejects(source.grab(signal), { code: 'FOLDER_UNREADABLE' });
      await mkdir(folder);
      await put('a.jpg');
      assert.equal((await source.grab(signal)).file, 'a.jpg');
    });
  });

  describe('with images that arrive', () => {
    it('takes new files only, each once, however they get there', async () => {
      await put('old.jpg');
      await open({}, true);
      let arrived = next<CapturedImage>('image');
      await put('a.jpg');
      assert.deepEqual((await arrived).bytes, image);
      arrived = next('image');
      await writeFile(join(root, 'b.tmp'), image);
      await rename(join(root, 'b.tmp'), join(folder, 'b.jpg'));
      await arrived;
      arrived = next('image');
      await put('c.jpg.part');
      await rename(join(folder, 'c.jpg.part'), join(folder, 'c.jpg'));
      await arrived;
      assert.deepEqual(taken, ['a.jpg', 'b.jpg', 'c.jpg']);
    });

    it('does not take a file that is still being written', async () => {
      await open({}, true);
      const handle = await openFile(join(folder, 'slow.jpg'), 'w');
      await handle.write(image.subarray(0, 100));
      let arrived = next<CapturedImage>('image');
      await put('quick.jpg');
      await arrived;
      arrived = next('image');
      await handle.write(image.subarray(100));
      await handle.close();
      assert.deepEqual((await arrived).bytes, image);
      assert.deepEqual(taken, ['quick.jpg', 'slow.jpg']);
    });

    it('reports a file that stopped growing before it was complete, and goes on', async () => {
      await open({ partIdFromName: true }, true);
      const failed = next<FailedImage>('failed');
      await put('SN-1.jpg', image.subarray(0, 300));
      const { error, file, partId } = await failed;
      assert.deepEqual([error.code, file, partId], ['IMAGE_TRUNCATED', 'SN-1.jpg', 'SN-1']);
      const arrived = next<CapturedImage>('image');
      await put('SN-2.jpg');
      assert.equal((await arrived).partId, 'SN-2');
    });

    it('takes another file under a known name for a new one', async () => {
      await open({}, true);
      const replace = async (bytes: Buffer): Promise<CapturedImage> => {
        const arrived = next<CapturedImage>('image');
        await writeFile(join(root, 'next.jpg'), bytes);
        await rename(join(root, 'next.jpg'), join(folder, 'latest.jpg'));
        return await arrived;
      };
      const other = await testImage(5);
      assert.deepEqual((await replace(image)).bytes, image);
      assert.deepEqual((await replace(other)).bytes, other);
    });

    it('takes a file that is written anew under its name with another picture, whatever its size', async () => {
      await open({}, true);
      const rewrite = async (bytes: Buffer): Promise<CapturedImage> => {
        const arrived = next<CapturedImage>('image');
        await put('latest.jpg', bytes);
        return await arrived;
      };
      // A comment segment makes another file of the same length.
      const commented = (text: string): Buffer =>
        Buffer.concat([
          image.subarray(0, 2),
          Buffer.from(`\xff\xfe\0\x06${text}`, 'latin1'),
          image.subarray(2),
        ]);
      for (const bytes of [image, await testImage(5), commented('one '), commented('two ')]) {
        assert.deepEqual((await rewrite(bytes)).bytes, bytes);
      }
      assert.equal(taken.length, 4);
    });

    it('sees no new picture in a file whose time alone was set, as copying tools do', async () => {
      await open({}, true);
      let arrived = next<CapturedImage>('image');
      await put('a.jpg');
      await arrived;
      await utimes(join(folder, 'a.jpg'), new Date(0), new Date(0));
      arrived = next('image');
      await put('b.jpg');
      await arrived;
      assert.deepEqual(taken, ['a.jpg', 'b.jpg']);
    });

    it('sees by itself that a file was written anew, where the folder says nothing', async () => {
      const clock = new FakeClock();
      await put('latest.jpg');
      await open({ clock }, true);
      const other = await testImage(5);
      const arrived = next<CapturedImage>('image');
      // Through another name of the same file no event comes to the folder.
      await link(join(folder, 'latest.jpg'), join(root, 'elsewhere.jpg'));
      await writeFile(join(root, 'elsewhere.jpg'), other);
      let bytes: unknown;
      void arrived.then((captured) => (bytes = captured.bytes));
      const giveUpAt = performance.now() + 10_000;
      while (bytes === undefined && performance.now() < giveUpAt) {
        clock.advance(1000);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.deepEqual(bytes, other);
    });

    it('takes TIFF files', async () => {
      await open({}, true);
      const arrived = next<CapturedImage>('image');
      await put('a.TIF', await sharp(image).tiff().toBuffer());
      assert.equal((await arrived).format, 'tiff');
    });

    it('waits for the marker that says that an image is done, whatever comes first', async () => {
      await put('old.jpg');
      await open({ doneMarker: '.done' }, true);
      await put('a.jpg');
      await put('c.jpg.done', Buffer.alloc(0));
      await put('b.jpg');
      let arrived = next<CapturedImage>('image');
      await put('b.jpg.done', Buffer.alloc(0));
      await arrived;
      arrived = next('image');
      await put('c.jpg');
      await arrived;
      arrived = next('image');
      await put('a.jpg.done', Buffer.alloc(0));
      await arrived;
      arrived = next('image');
      await put('old.jpg.done', Buffer.alloc(0));
      await arrived;
      assert.deepEqual(taken, ['b.jpg', 'c.jpg', 'a.jpg', 'old.jpg']);
    });

    it('puts the marker away with its image, so that it vouches for no other one', async () => {
      await mkdir(join(folder, 'done'));
      await put(join('done', 'a.jpg'), Buffer.from('an earlier one'));
      await open({ doneFolder: 'done', doneMarker: '.done' }, true);
      const arrived = next<CapturedImage>('image');
      await put('a.jpg');
      await put('a.jpg.done', Buffer.alloc(0));
      await arrived;
      await source.close();
      assert.deepEqual(await readdir(folder), ['done']);
      assert.deepEqual((await readdir(join(folder, 'done'))).sort(), ['a-1.jpg', 'a-1.jpg.done', 'a.jpg']);
    });

    it('moves what it took to the done folder, where nothing is replaced, and starts with what still lies there', async () => {
      await mkdir(join(folder, 'done'));
      await put(join('done', 'a.jpg'), Buffer.from('an earlier one'));
      await put('a.jpg');
      const first = next<CapturedImage>('image');
      await open({ doneFolder: 'done', recursive: true }, true);
      await first;
      const second = next<CapturedImage>('image');
      await put('b.jpg');
      await second;
      await source.close();
      assert.deepEqual(taken, ['a.jpg', 'b.jpg']);
      assert.deepEqual(await readdir(folder), ['done']);
      assert.deepEqual((await readdir(join(folder, 'done'))).sort(), ['a-1.jpg', 'a.jpg', 'b.jpg']);
    });

    it('waits with the next file until the one before has been taken in', async () => {
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      source = new FolderSource({
        folder,
        mode: 'watch',
        recursive: false,
        partIdFromName: false,
        timeoutMs: 1,
        doneFolder: 'done',
      });
      for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) await put(name);
      const finished = new Promise<void>((resolve) => {
        void source.start({
          image: async ({ file = '' }) => {
            taken.push(file);
            events.emit('image');
            if (file === 'a.jpg') await gate;
            if (file === 'c.jpg') resolve();
          },
          lost: () => undefined,
          restored: () => undefined,
        });
      });
      await next('image');
      assert.deepEqual(taken, ['a.jpg']);
      release();
      await finished;
    });

    it('gives a trigger the file that arrives after it, and only that one', async () => {
      await open();
      const waiting = source.grab(signal);
      await put('a.jpg');
      assert.equal((await waiting).file, 'a.jpg');
      await source.close();
      await open({ timeoutMs: 20 });
      await assert.rejects(source.grab(signal), { code: 'CAPTURE_TIMEOUT' });
    });

    it('notices when the folder goes away and when it is back', async () => {
      await open({}, true);
      const lost = next<{ code: string }>('lost');
      await rename(folder, `${folder} gone`);
      assert.equal((await lost).code, 'FOLDER_UNREADABLE');
      const restored = next('restored');
      await rename(`${folder} gone`, folder);
      await restored;
      const arrived = next<CapturedImage>('image');
      await put('a.jpg');
      await arrived;
    });
  });

  describe('on a share that hangs', () => {
    let share: HangingShare;

    beforeEach(async () => {
      await put('a.jpg');
      await put('b.jpg');
      share = new HangingShare(root);
    });

    afterEach(() => {
      share.close();
    });

    it('says so when it is opened, and goes on when the share answers', async () => {
      share.hang();
      const lost = next<{ code: string }>('lost');
      await open({ timeoutMs: 100 });
      assert.equal((await lost).code, 'CAPTURE_TIMEOUT');
      await assert.rejects(source.grab(signal), { code: 'CAPTURE_TIMEOUT' });
      const restored = next('restored');
      share.answer();
      await restored;
      const waiting = source.grab(signal);
      await put('c.jpg');
      assert.equal((await waiting).file, 'c.jpg');
    });

    it('is closed although the share does not answer', async () => {
      share.hang();
      await open({ timeoutMs: 100 });
      await source.close();
      assert.equal(share.hanging, 1);
    });

    it('reads once at a time, and takes no files for triggers that waited in vain', async () => {
      for (const name of ['c.jpg', 'd.jpg']) await put(name);
      await open({ mode: 'once', timeoutMs: 100 });
      assert.equal((await source.grab(signal)).file, 'a.jpg');
      share.hang();
      const late = { code: 'CAPTURE_TIMEOUT' };
      await Promise.all(Array.from({ length: 8 }, () => assert.rejects(source.grab(signal), late)));
      assert.equal(share.hanging, 1);
      share.answer();
      // b.jpg was on its way to the first of them
      assert.equal((await source.grab(signal)).file, 'c.jpg');
    });

    it('asks a folder once that hung when it was opened', async () => {
      share.hang();
      await open({ mode: 'cycle', timeoutMs: 100 });
      await assert.rejects(source.grab(signal), { code: 'CAPTURE_TIMEOUT' });
      await assert.rejects(source.grab(signal), { code: 'CAPTURE_TIMEOUT' });
      assert.equal(share.hanging, 1);
      share.answer();
      assert.equal((await source.grab(signal)).file, 'a.jpg');
    });
  });
});
