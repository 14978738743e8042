import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { enlarged, pixelTruth } from '../../../bench/eval/pixel-truth.ts';

describe('the truth of pixels', () => {
  it('spreads the map linearly between the centres of its patches', () => {
    const map = Float32Array.of(0, 1, 0, 1);
    const pixels = enlarged(map, { columns: 2, rows: 2 }, { width: 4, height: 2 });
    assert.deepEqual([...pixels], [0, 0.25, 0.75, 1, 0, 0.25, 0.75, 1]);
  });

  it('takes each connected area of a mask as a defect of its own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-mask-'));
    const mask = join(folder, 'mask.png');
    const pixels = Buffer.alloc(4 * 2 * 3);
    // one pixel on the left, two on the right
    for (const pixel of [0, 3, 7]) pixels.fill(120, pixel * 3, pixel * 3 + 3);
    await sharp(pixels, { raw: { width: 4, height: 2, channels: 3 } })
      .png()
      .toFile(mask);
    const size = { width: 4, height: 2 };
    const { scores, regions } = await pixelTruth(Float32Array.of(1, 1), { width: 16, height: 8 }, size, mask);
    assert.deepEqual([...regions], [1, 0, 0, 2, 0, 0, 0, 2]);
    assert.ok(scores.every((score) => score === 1));
    await assert.rejects(pixelTruth(scores, size, { width: 8, height: 2 }, mask), /the mask/);
    await rm(folder, { recursive: true, force: true });
  });
});
