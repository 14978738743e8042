import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Frame } from '../../../../lib/frame/frame.ts';
import type { InferenceError } from '../../../../lib/inference/errors.ts';
import {
  intersectionOverUnion,
  planDetect,
  suppress,
  yoloxGrid,
  type Candidate,
  type ObjectPrediction,
} from '../../../../lib/inference/heads/detect.ts';
import type { DetectOptions } from '../../../../lib/inference/heads/head.ts';
import { acquireHost } from '../../../../lib/inference/host.ts';
import { resolveInput } from '../../../../lib/inference/input.ts';
import { readModel } from '../../../../lib/inference/model.ts';
import type { ValueDescription } from '../../../../lib/inference/protocol.ts';
import { requirePath, shared } from '../../../support/shared.ts';

const SIDE = 64;
const PLACEMENT = { scaleX: 2, scaleY: 3, frameWidth: SIDE * 2, frameHeight: SIDE * 3 };

function detect(dims: [number, number, number], data: Float32Array, options: Partial<DetectOptions> = {}) {
  const inputs: ValueDescription[] = [{ name: 'x', type: 'float32', shape: [1, 3, SIDE, SIDE] }];
  const outputs: ValueDescription[] = [{ name: 'y', type: 'float32', shape: dims }];
  const plan = planDetect({ task: 'detect', ...options }, { inputs, outputs });
  const recipe = resolveInput(inputs, {}, plan.input);
  const result = plan.bind(recipe).read({ y: { dims, data } }, PLACEMENT);
  return { recipe, objects: result.prediction['objects'] as ObjectPrediction[] };
}

interface Row {
  box: [number, number, number, number];
  objectness: number;
  classes: number[];
}

/** As the papers write it: one anchor after the other, plain arrays, every pair compared. */
function reference(rows: Row[], isGrid: boolean, confidence: number, iou: number): ObjectPrediction[] {
  const cells: [number, number, number][] = [];
  for (const stride of [8, 16, 32]) {
    for (let row = 0; row < SIDE / stride; row += 1) {
      for (let column = 0; column < SIDE / stride; column += 1) cells.push([column, row, stride]);
    }
  }
  const found = rows.map(({ box, objectness, classes }, anchor) => {
    const index = classes.indexOf(Math.max(...classes));
    const score = (classes[index] as number) * (isGrid ? objectness : 1);
    let [x, y, w, h] = box;
    if (isGrid) {
      const [column, row, stride] = cells[anchor] as [number, number, number];
      [x, y, w, h] = [(x + column) * stride, (y + row) * stride, Math.exp(w) * stride, Math.exp(h) * stride];
    }
    return { index, score, x1: x - w / 2, y1: y - h / 2, x2: x + w / 2, y2: y + h / 2 };
  });
  const sorted = found.filter(({ score }) => score >= confidence).sort((a, b) => b.score - a.score);
  const kept: Candidate[] = [];
  for (const next of sorted) {
    if (!kept.some((other) => other.index === next.index && intersectionOverUnion(other, next) > iou))
      kept.push(next);
  }
  const clamp = (value: number, high: number): number => Math.min(Math.max(value, 0), high);
  return kept.flatMap(({ index, score, x1, y1, x2, y2 }) => {
    const [left, top] = [clamp(x1 * 2, SIDE * 2), clamp(y1 * 3, SIDE * 3)];
    const [width, height] = [clamp(x2 * 2, SIDE * 2) - left, clamp(y2 * 3, SIDE * 3) - top];
    if (width <= 0 || height <= 0) return [];
    return [{ index, label: String(index), score, box: [left, top, width, height] }];
  });
}

/** Anchors of the three grids of a 64 × 64 input: 64 + 16 + 4. */
const ANCHORS = 84;
const CLASSES = 3;

const single = (min: number, max: number): fc.Arbitrary<number> =>
  fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });

function rows(box: fc.Arbitrary<[number, number, number, number]>): fc.Arbitrary<Row[]> {
  const row = fc.record({
    box,
    objectness: single(0, 1),
    classes: fc.array(single(0, 1), { minLength: CLASSES, maxLength: CLASSES }),
  });
  return fc.array(row, { minLength: ANCHORS, maxLength: ANCHORS });
}

const offsets = fc.tuple(single(-2, 3), single(-2, 3), single(-2, 3), single(-2, 3));
const pixels = fc.tuple(single(0, 64), single(0, 64), single(0, 64), single(0, 64));

function close(actual: ObjectPrediction[], expected: ObjectPrediction[]): void {
  assert.deepEqual(
    actual.map(({ index, label }) => ({ index, label })),
    expected.map(({ index, label }) => ({ index, label })),
  );
  actual.forEach(({ score, box }, i) => {
    const other = expected[i] as ObjectPrediction;
    assert.ok(Math.abs(score - other.score) < 1e-6);
    box.forEach((side, axis) => assert.ok(Math.abs(side - (other.box[axis] as number)) < 1e-3));
  });
}

