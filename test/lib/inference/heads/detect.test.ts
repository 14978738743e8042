import assert from 'node:assert/strict';
import fc from 'fast-check';
import { resizeRgb, type Fit } from '../../../../lib/frame/resize.ts';
import type { InferenceError } from '../../../../lib/inference/errors.ts';
import type { DetectOptions, Placement } from '../../../../lib/inference/heads/head.ts';
import {
  assertSameObjects,
  bestClass,
  boxAround,
  cells,
  detect,
  expectedObjects,
  prepare,
  row,
  type Found,
  type Graph,
  type Output,
} from './detect-reference.ts';

const SIDE = 32;
/** Cells of strides 8, 16 and 32: 16 + 4 + 1; with 64 one more. */
const CELLS = 21;
const CLASSES = 3;
const PLACEMENT: Placement = { scaleX: 2, scaleY: 3, frameWidth: SIDE * 2, frameHeight: SIDE * 3 };
const LIMITS = { confidence: 0.4, iou: 0.45, maxObjects: 1000 };

type Range = readonly [min: number, max: number];

/** Rows of numbers, field by field in its range, one after the other. */
function matrix(rows: number, ranges: readonly Range[]): fc.Arbitrary<Float32Array> {
  const length = rows * ranges.length;
  return fc.uint16Array({ minLength: length, maxLength: length }).map((values) =>
    Float32Array.from(values, (value, i) => {
      const [min, max] = ranges[i % ranges.length] as Range;
      return min + (value / 65_535) * (max - min);
    }),
  );
}

const times = (count: number, range: Range): Range[] => Array.from({ length: count }, () => range);

const SCORE: Range = [0, 1];
const PIXEL: Range = [-4, SIDE + 4];
const LENGTH: Range = [0, SIDE];
const CENTRED = [PIXEL, PIXEL, LENGTH, LENGTH];

function transposed(data: Float32Array, fields: number): Float32Array {
  const anchors = data.length / fields;
  return data.map((_, i) => data[(i % anchors) * fields + Math.floor(i / anchors)] as number);
}

interface FamilyCase {
  name: string;
  rows: number;
  fields: readonly Range[];
  options?: Partial<DetectOptions>;
  inputName?: string;
  /** Graph outputs of the matrix. */
  outputs: (data: Float32Array) => Record<string, Output>;
  read: (fields: number[], anchor: number) => Found;
  isSuppressed?: boolean;
  /** Where scores begin and how many there are, and a field of the box. */
  scores: readonly [first: number, count: number];
  boxField: number;
}

function single(rows: number, fields: number, name = 'output0'): FamilyCase['outputs'] {
  return (data) => ({ [name]: { dims: [1, rows, fields], data } });
}

/** The columns of the matrix from `from` on as an output of its own. */
function part(data: Float32Array, fields: number, from: number, width: number): Float32Array {
  return Float32Array.from(
    { length: (data.length / fields) * width },
    (_, i) => data[Math.floor(i / width) * fields + from + (i % width)] as number,
  );
}

const grid = cells(SIDE, [8, 16, 32]);
const largeGrid = cells(SIDE, [8, 16, 32, 64]);
const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));
const LOGIT: Range = [-5, 3];
const softmax = (logits: readonly number[]): number[] => {
  const exponentials = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
};

/** Left, top, right, bottom from a point, each the expectation of its distribution. */
function distances(
  values: number[],
  bins: number,
  [column, line, stride]: [number, number, number],
  offset: number,
): Found['box'] {
  const [left, top, right, bottom] = [0, 1, 2, 3].map((side) => {
    const shares = softmax(values.slice(side * bins, (side + 1) * bins));
    return stride * shares.reduce((sum, share, distance) => sum + share * distance, 0);
  }) as Found['box'];
  const [x, y] = [(column + offset) * stride, (line + offset) * stride];
  const inside = (value: number): number => Math.min(Math.max(value, 0), SIDE);
  return [inside(x - left), inside(y - top), inside(x + right), inside(y + bottom)];
}

