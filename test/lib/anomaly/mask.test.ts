import assert from 'node:assert/strict';
import fc from 'fast-check';
import { patchMask } from '../../../lib/anomaly/mask.ts';
import type { MaskArea } from '../../../lib/anomaly/manifest.ts';

const GRID = { columns: 28, rows: 20 };
const square = (left: number, top: number, side: number): MaskArea => [
  [left, top],
  [left + side, top],
  [left + side, top + side],
  [left, top + side],
];
const looked = (...areas: MaskArea[]): number[] => {
  const mask = patchMask(areas, GRID) ?? assert.fail();
  return [...mask.keys()].filter((patch) => mask[patch] === 1);
};

describe('the region that is looked at', () => {
  it('is everything where nothing was drawn', () => {
    assert.equal(patchMask(undefined, GRID), undefined);
    assert.equal(patchMask([], GRID), undefined);
  });

  it('is where the middles of patches are covered', () => {
    assert.equal(looked(square(0, 0, 1)).length, 28 * 20);
    assert.deepEqual(looked(square(0.01 / 28, 0.01 / 20, 0.99 / 20)), [0]);
  });

  it('is what a narrow area touches, where it covers no middle', () => {
    assert.deepEqual(looked(square(0, 0, 0.01)), [0]);
    const line: MaskArea = [
      [0.001, 0.001],
      [0.999, 0.001],
      [0.999, 0.002],
    ];
    assert.deepEqual(
      looked(line),
      Array.from({ length: 28 }, (_, column) => column),
    );
  });

  it('is never empty, whatever was drawn', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(share, share), { minLength: 3, maxLength: 6 }), (area) => {
        assert.ok(looked(area).length > 0);
      }),
    );
  });
});
