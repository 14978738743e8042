import assert from 'node:assert/strict';
import fc from 'fast-check';
import { paintDefect, PAINT_KINDS, paintParts } from '../../../lib/anomaly/painted.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';
import { drawPart } from '../../../plant/part-image.ts';

const SIZE = { width: 240, height: 180 };
const { rgb } = drawPart({ seed: 5, defect: null, ...SIZE });
const kinds = fc.constantFrom(...PAINT_KINDS);

describe('a painted defect', () => {
  it('changes the picture visibly inside its mask and nowhere else', () => {
    fc.assert(
      fc.property(kinds, fc.nat(), (kind, seed) => {
        const { pixels, mask } = paintDefect(rgb, SIZE, seededRandom(seed), kind);
        assert.equal(mask.length, SIZE.width * SIZE.height);
        const changed = mask.map((_, pixel) => {
          const levels = [0, 1, 2].map((channel) =>
            Math.abs((pixels[pixel * 3 + channel] ?? 0) - (rgb[pixel * 3 + channel] ?? 0)),
          );
          return Math.max(...levels) >= 6 ? 255 : 0;
        });
        assert.deepEqual(mask, changed);
        assert.ok(mask.includes(255), 'is nowhere to be seen');
      }),
      { numRuns: 60 },
    );
  });

  it('is never so large that anything would find it', () => {
    fc.assert(
      fc.property(kinds, fc.nat(), (kind, seed) => {
        const { mask } = paintDefect(rgb, SIZE, seededRandom(seed), kind);
        const share = mask.filter((value) => value !== 0).length / mask.length;
        assert.ok(share < 0.03, `${kind} covers ${share}`);
      }),
      { numRuns: 60 },
    );
  });

  it('is the same for the same seed, and leaves the picture it was painted on alone', () => {
    const before = Buffer.from(rgb);
    const paint = (seed: number) => paintDefect(rgb, SIZE, seededRandom(seed));
    assert.deepEqual(paint(3), paint(3));
    assert.notDeepEqual(paint(3), paint(4));
    assert.deepEqual(rgb, before);
  });

  it('is painted on parts spread over all, one of each kind, and only where somebody looks', async () => {
    const grid = { columns: 30, rows: 23 };
    const mask = Uint8Array.from({ length: 30 * 23 }, (_, patch) => (patch % 30 < 15 ? 1 : 0));
    const painted = await paintParts({
      ...SIZE,
      parts: 40,
      seed: 1,
      grid,
      mask,
      pixelsOf: () => Promise.resolve(rgb),
      featuresOf: (pixels) => Promise.resolve(Float32Array.from(pixels)),
    });
    assert.equal(painted.length, 64);
    assert.deepEqual([painted[0]?.part, painted[63]?.part], [0, 37]);
    for (const part of painted) assert.ok(part.mask.some((value, patch) => value !== 0 && mask[patch] !== 0));
  });
});
