/**
 * Detection as the papers write it, slow and plain: one anchor after the other, an object for each,
 * every pair compared. What the head does has to come out the same.
 */
import assert from 'node:assert/strict';
import { planDetect, type ObjectPrediction } from '../../../../lib/inference/heads/detect.ts';
import type { DetectOptions, OutputTensor, Placement } from '../../../../lib/inference/heads/head.ts';
import { resolveInput, type InputRecipe } from '../../../../lib/inference/graph/input.ts';
import type { ValueDescription } from '../../../../lib/inference/host/protocol.ts';

type Box = [x1: number, y1: number, x2: number, y2: number];

export interface Found {
  score: number;
  index: number;
  /** Pixels of the input. */
  box: Box;
}

export interface Limits {
  confidence: number;
  iou: number;
  maxObjects: number;
}

export function boxAround(x: number, y: number, width: number, height: number): Box {
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
}

/** The first of the highest. */
export function bestClass(scores: readonly number[]): { index: number; score: number } {
  const score = Math.max(...scores);
  return { index: scores.indexOf(score), score };
}

/** Column, row and stride of every cell. */
export function cells(side: number, strides: readonly number[]): [number, number, number][] {
  const list: [number, number, number][] = [];
  for (const stride of strides) {
    for (let row = 0; row < side / stride; row += 1) {
      for (let column = 0; column < side / stride; column += 1) list.push([column, row, stride]);
    }
  }
  return list;
}

/** Row `anchor` of a matrix of so many columns; `isTransposed` where the columns lie one after the other. */
export function row(data: Float32Array, fields: number, anchor: number, isTransposed = false): number[] {
  const anchors = data.length / fields;
  return Array.from(
    { length: fields },
    (_, field) => data[isTransposed ? field * anchors + anchor : anchor * fields + field] as number,
  );
}

export function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box): number => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(a) + area(b) - width * height);
}

export function suppressed(found: readonly Found[], iou: number): Found[] {
  const kept: Found[] = [];
  for (const next of found) {
    if (!kept.some((other) => other.index === next.index && overlap(other.box, next.box) > iou))
      kept.push(next);
  }
  return kept;
}

/** Threshold, suppression unless the graph has done it, and the way back to the frame. */
export function expectedObjects(
  all: readonly Found[],
  { confidence, iou, maxObjects }: Limits,
  placement: Placement,
  isSuppressed = false,
): ObjectPrediction[] {
  const { scaleX, scaleY, frameWidth, frameHeight } = placement;
  const counting = all
    .map((found) => ({ ...found, score: Math.fround(found.score) }))
    .filter(({ score }) => score >= confidence)
    .sort((a, b) => b.score - a.score);
  const kept = (isSuppressed ? counting : suppressed(counting, iou)).slice(0, maxObjects);
  return kept.flatMap(({ index, score, box }) => {
    const left = Math.max(0, Math.min(box[0] * scaleX, frameWidth));
    const top = Math.max(0, Math.min(box[1] * scaleY, frameHeight));
    const right = Math.max(0, Math.min(box[2] * scaleX, frameWidth));
    const bottom = Math.max(0, Math.min(box[3] * scaleY, frameHeight));
    if (right <= left || bottom <= top) return [];
    return [{ index, label: String(index), score, box: [left, top, right - left, bottom - top] }];
  });
}

export interface Output extends OutputTensor {
  type?: string;
  /** What the graph says of it where it leaves something open. */
  shape?: (number | string)[];
}

export interface Graph {
  side: number;
  inputName?: string;
  outputs: Record<string, Output>;
}

export interface PreparedHead {
  recipe: InputRecipe;
  read(outputs: Graph['outputs'], placement: Placement): ObjectPrediction[];
}

/** The head bound to a graph, as a session does it. */
export function prepare(
  { side, inputName = 'images', outputs }: Graph,
  options: Partial<DetectOptions>,
): PreparedHead {
  const inputs: ValueDescription[] = [{ name: inputName, type: 'float32', shape: [1, 3, side, side] }];
  const described = Object.entries(outputs).map(([name, { type = 'float32', dims, shape }]) => ({
    name,
    type,
    shape: shape ?? [...dims],
  }));
  const plan = planDetect({ task: 'detect', ...options }, { inputs, outputs: described });
  const recipe = resolveInput(inputs, {}, plan.input);
  const head = plan.bind(recipe);
  return {
    recipe,
    read: (given, placement) => {
      const fetched = Object.fromEntries(head.outputs.map((name) => [name, given[name] as Output]));
      return head.read(fetched, placement).prediction['objects'] as ObjectPrediction[];
    },
  };
}

export function detect(
  graph: Graph,
  options: Partial<DetectOptions>,
  placement: Placement,
): ObjectPrediction[] {
  return prepare(graph, options).read(graph.outputs, placement);
}

export function assertSameObjects(
  actual: readonly ObjectPrediction[],
  expected: readonly ObjectPrediction[],
  pixels = 1e-3,
  scores = 1e-6,
): void {
  assert.deepEqual(
    actual.map(({ index, label }) => ({ index, label })),
    expected.map(({ index, label }) => ({ index, label })),
  );
  actual.forEach(({ score, box }, i) => {
    const other = expected[i] as ObjectPrediction;
    assert.ok(Math.abs(score - other.score) <= scores, `${score} is not ${other.score}`);
    box.forEach((side, axis) => {
      const wanted = other.box[axis] as number;
      assert.ok(Math.abs(side - wanted) <= pixels, `side ${axis}: ${side} is not ${wanted}`);
    });
  });
}