describe('detection head', () => {
  const limits = { confidence: 0.4, iou: 0.45, maxObjects: 1000 };

  it('decodes the grids of YOLOX as the paper writes it', () => {
    fc.assert(
      fc.property(rows(offsets), (list) => {
        const data = Float32Array.from(
          list.flatMap(({ box, objectness, classes }) => [...box, objectness, ...classes]),
        );
        const { objects } = detect([1, ANCHORS, 5 + CLASSES], data, limits);
        close(objects, reference(list, true, limits.confidence, limits.iou));
      }),
      { numRuns: 30 },
    );
  });

  for (const isTransposed of [false, true]) {
    it(`decodes YOLOv8 ${isTransposed ? 'by anchor' : 'by column'}`, () => {
      fc.assert(
        fc.property(rows(pixels), (list) => {
          const fields = list.map(({ box, classes }) => [...box, ...classes]);
          const columns = Array.from({ length: 4 + CLASSES }, (_, field) =>
            fields.map((row) => row[field] as number),
          );
          const data = Float32Array.from((isTransposed ? fields : columns).flat());
          const dims: [number, number, number] = isTransposed
            ? [1, ANCHORS, 4 + CLASSES]
            : [1, 4 + CLASSES, ANCHORS];
          const { objects } = detect(dims, data, { ...limits, format: 'yolov8' });
          close(objects, reference(list, false, limits.confidence, limits.iou));
        }),
        { numRuns: 30 },
      );
    });
  }

  it('knows what each family was trained to see', () => {
    const yolox = detect([1, ANCHORS, 8], new Float32Array(ANCHORS * 8)).recipe;
    assert.deepEqual([yolox.colour, yolox.scale, yolox.fit], ['bgr', 1, 'letterbox']);
    const yolov8 = detect([1, 7, ANCHORS], new Float32Array(ANCHORS * 7)).recipe;
    assert.deepEqual([yolov8.colour, yolov8.scale, yolov8.fit], ['rgb', 1 / 255, 'letterbox']);
  });

  it('keeps no two boxes of a class that overlap too much, and the best of every heap', () => {
    const candidate = fc
      .record({
        x: fc.nat(50),
        y: fc.nat(50),
        w: fc.integer({ min: 1, max: 30 }),
        h: fc.integer({ min: 1, max: 30 }),
        score: single(0, 1),
        index: fc.nat(2),
      })
      .map(({ x, y, w, h, ...rest }): Candidate => ({ x1: x, y1: y, x2: x + w, y2: y + h, ...rest }));
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 60 }), (candidates) => {
        const kept = suppress(candidates, 0.5, 1000);
        const overlaps = (a: Candidate, b: Candidate): boolean =>
          a.index === b.index && intersectionOverUnion(a, b) > 0.5;
        for (const one of kept) assert.ok(!kept.some((other) => other !== one && overlaps(one, other)));
        for (const gone of candidates.filter((one) => !kept.includes(one))) {
          assert.ok(kept.some((other) => other.score >= gone.score && overlaps(other, gone)));
        }
      }),
    );
  });

  it('refuses scores that are not numbers instead of finding nothing', () => {
    const data = new Float32Array(7 * ANCHORS).fill(NaN);
    for (const dims of [
      [1, 7, ANCHORS],
      [1, ANCHORS, 7],
    ] as const) {
      assert.throws(
        () => detect([...dims], data, { format: 'yolov8' }),
        (error: InferenceError) => error.code === 'SCORE_NOT_FINITE',
      );
    }
  });

  it('has one cell for every anchor of a 416 × 416 YOLOX', () => {
    assert.equal(yoloxGrid(416, 416).length / 3, 3549);
  });

  it('finds the cube in the picture, in pixels of the picture', async function () {
    const path = shared('data', 'models', 'yolox_nano.onnx');
    const image = shared('data', 'images', 'anomalib_dobot_cubes', 'normal', 'input_20230210130546.jpg');
    requirePath(this, path, 'yolox_nano.onnx');
    requirePath(this, image, 'a picture of a cube');
    const host = acquireHost('cpu');
    try {
      const head = { task: 'detect', confidence: 0.4 } as const;
      const model = await host.load(await readModel(path), { providers: ['cpu'], head });
      const frame = new Frame(readFileSync(image), {
        width: 640,
        height: 480,
        format: 'jpeg',
        source: 'test',
      });
      const objects = (await model.run(frame)).prediction['objects'] as ObjectPrediction[];
      assert.equal(objects.length, 1);
      const [x, y, width, height] = (objects[0] as ObjectPrediction).box;
      const corners = (left: number, top: number, w: number, h: number): Candidate => ({
        x1: left,
        y1: top,
        x2: left + w,
        y2: top + h,
        score: 1,
        index: 0,
      });
      // the outline of the cube and its suction cup, read off the picture by eye
      const overlap = intersectionOverUnion(corners(x, y, width, height), corners(236, 157, 208, 207));
      assert.ok(overlap > 0.85, `it overlaps the cube by ${overlap}`);
    } finally {
      await host.release();
    }
  });
});
