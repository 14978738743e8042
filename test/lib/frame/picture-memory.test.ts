import assert from 'node:assert/strict';
import { joinPicture, pictureBytesInUse, pictureMemory } from '../../../lib/frame/picture-memory.ts';
import { collectGarbage } from '../../support/collector.ts';

const MEGABYTE = 1024 * 1024;

/** Until everything nobody holds has been found. */
async function collectUntil(isDone: () => boolean): Promise<void> {
  while (!isDone()) await collectGarbage();
}

describe('the memory of pictures', () => {
  it('takes shared memory up to its budget and ordinary Buffers beyond', async () => {
    await collectUntil(() => pictureBytesInUse() < MEGABYTE);
    const held = Array.from({ length: 70 }, () => pictureMemory(MEGABYTE));
    const shared = held.filter(({ buffer }) => buffer instanceof SharedArrayBuffer);
    assert.ok(shared.length > 60 && shared.length <= 64, `${shared.length} of 70 are shared`);
    assert.ok(pictureBytesInUse() <= 64 * MEGABYTE);
    assert.ok(held.every(({ length }) => length === MEGABYTE));
  });

  it('has its budget back once the pictures are collected', async () => {
    pictureMemory(MEGABYTE);
    await collectUntil(() => pictureBytesInUse() === 0);
    assert.ok(pictureMemory(MEGABYTE).buffer instanceof SharedArrayBuffer);
  });

  it('joins parts to one picture', () => {
    const parts = [Buffer.alloc(100_000, 1), Buffer.alloc(3, 2)];
    assert.deepEqual(joinPicture(parts, 100_003), Buffer.concat(parts));
  });
});