const cell = (list: [number, number, number][], anchor: number): [number, number, number] =>
  list[anchor] as [number, number, number];

/** x1, y1 and then how far x2, y2 are from them. */
const CORNERS = [PIXEL, PIXEL, PIXEL, PIXEL];
const QUERIES = 300;
const centred = ([x, y, w, h]: number[]): Found['box'] =>
  boxAround((x as number) * SIDE, (y as number) * SIDE, (w as number) * SIDE, (h as number) * SIDE);

const families: FamilyCase[] = [
  {
    name: 'YOLOX as its paper writes it',
    rows: CELLS,
    fields: [...times(2, [-2, 3]), ...times(2, [-2, 2]), SCORE, ...times(CLASSES, SCORE)],
    outputs: single(CELLS, 5 + CLASSES, 'output'),
    read: ([x, y, w, h, objectness, ...classes], anchor) => {
      const [column, line, stride] = cell(grid, anchor);
      const { index, score } = bestClass(classes);
      const size = [Math.exp(w as number) * stride, Math.exp(h as number) * stride] as const;
      const box = boxAround(((x as number) + column) * stride, ((y as number) + line) * stride, ...size);
      return { index, score: score * (objectness as number), box };
    },
    scores: [4, 1 + CLASSES],
    boxField: 2,
  },
  {
    name: 'YOLOv8 by column',
    rows: CELLS,
    fields: [...CENTRED, ...times(CLASSES, SCORE)],
    outputs: (data) => ({ output0: { dims: [1, 4 + CLASSES, CELLS], data: transposed(data, 4 + CLASSES) } }),
    read: ([x, y, w, h, ...classes]) => ({
      ...bestClass(classes),
      box: boxAround(x as number, y as number, w as number, h as number),
    }),
    scores: [4, CLASSES],
    boxField: 0,
  },
  {
    name: 'YOLOv8 by anchor',
    rows: CELLS,
    fields: [...CENTRED, ...times(CLASSES, SCORE)],
    options: { format: 'yolov8' },
    outputs: single(CELLS, 4 + CLASSES),
    read: ([x, y, w, h, ...classes]) => ({
      ...bestClass(classes),
      box: boxAround(x as number, y as number, w as number, h as number),
    }),
    scores: [4, CLASSES],
    boxField: 0,
  },
  {
    name: 'YOLOv5',
    rows: 3 * CELLS,
    fields: [...CENTRED, SCORE, ...times(CLASSES, SCORE)],
    outputs: single(3 * CELLS, 5 + CLASSES),
    read: ([x, y, w, h, objectness, ...classes]) => {
      const { index, score } = bestClass(classes);
      const box = boxAround(x as number, y as number, w as number, h as number);
      return { index, score: score * (objectness as number), box };
    },
    scores: [4, 1 + CLASSES],
    boxField: 3,
  },
  {
    name: 'NanoDet-Plus',
    rows: CELLS + 1,
    fields: [...times(CLASSES, SCORE), ...times(32, [-4, 4])],
    outputs: single(CELLS + 1, CLASSES + 32, 'output'),
    inputName: 'data',
    read: (fields, anchor) => ({
      ...bestClass(fields.slice(0, CLASSES)),
      box: distances(fields.slice(CLASSES), 8, cell(largeGrid, anchor), 0),
    }),
    scores: [0, CLASSES],
    boxField: CLASSES + 9,
  },
  {
    name: 'NanoDet with longer distributions',
    rows: CELLS,
    fields: [...times(CLASSES, SCORE), ...times(44, [-4, 4])],
    options: { labels: ['0', '1', '2'] },
    outputs: single(CELLS, CLASSES + 44, 'output'),
    read: (fields, anchor) => ({
      ...bestClass(fields.slice(0, CLASSES)),
      box: distances(fields.slice(CLASSES), 11, cell(grid, anchor), 0.5),
    }),
    scores: [0, CLASSES],
    boxField: CLASSES + 9,
  },
  {
    name: 'SSD of TensorFlow',
    rows: 20,
    fields: [...times(4, [-0.1, 1.1]), SCORE, [1, 90]],
    outputs: (data) => ({
      'detection_boxes:0': { dims: [1, 20, 4], data: part(data, 6, 0, 4) },
      'detection_classes:0': { dims: [1, 20], data: part(data, 6, 5, 1).map(Math.round) },
      'detection_scores:0': { dims: [1, 20], data: part(data, 6, 4, 1) },
      'num_detections:0': { dims: [1], data: Float32Array.of(20) },
    }),
    read: ([top, left, bottom, right, score, index]) => ({
      score: score as number,
      index: Math.round(index as number),
      box: [left, top, right, bottom].map((side) => (side as number) * SIDE) as Found['box'],
    }),
    isSuppressed: true,
    scores: [4, 1],
    boxField: 3,
  },
  {
    name: 'boxes, labels and scores of torchvision',
    rows: 20,
    fields: [...CORNERS, SCORE, [1, 90]],
    outputs: (data) => ({
      '2940': { dims: [20, 4], data: part(data, 6, 0, 4), shape: ['n', 4] },
      '2941': { dims: [20], data: part(data, 6, 5, 1).map(Math.round), type: 'int64', shape: ['n'] },
      '2942': { dims: [20], data: part(data, 6, 4, 1), shape: ['n'] },
    }),
    read: ([x1, y1, x2, y2, score, index]) => ({
      score: score as number,
      index: Math.round(index as number),
      box: [x1, y1, x2, y2] as Found['box'],
    }),
    isSuppressed: true,
    scores: [4, 1],
    boxField: 0,
  },
  {
    name: 'end-to-end YOLO',
    rows: 40,
    fields: [...CORNERS, SCORE, [0, 79]],
    outputs: (data) => ({
      output0: { dims: [1, 40, 6], data: data.map((value, i) => (i % 6 === 5 ? Math.round(value) : value)) },
    }),
    read: ([x1, y1, x2, y2, score, index]) => ({
      score: score as number,
      index: Math.round(index as number),
      box: [x1, y1, x2, y2] as Found['box'],
    }),
    isSuppressed: true,
    scores: [4, 1],
    boxField: 2,
  },
  {
    name: 'end-to-end YOLOv7',
    rows: 12,
    fields: [[0, 0], ...CORNERS, [0, 79], SCORE],
    outputs: (data) => ({
      output: {
        dims: [12, 7],
        shape: ['n', 7],
        data: data.map((value, i) => (i % 7 === 5 ? Math.round(value) : value)),
      },
    }),
    read: ([, x1, y1, x2, y2, index, score]) => ({
      score: score as number,
      index: Math.round(index as number),
      box: [x1, y1, x2, y2] as Found['box'],
    }),
    isSuppressed: true,
    scores: [6, 1],
    boxField: 2,
  },
  {
    name: 'boxes with their scores, and labels, of MMDeploy',
    rows: 20,
    fields: [...CORNERS, SCORE, [0, 79]],
    outputs: (data) => ({
      dets: { dims: [1, 20, 5], data: part(data, 6, 0, 5), shape: ['b', 'n', 5] },
      labels: { dims: [1, 20], data: part(data, 6, 5, 1).map(Math.round), type: 'int64', shape: ['b', 'n'] },
    }),
    read: ([x1, y1, x2, y2, score, index]) => ({
      score: score as number,
      index: Math.round(index as number),
      box: [x1, y1, x2, y2] as Found['box'],
    }),
    isSuppressed: true,
    scores: [4, 1],
    boxField: 1,
  },
  {
    name: 'DETR, whose last class is no object',
    rows: 100,
    fields: [...times(4, SCORE), ...times(CLASSES + 1, LOGIT)],
    outputs: (data) => ({
      logits: { dims: [1, 100, CLASSES + 1], data: part(data, CLASSES + 5, 4, CLASSES + 1) },
      pred_boxes: { dims: [1, 100, 4], data: part(data, CLASSES + 5, 0, 4) },
    }),
    read: (fields) => ({
      ...bestClass(softmax(fields.slice(4)).slice(0, -1)),
      box: centred(fields),
    }),
    isSuppressed: true,
    scores: [4, CLASSES + 1],
    boxField: 0,
  },
  {
    name: 'RT-DETR, a sigmoid for each class',
    rows: QUERIES,
    fields: [...times(4, SCORE), ...times(CLASSES, LOGIT)],
    outputs: (data) => ({
      logits: { dims: [1, QUERIES, CLASSES], data: part(data, CLASSES + 4, 4, CLASSES) },
      pred_boxes: { dims: [1, QUERIES, 4], data: part(data, CLASSES + 4, 0, 4) },
    }),
    read: (fields) => ({ ...bestClass(fields.slice(4).map(sigmoid)), box: centred(fields) }),
    isSuppressed: true,
    scores: [4, CLASSES],
    boxField: 1,
  },
  {
    name: 'RT-DETR in one output',
    rows: QUERIES,
    fields: [...times(4, SCORE), ...times(CLASSES, SCORE)],
    outputs: single(QUERIES, 4 + CLASSES),
    read: (fields) => ({ ...bestClass(fields.slice(4)), box: centred(fields) }),
    isSuppressed: true,
    scores: [4, CLASSES],
    boxField: 2,
  },
];

