import assert from 'node:assert/strict';
import fc from 'fast-check';
import { boxesAbove, MAX_BOXES } from '../../../lib/anomaly/boxes.ts';

function mapWith(...patches: [column: number, row: number][]): Float32Array {
  const map = new Float32Array(28 * 28);
  for (const [column, row] of patches) map[row * 28 + column] = 2;
  return map;
}

const options = { level: 1, width: 280, height: 560 };

describe('the boxes round unusual areas', () => {
  it('are in pixels of the frame', () => {
    assert.deepEqual(boxesAbove(mapWith([3, 5], [4, 5], [4, 6]), options), [[30, 100, 20, 40]]);
  });

  it('join patches that touch by a corner and keep apart those that do not touch', () => {
    assert.deepEqual(boxesAbove(mapWith([0, 0], [1, 1], [10, 10]), options), [
      [0, 0, 20, 40],
      [100, 200, 10, 20],
    ]);
  });

  it('start with the largest area and are eight at most', () => {
    const single = Array.from({ length: 9 }, (_, index): [number, number] => [index * 3, 0]);
    const boxes = boxesAbove(mapWith(...single, [5, 20], [6, 20]), options);
    assert.equal(boxes.length, MAX_BOXES);
    assert.deepEqual(boxes[0], [50, 400, 20, 20]);
  });

  it('are none where nothing is above the level', () => {
    assert.deepEqual(boxesAbove(new Float32Array(784).fill(1), options), []);
  });

  it('lie inside the frame and cover every patch above the level while there are eight or fewer', () => {
    const patch = fc.tuple(fc.nat(27), fc.nat(27));
    fc.assert(
      fc.property(
        fc.array(patch, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 28, max: 4000 }),
        fc.integer({ min: 28, max: 4000 }),
        (patches, width, height) => {
          const boxes = boxesAbove(mapWith(...patches), { level: 1, width, height });
          for (const [x, y, w, h] of boxes) {
            assert.ok(x >= 0 && y >= 0 && w >= 1 && h >= 1 && x + w <= width && y + h <= height);
          }
          for (const [column, row] of patches) {
            const [x, y] = [((column + 0.5) * width) / 28, ((row + 0.5) * height) / 28];
            assert.ok(
              boxes.some(([left, top, w, h]) => x >= left && x <= left + w && y >= top && y <= top + h),
            );
          }
        },
      ),
    );
  });
});
