/**
 * What a detection head costs, from raw output to objects: threshold, decoding, suppression. Outputs
 * as large as those of models for COCO at 640 × 640, with 300 anchors over the threshold in heaps of
 * ten around each object, as detectors give them; and the worst case, where everything is over it
 * and nothing overlaps.
 *
 *     node bench/heads.ts [--rounds N] [--json FILE]
 */
import { parseArgs } from 'node:util';
import { planDetect } from '../lib/inference/heads/detect.ts';
import { gridCells, STRIDES } from '../lib/inference/heads/detect/grid.ts';
import type { DetectOptions, Head, Outputs } from '../lib/inference/heads/head.ts';
import { resolveInput } from '../lib/inference/graph/input.ts';
import { quantile, report, type Figure } from './figures.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '300' }, json: { type: 'string' } },
});
const rounds = Number(values.rounds);

const SIDE = 640;
const CLASSES = 80;
const CELLS = 8400;
const BACKGROUND = 0.02;
const PLACEMENT = { scaleX: 3, scaleY: 1.6875, frameWidth: 1920, frameHeight: 1080 };

/** Repeatable, 0…1. */
function numbers(): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Scene {
  /** Anchors that are hit. */
  hits: Set<number>;
  /** Class of each anchor, ten in a row the same. */
  classOf(anchor: number): number;
}

function scene(anchors: number, count: number): Scene {
  const hits = new Set<number>();
  const step = Math.max(10, Math.floor((anchors / count) * 10));
  for (let start = 0; hits.size < count && start < anchors; start += step) {
    for (let i = start; i < Math.min(start + 10, anchors) && hits.size < count; i += 1) hits.add(i);
  }
  return { hits, classOf: (anchor) => Math.floor(anchor / 10) % CLASSES };
}

type Fill = (anchor: number, field: number, isHit: boolean) => number;

interface Case {
  id: string;
  detail: string;
  goal: number | null;
  dims: [number, number, number];
  isByAnchor: boolean;
  count: number;
  options: Partial<DetectOptions>;
  fill: Fill;
}

const random = numbers();

/** Score of a class: of the scene's class when hit, else what the background gives. */
function classScore(anchor: number, index: number, isHit: boolean): number {
  return isHit && Math.floor(anchor / 10) % CLASSES === index ? 0.4 + 0.5 * random() : BACKGROUND * random();
}

/** Centre and size in pixels, ten neighbours around one object. */
function pixelBox(anchor: number, field: number): number {
  const object = Math.floor(anchor / 10);
  if (field > 1) return 40 + 2 * random();
  return (field === 0 ? (object * 53) % SIDE : (object * 97) % SIDE) + 3 * random();
}

const fills = {
  yolov8: (a, f, hit) => (f < 4 ? pixelBox(a, f) : classScore(a, f - 4, hit)),
  yolov5: (a, f, hit) => {
    if (f < 4) return pixelBox(a, f);
    if (f === 4) return hit ? 1 : BACKGROUND * random();
    return classScore(a, f - 5, hit);
  },
  yolox: (a, f, hit) => {
    if (f < 4) return f < 2 ? random() : 1.5 + 0.1 * random();
    if (f === 4) return hit ? 1 : BACKGROUND * random();
    return classScore(a, f - 5, hit);
  },
  nanodet: (a, f, hit) => (f < CLASSES ? classScore(a, f, hit) : 4 * random()),
  endToEnd: (a, f, hit) => {
    if (f < 4) return (f < 2 ? 100 : 160) + (a % 100);
    return f === 4 ? (hit ? 0.9 : 0.01) : a % CLASSES;
  },
} satisfies Record<string, Fill>;

/** Every anchor over the threshold, one class, boxes that do not touch. */
const apart: Fill = (anchor, field) => {
  if (field > 3) return field === 4 ? 0.4 + 0.5 * random() : 0;
  if (field > 1) return 4;
  return field === 0 ? (anchor % 92) * 6.9 : Math.floor(anchor / 92) * 6.9;
};