function graphOf(family: FamilyCase, data: Float32Array): Graph {
  const { inputName, outputs } = family;
  return { side: SIDE, outputs: outputs(data), ...(inputName === undefined ? {} : { inputName }) };
}

function found(family: FamilyCase, data: Float32Array): Found[] {
  return Array.from({ length: family.rows }, (_, anchor) =>
    family.read(row(data, family.fields.length, anchor), anchor),
  );
}

/** One that counts, in row `at`; nothing else does. */
function oneObject(family: FamilyCase, at: number): Float32Array {
  const fields = family.fields.length;
  const [first, count] = family.scores;
  const data = new Float32Array(family.rows * fields);
  for (let anchor = 0; anchor < family.rows; anchor += 1) {
    for (let i = 0; i < count; i += 1) {
      const areLogits = family.fields[first + i] === LOGIT;
      const isHigh = anchor === at && (!areLogits || i === 0);
      data[anchor * fields + first + i] = areLogits ? (isHigh ? 8 : -5) : isHigh ? 0.9 : 0;
    }
  }
  return data;
}

const hasCode =
  (code: InferenceError['code']) =>
  (error: InferenceError): boolean =>
    error.code === code;

describe('detection head', () => {
  for (const family of families) {
    it(`reads ${family.name}`, () => {
      let objects = 0;
      fc.assert(
        fc.property(matrix(family.rows, family.fields), (data) => {
          const actual = detect(graphOf(family, data), { ...LIMITS, ...family.options }, PLACEMENT);
          assertSameObjects(
            actual,
            expectedObjects(found(family, data), LIMITS, PLACEMENT, family.isSuppressed),
          );
          objects += actual.length;
        }),
        { numRuns: 40 },
      );
      assert.ok(objects > 0);
    });

    it(`refuses numbers that are none in what counts, in ${family.name}`, () => {
      const fields = family.fields.length;
      fc.assert(
        fc.property(
          fc.nat(family.rows - 1),
          fc.constantFrom(family.scores[0], family.boxField),
          fc.constantFrom(NaN, Infinity),
          (at, field, bad) => {
            const data = oneObject(family, at);
            data[at * fields + field] = bad;
            const options = { ...LIMITS, ...family.options };
            assert.throws(
              () => detect(graphOf(family, data), options, PLACEMENT),
              hasCode('SCORE_NOT_FINITE'),
            );
          },
        ),
        { numRuns: 20 },
      );
    });

    it(`passes over boxes that are none where nothing counts, in ${family.name}`, () => {
      const data = oneObject(family, -1);
      data[family.boxField] = NaN;
      const options = { ...LIMITS, ...family.options };
      assert.deepEqual(detect(graphOf(family, data), options, PLACEMENT), []);
    });
  }

  it('finds NaN in any class of YOLOv8, also before a better one', () => {
    for (const format of ['yolov8', 'yolox'] as const) {
      for (const at of [0, 1, 2]) {
        const fields = format === 'yolov8' ? 4 + CLASSES : 5 + CLASSES;
        const data = new Float32Array(CELLS * fields).fill(0.9);
        data[5 * fields + fields - CLASSES + at] = NaN;
        const graph = { side: SIDE, outputs: { output: { dims: [1, CELLS, fields], data } } };
        assert.throws(() => detect(graph, { format }, PLACEMENT), hasCode('SCORE_NOT_FINITE'));
      }
    }
  });

  it('gives no more than the objects asked for, the best', () => {
    const family = families[1] as FamilyCase;
    fc.assert(
      fc.property(matrix(family.rows, family.fields), fc.integer({ min: 1, max: 5 }), (data, maxObjects) => {
        const limits = { ...LIMITS, maxObjects };
        const actual = detect(graphOf(family, data), limits, PLACEMENT);
        assertSameObjects(actual, expectedObjects(found(family, data), limits, PLACEMENT));
      }),
      { numRuns: 40 },
    );
  });

  it('counts everything from a threshold of 0 on', () => {
    const data = new Float32Array(7 * CELLS);
    // four by four pixels, eight apart, so that none overlaps another
    for (let anchor = 0; anchor < CELLS; anchor += 1) {
      data.set([8 * (anchor % 4) + 4, 5 * Math.floor(anchor / 4) + 2, 4, 4], anchor * 7);
    }
    const graph = { side: SIDE, outputs: { output: { dims: [1, CELLS, 7], data } } };
    const objects = detect(graph, { format: 'yolov8', confidence: 0 }, PLACEMENT);
    assert.equal(objects.length, CELLS);
  });

  it('forgets the picture before', () => {
    const family = families[1] as FamilyCase;
    fc.assert(
      fc.property(matrix(family.rows, family.fields), matrix(family.rows, family.fields), (first, second) => {
        const graph = graphOf(family, first);
        const output = graph.outputs['output0'] as Output;
        const head = prepare(graph, LIMITS);
        head.read(graph.outputs, PLACEMENT);
        const next = head.read({ output0: { ...output, data: transposed(second, 7) } }, PLACEMENT);
        assertSameObjects(next, expectedObjects(found(family, second), LIMITS, PLACEMENT));
      }),
      { numRuns: 20 },
    );
  });

  it('keeps every box inside the frame', () => {
    const family = families[1] as FamilyCase;
    const placements = fc.record({
      scaleX: fc.double({ min: 0.1, max: 9, noNaN: true }),
      scaleY: fc.double({ min: 0.1, max: 9, noNaN: true }),
      frameWidth: fc.integer({ min: 1, max: 200 }),
      frameHeight: fc.integer({ min: 1, max: 200 }),
    });
    fc.assert(
      fc.property(matrix(family.rows, family.fields), placements, (data, placement) => {
        const objects = detect(graphOf(family, data), LIMITS, placement);
        assertSameObjects(objects, expectedObjects(found(family, data), LIMITS, placement));
        for (const { box } of objects) {
          const [x, y, width, height] = box;
          assert.ok(x >= 0 && y >= 0 && width > 0 && height > 0);
          assert.ok(x + width <= placement.frameWidth + 1e-9 && y + height <= placement.frameHeight + 1e-9);
        }
      }),
      { numRuns: 40 },
    );
  });

  for (const fit of ['letterbox', 'stretch'] satisfies Fit[]) {
    it(`puts boxes where they are in a picture that was made to fit by ${fit}`, () => {
      const [frameWidth, frameHeight] = [200, 100];
      const picture = {
        data: Buffer.alloc(frameWidth * frameHeight * 3),
        width: frameWidth,
        height: frameHeight,
      };
      const { scaleX, scaleY } = resizeRgb(picture, { width: SIDE, height: SIDE, fit });
      const bottom = fit === 'letterbox' ? SIDE / 2 : SIDE;
      const rows = [
        [0, 0, SIDE, bottom, 0.9, 0],
        [SIDE / 2, bottom / 2, SIDE, bottom, 0.8, 1],
        // of what is outside the picture nothing is left
        [0, bottom, SIDE, bottom + 16, 0.7, 2],
      ];
      const graph = {
        side: SIDE,
        outputs: { output0: { dims: [1, 3, 6], data: Float32Array.from(rows.flat()) } },
      };
      const objects = detect(graph, {}, { scaleX, scaleY, frameWidth, frameHeight });
      assert.deepEqual(
        objects.map(({ box }) => box),
        [
          [0, 0, 200, 100],
          [100, 50, 100, 50],
        ],
      );
    });
  }

  it('says what it reads where the outputs are something else', () => {
    const wrong: [Record<string, Output>, Partial<DetectOptions>][] = [
      [{ output: { dims: [1, 4, CELLS], data: new Float32Array(4 * CELLS) } }, { format: 'yolov8' }],
      [{ output: { dims: [1, 20, 8], data: new Float32Array(160) } }, { format: 'yolox' }],
      [{ output: { dims: [1, 20, 40], data: new Float32Array(800) } }, { format: 'nanodet' }],
      [{ output: { dims: [1, 20, 40], data: new Float32Array(800) } }, { format: 'ssd' }],
      [{ output: { dims: [2, 7, CELLS], data: new Float32Array(14 * CELLS) } }, {}],
      [{ output: { dims: [1, 7, CELLS], data: new Float32Array(7 * CELLS) } }, { output: 'other' }],
      [{ output: { dims: [1, 3, 8, 8], data: new Float32Array(192) } }, {}],
      [
        {
          boxes: { dims: [1, 9, 4], data: new Float32Array(36) },
          scores: { dims: [1, 8], data: new Float32Array(8) },
          labels: { dims: [1, 9], data: new Float32Array(9) },
        },
        {},
      ],
      [
        {
          logits: { dims: [1, 9, 4], data: new Float32Array(36) },
          pred_boxes: { dims: [1, 8, 4], data: new Float32Array(32) },
        },
        {},
      ],
    ];
    for (const [outputs, options] of wrong) {
      assert.throws(
        () => detect({ side: SIDE, outputs }, options, PLACEMENT),
        (error: InferenceError) => {
          assert.equal(error.code, 'MODEL_OUTPUT_UNSUPPORTED');
          assert.match(error.hint ?? '', /1×N×\(5\+C\)/);
          return true;
        },
      );
    }
  });

  it('heeds how many detections TensorFlow counts', () => {
    const outputs = {
      detection_boxes: {
        dims: [1, 3, 4],
        data: Float32Array.from({ length: 12 }, (_, i) => (i % 4 < 2 ? 0 : 1)),
      },
      detection_classes: { dims: [1, 3], data: Float32Array.of(1, 2, 3) },
      detection_scores: { dims: [1, 3], data: Float32Array.of(0.9, 0.8, 0.7) },
      num_detections: { dims: [1], data: Float32Array.of(2) },
    };
    const objects = detect({ side: SIDE, outputs }, { labels: ['', 'nut', 'bolt'] }, PLACEMENT);
    assert.deepEqual(
      objects.map(({ index, label }) => [index, label]),
      [
        [1, 'nut'],
        [2, 'bolt'],
      ],
    );
  });
});
