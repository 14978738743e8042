import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MAX_BOXES, type MapBox } from '../../../../lib/inference/heads/anomaly-map.ts';
import type { AnomalyMapOptions, HeadResult } from '../../../../lib/inference/heads/head.ts';
import { read, tensor, type Output, type Setting } from './reading.ts';

function score(
  outputs: Record<string, Output>,
  options: Partial<AnomalyMapOptions> = {},
  setting: Setting = {},
): HeadResult {
  return read({ task: 'anomaly-map', ...options }, outputs, setting);
}

const map = [0, 0, 3, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0];

describe('anomaly map head', () => {
  it('reads the score and map of a taught model, and no boxes without a level', () => {
    const result = score({ score: tensor([1], [7]), map: tensor([4, 4], map), other: tensor([1], [1]) });
    assert.deepEqual(result.prediction, { task: 'anomaly-map', score: 7 });
    assert.deepEqual(result.tensors['map'], { dims: [4, 4], data: Float32Array.from(map) });
  });

  it('hands the embedding through for watching drift, and never one that is no number', () => {
    const graph = { score: tensor([1], [7]), map: tensor([2, 8], map), embedding: tensor([1, 3], [1, 2, 3]) };
    const { tensors, prediction } = score(graph);
    assert.deepEqual(tensors['embedding'], { dims: [3], data: Float32Array.of(1, 2, 3) });
    assert.deepEqual(tensors['map']?.dims, [2, 8]);
    assert.deepEqual(prediction, { task: 'anomaly-map', score: 7 });
    assert.throws(() => score({ ...graph, embedding: tensor([1, 2], [1, NaN]) }), {
      code: 'SCORE_NOT_FINITE',
    });
  });

  it('finds the outputs of anomalib 2 by name and those of anomalib 1 by shape', () => {
    const named = {
      pred_score: tensor([1, 1], [0.75]),
      pred_label: tensor([1, 1], [1], 'bool'),
      anomaly_map: tensor([1, 1, 4, 4], map),
      pred_mask: tensor([1, 1, 4, 4], map, 'bool'),
    };
    assert.equal(score(named).prediction['score'], 0.75);
    assert.equal(
      score({ output: tensor([1, 1, 4, 4], map), '1432': tensor([1], [5]) }).prediction['score'],
      5,
    );
    const own = { a: tensor([1], [1]), b: tensor([1], [2]), c: tensor([1, 4, 4], map) };
    assert.equal(score(own, { score: 'b', map: 'c' }).prediction['score'], 2);
  });

  it('is scored by the highest value of the map where there is no score', () => {
    assert.equal(score({ output: tensor([1, 1, 4, 4], map) }).prediction['score'], 3);
  });

  it('boxes what is above the level in pixels of the frame, the largest first', () => {
    const placement = { scaleX: 2, scaleY: 4, frameWidth: 16, frameHeight: 32 };
    const { prediction } = score({ output: tensor([1, 1, 4, 4], map) }, { level: 0.5 }, { placement });
    assert.deepEqual(prediction['boxes'], [{ box: [4, 0, 8, 24], score: 3 }]);
    const high = score({ output: tensor([1, 1, 4, 4], map) }, { level: 1.5 }, { placement });
    assert.deepEqual(high.prediction['boxes'], [
      { box: [8, 0, 4, 8], score: 3 },
      { box: [4, 16, 4, 8], score: 2 },
    ]);
  });

  it('cuts off what lies in the padding of a letterbox', () => {
    const placement = { scaleX: 10, scaleY: 10, frameWidth: 80, frameHeight: 40 };
    const padded = map.map((value, at) => (at >= 8 ? 100 : value));
    const result = score({ output: tensor([1, 1, 4, 4], padded) }, { level: 0.5 }, { placement });
    assert.equal(result.prediction['score'], 3);
    assert.deepEqual(result.tensors['map']?.dims, [2, 4]);
  });

  it('gives boxes that lie inside the frame and hold every place above the level', () => {
    const values = fc.array(fc.constantFrom(0, 0, 0, 1, 2), { minLength: 64, maxLength: 64 });
    const side = fc.integer({ min: 8, max: 3000 });
    fc.assert(
      fc.property(values, side, side, (places, frameWidth, frameHeight) => {
        const placement = { scaleX: frameWidth / 8, scaleY: frameHeight / 8, frameWidth, frameHeight };
        const { prediction } = score({ map: tensor([8, 8], places) }, { level: 0.5 }, { placement });
        const boxes = prediction['boxes'] as MapBox[];
        assert.ok(boxes.length <= MAX_BOXES);
        for (const {
          box: [x, y, width, height],
        } of boxes) {
          assert.ok(x >= 0 && y >= 0 && width >= 1 && height >= 1);
          assert.ok(x + width <= frameWidth + 1e-9 && y + height <= frameHeight + 1e-9);
        }
        places.forEach((value, place) => {
          if (value === 0) return;
          const x = (((place % 8) + 0.5) * frameWidth) / 8;
          const y = ((Math.floor(place / 8) + 0.5) * frameHeight) / 8;
          const holds = ({ box: [left, top, width, height] }: MapBox): boolean =>
            x >= left && x <= left + width && y >= top && y <= top + height;
          assert.ok(boxes.some((found) => holds(found) && found.score >= value));
        });
      }),
    );
  });

  it('refuses what is not a number, and a graph without a map', () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      assert.throws(() => score({ score: tensor([1], [bad]), map: tensor([4, 4], map) }), {
        code: 'SCORE_NOT_FINITE',
      });
      assert.throws(() => score({ map: tensor([2, 2], [bad, 0, 0, 0]) }), { code: 'SCORE_NOT_FINITE' });
    }
    const rows = { a: tensor([1, 10], new Float32Array(10)), b: tensor([1], [1]) };
    assert.throws(() => score(rows), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
  });
});