const NANODET_CELLS = gridCells(SIDE, SIDE, STRIDES.p6).length / 3;
const goal = 1;
const usual = { isByAnchor: true, count: 300, options: {}, goal };
const cases: Case[] = [
  { ...usual, id: 'yolov8', detail: '', dims: [1, 84, CELLS], isByAnchor: false, fill: fills.yolov8 },
  {
    ...usual,
    id: 'yolov8Transposed',
    detail: '',
    dims: [1, CELLS, 84],
    options: { format: 'yolov8' },
    fill: fills.yolov8,
  },
  { ...usual, id: 'yolox', detail: '', dims: [1, CELLS, 85], fill: fills.yolox },
  { ...usual, id: 'yolov5', detail: '', dims: [1, 3 * CELLS, 85], goal: null, fill: fills.yolov5 },
  { ...usual, id: 'nanodet', detail: '', dims: [1, NANODET_CELLS, CLASSES + 32], fill: fills.nanodet },
  { ...usual, id: 'endToEnd', detail: '', dims: [1, 300, 6], fill: fills.endToEnd },
  {
    ...usual,
    id: 'yolov8.3000',
    detail: 'over the threshold',
    dims: [1, 84, CELLS],
    isByAnchor: false,
    count: 3000,
    goal: null,
    fill: fills.yolov8,
  },
  {
    ...usual,
    id: 'yolov8.worst',
    detail: 'of one class, apart',
    dims: [1, 84, CELLS],
    isByAnchor: false,
    count: CELLS,
    goal: null,
    fill: apart,
  },
];

function outputOf({ dims, isByAnchor, count, fill }: Case): Float32Array {
  const [, second, third] = dims;
  const [anchors, fields] = isByAnchor ? [second, third] : [third, second];
  const { hits } = scene(anchors, count);
  const data = new Float32Array(anchors * fields);
  for (let anchor = 0; anchor < anchors; anchor += 1) {
    for (let field = 0; field < fields; field += 1) {
      data[isByAnchor ? anchor * fields + field : field * anchors + anchor] = fill(
        anchor,
        field,
        hits.has(anchor),
      );
    }
  }
  return data;
}

interface Prepared extends Case {
  head: Head;
  outputs: Outputs;
  found: number;
  times: number[];
}

function prepare(one: Case): Prepared {
  const inputs = [{ name: 'images', type: 'float32', shape: [1, 3, SIDE, SIDE] }];
  const graph = { inputs, outputs: [{ name: 'output0', type: 'float32', shape: one.dims }] };
  const plan = planDetect({ task: 'detect', ...one.options }, graph);
  const head = plan.bind(resolveInput(inputs, {}, plan.input));
  const outputs = { output0: { dims: one.dims, data: outputOf(one) } };
  const { prediction } = head.read(outputs, PLACEMENT);
  return { ...one, head, outputs, found: (prediction['objects'] as unknown[]).length, times: [] };
}

// turn by turn, as the outputs of a run are not in the cache either
const prepared = cases.map(prepare);
for (let round = -50; round < rounds; round += 1) {
  for (const { head, outputs, times } of prepared) {
    const started = performance.now();
    head.read(outputs, PLACEMENT);
    if (round >= 0) times.push(performance.now() - started);
  }
}

const figures = prepared.flatMap(({ id, dims, count, found, times, detail, goal: wanted }): Figure[] =>
  [0.5, 0.99].map((share) => ({
    id: `heads.${id}.p${share * 100}`,
    value: quantile(times, share),
    unit: 'ms',
    goal: share === 0.5 ? wanted : null,
    better: 'lower',
    detail: `${dims.join('×')}, ${count} ${detail === '' ? 'over the threshold' : detail}, ${found} objects`,
  })),
);
report(`Detection heads, ${rounds} rounds each`, figures, values.json);
