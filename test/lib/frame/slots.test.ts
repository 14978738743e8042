import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf, Frame, holdingPixels } from '../../../lib/frame/frame.ts';
import { SlotPool, type SharedPixels } from '../../../lib/frame/slots.ts';
import { collectGarbage } from '../../support/collector.ts';

const LENGTH = 4 * 2 * 3;

describe('SlotPool', () => {
  let parent: string;
  let pool: SlotPool;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'jidoka-slots-'));
    pool = new SlotPool({ slots: 3, parent });
  });

  afterEach(() => {
    pool.close();
    rmSync(parent, { recursive: true, force: true });
  });

  /** What a camera's process does. */
  async function captured(level: number): Promise<SharedPixels> {
    const slot = await pool.take();
    const pixels = Buffer.alloc(LENGTH, level);
    writeFileSync(slot.path, pixels);
    return pool.filled(slot, {
      length: LENGTH,
      sha256: createHash('sha256').update(pixels).digest('hex'),
    });
  }

  const frameOf = (pixels: SharedPixels): Frame =>
    new Frame(pixels, { width: 4, height: 2, format: 'rgb', source: 'cam' });

  it('gives a frame whose pixels are read where the camera wrote them', async () => {
    const frame = frameOf(await captured(7));
    const seen = await holdingPixels(frame, (pixels) => Promise.resolve(pixels));
    assert.ok(!Buffer.isBuffer(seen) && seen.path.startsWith(pool.folder));
    assert.deepEqual(await bytesOf(frame), Buffer.alloc(LENGTH, 7));
    assert.deepEqual(frame.toBuffer(), Buffer.alloc(LENGTH, 7));
    assert.equal(frame.byteLength, LENGTH);
    assert.equal(frame.sha256, createHash('sha256').update(frame.toBuffer()).digest('hex'));
  });

  it('keeps every frame true however many follow it', async () => {
    const frames: Frame[] = [];
    for (let level = 0; level < 20; level += 1) frames.push(frameOf(await captured(level)));
    for (const [level, frame] of frames.entries()) {
      assert.deepEqual(await bytesOf(frame), Buffer.alloc(LENGTH, level));
      assert.deepEqual(frame.toBuffer(), Buffer.alloc(LENGTH, level));
    }
    assert.ok(readdirSync(pool.folder).length <= 3, 'no more files than slots');
  });

  it('has fewer slots for larger frames', async () => {
    pool.close();
    pool = new SlotPool({ slots: 20, bytes: 5 * LENGTH, parent });
    const frames: Frame[] = [];
    for (let level = 0; level < 20; level += 1) frames.push(frameOf(await captured(level)));
    assert.equal(readdirSync(pool.folder).length, 5);
    assert.deepEqual(await bytesOf(frames[0] as Frame), Buffer.alloc(LENGTH, 0));
  });

  it('does not write over pixels that somebody is reading', async () => {
    const first = frameOf(await captured(1));
    let letGo: (() => void) | undefined;
    const reading = holdingPixels(first, async (pixels) => {
      assert.ok(!Buffer.isBuffer(pixels));
      await new Promise<void>((resolve) => (letGo = resolve));
      const { readFileSync } = await import('node:fs');
      return readFileSync(pixels.path);
    });
    const others = [frameOf(await captured(2)), frameOf(await captured(3))];
    const next = captured(4);
    // the move of the first frame is done by now, its reader is not
    await bytesOf(first);
    letGo?.();
    assert.deepEqual(await reading, Buffer.alloc(LENGTH, 1));
    others.push(frameOf(await next));
    assert.deepEqual(await bytesOf(first), Buffer.alloc(LENGTH, 1));
    for (const [index, frame] of others.entries()) {
      assert.deepEqual(await bytesOf(frame), Buffer.alloc(LENGTH, index + 2));
    }
  });

  const megabyte = 1024 * 1024;

  /** Memory of buffers at its highest while so many frames of a megabyte pass, each seen by `use`. */
  async function highestOf(frames: number, use: (frame: Frame) => void): Promise<number> {
    const content = Buffer.alloc(megabyte, 5);
    const sha256 = createHash('sha256').update(content).digest('hex');
    // what an earlier run dropped and nobody collected yet would count against this one
    await collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    let highest = 0;
    for (let count = 0; count < frames; count += 1) {
      const slot = await pool.take();
      await writeFile(slot.path, content);
      const pixels = pool.filled(slot, { length: megabyte, sha256 });
      use(new Frame(pixels, { width: 1024, height: 1024, format: 'gray', source: 'cam' }));
      highest = Math.max(highest, process.memoryUsage().arrayBuffers - before);
    }
    return highest / megabyte;
  }

  it('does not leak the frames of a branch that drops them', async function () {
    this.timeout(60_000);
    const frames = 500;
    const kept: Frame[] = [];
    const dropping = await highestOf(frames, () => undefined);
    const keeping = await highestOf(frames, (frame) => kept.push(frame));
    assert.ok(keeping > 0.9 * frames, `the frames that are kept take ${keeping} MB`);
    assert.ok(dropping < 0.5 * frames, `${dropping} MB are held of ${frames} MB that were dropped`);
    assert.deepEqual(await bytesOf(kept[0] as Frame), Buffer.alloc(megabyte, 5));
  });

  it('uses the slots of dead frames again', async () => {
    pool.close();
    pool = new SlotPool({ slots: 10, parent });
    await highestOf(5, () => undefined);
    await collectGarbage();
    await highestOf(4, () => undefined);
    // the last frame may still be on somebody's stack
    assert.ok(readdirSync(pool.folder).length <= 6);
  });

  it('keeps the frames of a closed camera readable', async () => {
    const frame = frameOf(await captured(9));
    pool.close();
    assert.deepEqual(await bytesOf(frame), Buffer.alloc(LENGTH, 9));
    await assert.rejects(pool.take(), { code: 'CLOSED' });
  });

  it('ends the wait of a closed camera', async () => {
    for (let slot = 0; slot < 3; slot += 1) await pool.take();
    const waiting = pool.take();
    pool.close();
    await assert.rejects(waiting, { code: 'CLOSED' });
    assert.equal(existsSync(pool.folder), false);
  });

  it('is a folder of this user only', () => {
    assert.equal(statSync(pool.folder).mode & 0o777, 0o700);
  });

  it('removes what a killed process left behind, and nothing else', () => {
    const [, ours = ''] = /jidoka-frames-\d+-(\d+)-/.exec(pool.folder) ?? [];
    const orphan = join(parent, `jidoka-frames-999999999-${ours}-x`);
    const others = [join(parent, 'somebody-elses'), join(parent, `jidoka-frames-999999999-${ours}1-x`)];
    for (const folder of [orphan, ...others]) mkdirSync(folder);
    const second = new SlotPool({ parent });
    assert.equal(existsSync(orphan), false);
    for (const folder of [pool.folder, ...others]) assert.ok(existsSync(folder));
    second.close();
  });

  it('goes on when somebody has tidied shared memory up, and says so of the frames that were in it', async () => {
    const lost = frameOf(await captured(1));
    rmSync(pool.folder, { recursive: true });
    assert.throws(() => lost.toBuffer(), { code: 'FRAME_MEMORY' });
    await assert.rejects(bytesOf(lost), { code: 'FRAME_MEMORY' });
    assert.deepEqual(await bytesOf(frameOf(await captured(2))), Buffer.alloc(LENGTH, 2));
  });

  it('never takes what is not there for pixels', async () => {
    const slot = await pool.take();
    writeFileSync(slot.path, Buffer.alloc(LENGTH - 1));
    const frame = frameOf(pool.filled(slot, { length: LENGTH, sha256: '' }));
    assert.throws(() => frame.toBuffer(), { code: 'FRAME_MEMORY' });
    await assert.rejects(bytesOf(frame), { code: 'FRAME_MEMORY' });
  });

  it('says so when there is no place for frames', () => {
    assert.throws(() => new SlotPool({ parent: join(parent, 'absent') }), { code: 'FRAME_MEMORY' });
  });
});
