import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cropOf, shiftPrediction } from '../../../../lib/inference/graph/crop.ts';
import type { Box } from '../../../../lib/inspection/inspection.ts';

describe('crop', () => {
  it('is every pixel the box touches and the frame has, and copies none', () => {
    const coordinate = fc.double({ min: -20, max: 40, noNaN: true });
    const length = fc.double({ min: 0.01, max: 40, noNaN: true });
    const size = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(size, size, coordinate, coordinate, length, length, (width, height, x, y, w, h) => {
        const data = Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => i % 251));
        const touched: [number, number][] = [];
        for (let row = 0; row < height; row += 1) {
          for (let column = 0; column < width; column += 1) {
            if (column + 1 > x && column < x + w && row + 1 > y && row < y + h) touched.push([column, row]);
          }
        }
        const box: Box = [x, y, w, h];
        if (touched.length === 0) {
          assert.throws(() => cropOf({ data, width, height }, box), { code: 'CROP_INVALID' });
          return;
        }
        const { window, left, top } = cropOf({ data, width, height }, box);
        assert.deepEqual(touched[0], [left, top]);
        assert.deepEqual(touched.at(-1), [left + window.width - 1, top + window.height - 1]);
        assert.equal(window.data.buffer, data.buffer);
        assert.equal(window.data[0], data[(top * width + left) * 3]);
        assert.equal(
          window.data.at(-1),
          data[((top + window.height - 1) * width + left + window.width) * 3 - 1],
        );
      }),
    );
  });

  it('moves boxes and polygons, and nothing else, to pixels of the whole frame', () => {
    const objects = [{ index: 1, label: 'bolt', score: 0.5, box: [1, 2, 3, 4] }];
    assert.deepEqual(shiftPrediction({ task: 'detect', objects }, 100, 10), {
      task: 'detect',
      objects: [{ index: 1, label: 'bolt', score: 0.5, box: [101, 12, 3, 4] }],
    });
    const segments = [
      {
        area: 4,
        box: [0, 0, 2, 2],
        polygons: [
          [
            [0, 0],
            [2, 0],
            [2, 2],
          ],
        ],
      },
    ];
    assert.deepEqual(shiftPrediction({ task: 'segment', segments }, 5, 7), {
      task: 'segment',
      segments: [
        {
          area: 4,
          box: [5, 7, 2, 2],
          polygons: [
            [
              [5, 7],
              [7, 7],
              [7, 9],
            ],
          ],
        },
      ],
    });
    const boxes = [{ box: [1, 1, 1, 1], score: 2 }];
    assert.deepEqual(shiftPrediction({ task: 'anomaly-map', score: 2, boxes }, 3, 4)['boxes'], [
      { box: [4, 5, 1, 1], score: 2 },
    ]);
    const classes = { task: 'classify', classes: [{ index: 0, label: 'a', score: 1 }] };
    assert.deepEqual(shiftPrediction(classes, 9, 9), classes);
  });
});
