import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { DEFECT_KINDS } from '../../plant/defects.ts';
import { drawPart, type PartImage } from '../../plant/part-image.ts';

const sha256 = (image: PartImage): string => createHash('sha256').update(image.rgb).digest('hex');

/** Mean brightness of the pixels a mask (or its absence) selects. */
function meanDifference(one: PartImage, other: PartImage, mask: Buffer): number {
  let sum = 0;
  let count = 0;
  for (let pixel = 0; pixel < mask.length; pixel++) {
    if (mask[pixel] !== 255) continue;
    count++;
    for (let channel = 0; channel < 3; channel++) {
      sum += Math.abs((one.rgb[pixel * 3 + channel] ?? 0) - (other.rgb[pixel * 3 + channel] ?? 0)) / 3;
    }
  }
  return sum / count;
}

/** The belt is darker than 70 everywhere; the sheet is brighter but for thin shadows at its ribs and rims. */
function nearMetal(image: PartImage, column: number, row: number): boolean {
  for (let dy = -6; dy <= 6; dy += 2) {
    for (let dx = -6; dx <= 6; dx += 2) {
      if ((image.rgb[((row + dy) * image.width + column + dx) * 3] ?? 0) > 70) return true;
    }
  }
  return false;
}

describe('the picture of a part', () => {
  it('is the same for the same seed, and another for another seed', () => {
    const image = drawPart({ seed: 7, defect: 'crack' });
    assert.equal(sha256(image), sha256(drawPart({ seed: 7, defect: 'crack' })));
    assert.notEqual(sha256(image), sha256(drawPart({ seed: 8, defect: 'crack' })));
  });

  it('stays what it is from version to version', () => {
    // Recorded figures depend on these pixels: a change here is a new data set.
    const image = drawPart({ seed: 1, defect: null, width: 320, height: 240 });
    assert.equal(sha256(image), 'a26aee40e10ba2a7485f7a4acfd4fc6a47e439358c770a0b9043c77b4d752960');
  });

  it('has the size that was asked for', () => {
    const image = drawPart({ seed: 3, defect: 'dent', width: 480, height: 360 });
    assert.deepEqual([image.width, image.height, image.rgb.length], [480, 360, 480 * 360 * 3]);
    assert.equal(image.mask?.length, 480 * 360);
  });

  it('of a good part has no mask and no box', () => {
    const { mask, box } = drawPart({ seed: 3, defect: null, width: 320, height: 240 });
    assert.deepEqual([mask, box], [null, null]);
  });

  for (const kind of DEFECT_KINDS) {
    it(`with a ${kind} differs from its good twin exactly inside the mask, on the metal`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 0xffffffff }), (seed) => {
          const size = { width: 480, height: 360 };
          const bad = drawPart({ seed, defect: kind, ...size });
          const good = drawPart({ seed, defect: null, ...size });
          const { mask, box } = bad;
          assert.ok(mask !== null && box !== null, 'the mask is empty');
          const [left, top, width, height] = box;
          for (let pixel = 0; pixel < mask.length; pixel++) {
            const column = pixel % size.width;
            const row = (pixel - column) / size.width;
            if (mask[pixel] === 255) {
              assert.ok(column >= left && column < left + width && row >= top && row < top + height);
              assert.ok(
                nearMetal(bad, column, row) || nearMetal(good, column, row),
                `mask at ${column}, ${row}`,
              );
            } else {
              for (let at = pixel * 3; at < pixel * 3 + 3; at++) {
                if (bad.rgb[at] !== good.rgb[at])
                  assert.fail(`changed outside the mask at ${column}, ${row}`);
              }
            }
          }
          const seen = meanDifference(bad, good, mask);
          assert.ok(seen > 1.5, `the defect changes its pixels by only ${seen} grey levels`);
        }),
        { numRuns: 12 },
      );
    });
  }

  it('shows a defect more plainly the more severe it is', () => {
    for (const kind of ['crack', 'scratch', 'dent', 'stain'] as const) {
      const good = drawPart({ seed: 5, defect: null });
      const [faint, plain] = [0, 1].map((severity) => {
        const image = drawPart({ seed: 5, defect: kind, severity });
        assert.ok(image.mask !== null);
        return meanDifference(image, good, image.mask) * image.mask.filter((value) => value === 255).length;
      });
      assert.ok((plain ?? 0) > 1.5 * (faint ?? 0), `${kind}: ${faint ?? 0} and ${plain ?? 0}`);
    }
  });

  it('carries the same crack at the same place of the sheet when the die is the same', () => {
    const boxes = [11, 12, 13].map((seed) => drawPart({ seed, defect: 'crack', defectSeed: 99 }).box);
    const [first] = boxes;
    for (const box of boxes) {
      assert.ok(box !== null && first !== null && first !== undefined);
      // Only the pose differs: 6 pixels and 1.5° each way.
      assert.ok(Math.abs(box[0] - first[0]) < 32 && Math.abs(box[1] - first[1]) < 32);
    }
  });
});
