import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { PictureCache, type PictureSource } from '../../../../lib/inference/graph/picture-cache.ts';

async function jpeg(grey: number): Promise<PictureSource> {
  const background = { r: grey, g: grey, b: grey };
  const bytes = await sharp({ create: { width: 32, height: 16, channels: 3, background } })
    .jpeg()
    .toBuffer();
  return { frame: 'f-1', format: 'jpeg', width: 32, height: 16, bytes };
}

describe('picture cache', () => {
  it('decodes a frame once for all models that look at it', async () => {
    const cache = new PictureCache();
    const source = await jpeg(80);
    const first = await cache.picture(source);
    const again = await cache.picture({ ...source, bytes: Buffer.from(source.bytes) });
    assert.equal(again, first);
    assert.equal(first.data[0], 80);
  });

  it('decodes the next frame into the same memory', async () => {
    const cache = new PictureCache();
    const first = await cache.picture(await jpeg(80));
    const next = await cache.picture({ ...(await jpeg(128)), frame: 'f-2' });
    assert.notEqual(next, first);
    assert.equal(next.data.buffer, first.data.buffer);
    assert.equal(next.data[0], 128);
  });

  it('never shows one picture for another of the same id', async () => {
    const cache = new PictureCache();
    await cache.picture(await jpeg(80));
    assert.equal((await cache.picture(await jpeg(200))).data[0], 200);
    const raw = { frame: 'f-1', format: 'gray', width: 2, height: 1, bytes: Buffer.from([5, 6]) } as const;
    assert.deepEqual([...(await cache.picture(raw)).data], [5, 5, 5, 6, 6, 6]);
    const other = { ...raw, bytes: Buffer.from([7, 8]) };
    assert.deepEqual([...(await cache.picture(other)).data], [7, 7, 7, 8, 8, 8]);
  });

  it('forgets a picture when the next cannot be decoded', async () => {
    const cache = new PictureCache();
    const source = await jpeg(80);
    await cache.picture(source);
    const broken = { ...source, frame: 'f-2', bytes: Buffer.from('no picture') };
    await assert.rejects(cache.picture(broken), { code: 'IMAGE_INVALID' });
    assert.equal((await cache.picture(source)).data[0], 80);
  });

  it('reads raw pixels in shared memory once for each frame', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jidoka-test-'));
    try {
      const path = join(folder, '1');
      writeFileSync(path, Buffer.alloc(4 * 4 * 3, 30));
      const cache = new PictureCache();
      const frame = {
        format: 'rgb',
        width: 4,
        height: 4,
        bytes: Buffer.alloc(0),
        file: { path, length: 48 },
      } as const;
      const first = await cache.picture({ ...frame, frame: 'f-1' });
      assert.equal(await cache.picture({ ...frame, frame: 'f-1' }), first);
      writeFileSync(path, Buffer.alloc(48, 60));
      const next = await cache.picture({ ...frame, frame: 'f-2' });
      assert.equal(next.data[0], 60);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
