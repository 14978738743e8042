import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { HeadResult, SegmentOptions } from '../../../../lib/inference/heads/head.ts';
import type { SegmentPrediction } from '../../../../lib/inference/heads/segments.ts';
import { read, tensor, type Output } from './reading.ts';

const SIDE = 64;
/** Prototypes have a quarter of the input's resolution. */
const CELLS = 16;
const COEFFICIENTS = 32;
const CLASSES = 2;
/** Cells of strides 8, 16 and 32: 64 + 16 + 4. */
const ANCHORS = 84;
const FIELDS = 4 + CLASSES + COEFFICIENTS;

interface Thing {
  /** Centre and size in pixels of the input. */
  box: [x: number, y: number, width: number, height: number];
  index: number;
  score: number;
  coefficients: number[];
}

/** Prototype 0 is +1 on the left half and −1 on the right, 1 is +1 above and −1 below, the rest nothing. */
function prototypes(): Output {
  const data = new Float32Array(COEFFICIENTS * CELLS * CELLS);
  for (let pixel = 0; pixel < CELLS * CELLS; pixel += 1) {
    data[pixel] = pixel % CELLS < CELLS / 2 ? 1 : -1;
    data[CELLS * CELLS + pixel] = pixel < (CELLS * CELLS) / 2 ? 1 : -1;
  }
  return tensor([1, COEFFICIENTS, CELLS, CELLS], data);
}

/** As YOLOv8-seg gives them: one column for each anchor. */
function yolov8(things: readonly Thing[]): Output {
  const data = new Float32Array(FIELDS * ANCHORS);
  things.forEach(({ box, index, score, coefficients }, anchor) => {
    box.forEach((value, field) => (data[field * ANCHORS + anchor] = value));
    data[(4 + index) * ANCHORS + anchor] = score;
    coefficients.forEach((value, k) => (data[(4 + CLASSES + k) * ANCHORS + anchor] = value));
  });
  return tensor([1, FIELDS, ANCHORS], data);
}

/** As YOLO26-seg gives them: a row for each object, corners, score and class. */
function endToEnd(things: readonly Thing[]): Output {
  const data = new Float32Array(300 * (6 + COEFFICIENTS));
  things.forEach(({ box: [x, y, width, height], index, score, coefficients }, row) => {
    const corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
    data.set([...corners, score, index, ...coefficients], row * (6 + COEFFICIENTS));
  });
  return tensor([1, 300, 6 + COEFFICIENTS], data);
}

/** YOLOv5-seg: three anchors for each cell, objectness before the classes. */
function yolov5(things: readonly Thing[]): Output {
  const fields = FIELDS + 1;
  const data = new Float32Array(3 * ANCHORS * fields);
  things.forEach(({ box, index, score, coefficients }, anchor) => {
    const classes = Array.from({ length: CLASSES }, (_, own) => (own === index ? 1 : 0));
    data.set([...box, score, ...classes, ...coefficients], anchor * fields);
  });
  return tensor([1, 3 * ANCHORS, fields], data);
}

function segment(objects: Output, options: Partial<SegmentOptions> = {}): HeadResult {
  const placement = { scaleX: 10, scaleY: 10, frameWidth: 640, frameHeight: 320 };
  const outputs = { output0: objects, output1: prototypes() };
  return read({ task: 'segment', ...options }, outputs, { width: SIDE, height: SIDE, placement });
}

const segments = (result: HeadResult): SegmentPrediction[] =>
  result.prediction['segments'] as SegmentPrediction[];

const left: Thing = { box: [32, 16, 64, 32], index: 1, score: 0.9, coefficients: [1] };

describe('instance segmentation', () => {
  for (const [name, layout] of Object.entries({ yolov8, yolov5, endToEnd })) {
    it(`cuts the mask of an object to its box and to the frame (${name})`, () => {
      const result = segment(layout([left]), { labels: ['screw', 'nut'] });
      const [found, ...others] = segments(result);
      assert.deepEqual(others, []);
      assert.equal(found?.label, 'nut');
      assert.ok(Math.abs((found.score ?? 0) - 0.9) < 1e-6);
      assert.deepEqual(found.box, [0, 0, 640, 320]);
      assert.equal(found.area, 320 * 320);
      assert.equal(found.share, 0.5);
      const [polygon = []] = found.polygons;
      assert.deepEqual(new Set(polygon.map(String)), new Set(['320,0', '320,320', '0,320', '0,0']));
      // a letterboxed frame of two to one fills the upper half of the mask
      assert.deepEqual([result.pictures?.['mask']?.width, result.pictures?.['mask']?.height], [16, 8]);
    });
  }

  it('is the sign of coefficients · prototypes at every pixel of the box', () => {
    const value = fc.float({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const result = segment(yolov8([{ ...left, coefficients: [a, b] }]));
        const expected = Array.from({ length: 16 * 8 }, (_, pixel) =>
          Math.fround(a) * (pixel % 16 < 8 ? 1 : -1) + Math.fround(b) >= 0 ? 1 : 0,
        );
        assert.deepEqual([...(result.pictures?.['mask']?.data ?? [])], expected);
      }),
    );
  });

  it('numbers the objects in the mask, the better one in front, and lists the best first', () => {
    const small: Thing = { box: [8, 8, 16, 16], index: 0, score: 0.95, coefficients: [1] };
    const result = segment(yolov8([left, small]));
    assert.deepEqual(
      segments(result).map(({ index }) => index),
      [0, 1],
    );
    const mask = result.pictures?.['mask']?.data ?? new Uint8Array();
    assert.equal(mask[0], 1);
    assert.equal(mask[5], 2);
    assert.equal(mask[9], 0);
  });

  it('keeps an object that is smaller than a pixel of the mask, and one whose mask is empty', () => {
    const tiny: Thing = { box: [9, 9, 1, 1], index: 0, score: 0.8, coefficients: [1] };
    const empty: Thing = { box: [40, 16, 8, 8], index: 1, score: 0.7, coefficients: [1] };
    const found = segments(segment(yolov8([tiny, empty])));
    assert.deepEqual(
      found.map(({ box, area, polygons }) => [box, area, polygons.length]),
      [
        [[85, 85, 10, 10], 40 * 40, 1],
        [[360, 120, 80, 80], 0, 0],
      ],
    );
    assert.equal(segments(segment(yolov8([tiny, empty]), { minArea: 1 })).length, 1);
  });

  it('leaves out what overlaps a better one of its class, what is unsure and what lies in the padding', () => {
    const double: Thing = { ...left, box: [33, 16, 62, 32], score: 0.6 };
    const unsure: Thing = { ...left, index: 0, score: 0.2 };
    const padding: Thing = { box: [32, 50, 20, 20], index: 0, score: 0.9, coefficients: [1] };
    assert.equal(segments(segment(yolov8([left, double, unsure, padding]))).length, 1);
    assert.equal(segments(segment(yolov8([left, double, unsure]), { iou: 1, confidence: 0.1 })).length, 3);
  });

  it('refuses a class that can be none', () => {
    for (const index of [Infinity, 3e9, -1, NaN]) {
      assert.throws(() => segment(endToEnd([{ ...left, index }])), { code: 'SCORE_NOT_FINITE' }, `${index}`);
    }
  });

  it('refuses coefficients that are not numbers', () => {
    assert.throws(() => segment(yolov8([{ ...left, coefficients: [NaN] }])), { code: 'SCORE_NOT_FINITE' });
  });
});
