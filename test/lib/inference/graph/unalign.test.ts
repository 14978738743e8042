import assert from 'node:assert/strict';
import { AT_REST } from '../../../../lib/frame/similarity.ts';
import { asItCame } from '../../../../lib/inference/graph/unalign.ts';

const FRAME = { width: 80, height: 60 };
const MOVED = { ...AT_REST, x: 20, y: 10, quality: 0.9, lost: false };

describe('what a model says of an aligned picture', () => {
  it('is said of the picture as it came: boxes, polygons, maps and masks', () => {
    const map = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const mask = { width: 4, height: 3, data: Uint8Array.from(map) };
    const result = asItCame(
      {
        prediction: {
          task: 'anomaly-map',
          boxes: [{ box: [0, 0, 10, 10], score: 3 }],
          segments: [{ polygons: [[[0, 0] as const, [70, 0] as const, [10, 10] as const]] }],
        },
        tensors: { map: { dims: [3, 4], data: map } },
        pictures: { mask },
      },
      MOVED,
      FRAME,
    );
    assert.deepEqual(result.prediction['boxes'], [{ box: [20, 10, 10, 10], score: 3 }]);
    const polygon = [
      [20, 10],
      [80, 10],
      [30, 20],
    ];
    assert.deepEqual(result.prediction['segments'], [{ polygons: [polygon] }]);
    // a cell is 20 × 20 pixels of the frame: one column to the right, half a row down
    const columns = [1, 1, 2, 3];
    assert.deepEqual([...(result.tensors['map']?.data.subarray(0, 4) ?? [])], columns);
    assert.deepEqual([...(result.pictures?.['mask']?.data.subarray(0, 4) ?? [])], columns);
  });

  it('is left alone where the alignment was lost', () => {
    const result = { prediction: { task: 'detect', objects: [{ box: [1, 2, 3, 4] }] }, tensors: {} };
    assert.deepEqual(asItCame(result, { ...AT_REST, quality: 0, lost: true }, FRAME), result);
  });
});
