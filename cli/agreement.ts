/**
 * How far two models say the same about the same pictures, in the terms of what they do. The first is
 * taken as the truth: no labels are needed to see what quantising changed.
 */
import type { HeadResult } from '../lib/inference/heads/head.ts';
import { mean, type Figure } from './figures.ts';

/** What both said about one picture. */
export interface Pair {
  a: Said;
  b: Said;
}

export interface Said {
  prediction: Record<string, unknown> | undefined;
  pictures: HeadResult['pictures'];
  outputs: Readonly<Record<string, { data: Float32Array }>>;
}

interface Scored {
  label: string;
  score: number;
}

interface Detected extends Scored {
  box: readonly [number, number, number, number];
}

/** Boxes of one object overlap at least so much (PASCAL VOC, Everingham et al. 2010, section 4.2). */
const SAME_OBJECT = 0.5;

export function overlap([ax, ay, aw, ah]: Detected['box'], [bx, by, bw, bh]: Detected['box']): number {
  const width = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const height = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (aw * ah + bw * bh - shared);
}

/** Pairs of boxes of one label, the surest first, each used once. */
export function matched(a: readonly Detected[], b: readonly Detected[]): [Detected, Detected][] {
  const left = new Set(b);
  const pairs: [Detected, Detected][] = [];
  for (const object of a.toSorted((one, other) => other.score - one.score)) {
    let best: Detected | undefined;
    let most = SAME_OBJECT;
    for (const candidate of left) {
      const shared = overlap(object.box, candidate.box);
      if (candidate.label === object.label && shared >= most) [best, most] = [candidate, shared];
    }
    if (best === undefined) continue;
    left.delete(best);
    pairs.push([object, best]);
  }
  return pairs;
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let [product, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    const [one, other] = [a[i] as number, b[i] ?? NaN];
    product += one * other;
    squareA += one * one;
    squareB += other * other;
  }
  return squareA === 0 && squareB === 0 ? 1 : product / Math.sqrt(squareA * squareB);
}

function figure(
  id: string,
  value: number,
  detail: string,
  better: Figure['better'] = 'higher',
  unit = '',
): Figure {
  return { id: `compare.${id}`, value, unit, goal: null, better, detail };
}

/** A field of what both said about each picture. */
function fieldOf<Value>(pairs: readonly Pair[], name: string): { a: Value; b: Value }[] {
  return pairs.map(({ a, b }) => ({ a: a.prediction?.[name] as Value, b: b.prediction?.[name] as Value }));
}

function classified(pairs: readonly Pair[]): Figure[] {
  const firsts = fieldOf<Scored[]>(pairs, 'classes').map(({ a, b }) => ({ a: a[0], b: b[0], all: b }));
  const same = firsts.filter(({ a, b }) => a?.label === b?.label).length;
  const differences = firsts.flatMap(({ a, all }) => {
    const other = all.find(({ label }) => label === a?.label);
    return a === undefined || other === undefined ? [] : [Math.abs(a.score - other.score)];
  });
  return [
    figure('agreement', same / pairs.length, `same first class on ${same} of ${pairs.length} pictures`),
    figure('score.difference', mean(differences), 'mean over pictures, of the first class', 'lower'),
  ];
}

function detected(pairs: readonly Pair[]): Figure[] {
  const objects = fieldOf<Detected[]>(pairs, 'objects');
  const matches = objects.flatMap(({ a, b }) => matched(a, b));
  const inA = objects.reduce((sum, { a }) => sum + a.length, 0);
  const inB = objects.reduce((sum, { b }) => sum + b.length, 0);
  const agreement = inA + inB === 0 ? NaN : (2 * matches.length) / (inA + inB);
  return [
    figure(
      'agreement',
      agreement,
      `${matches.length} objects matched at IoU ${SAME_OBJECT}, of ${inA} in A and ${inB} in B (F1)`,
    ),
    figure(
      'iou',
      mean(matches.map(([one, other]) => overlap(one.box, other.box))),
      'mean over matched objects',
    ),
    figure(
      'score.difference',
      mean(matches.map(([one, other]) => Math.abs(one.score - other.score))),
      'mean over matched objects',
      'lower',
    ),
  ];
}

function segmented(pairs: readonly Pair[]): Figure[] {
  const shares = pairs.flatMap(({ a, b }) => {
    const [one, other] = [a.pictures?.['mask']?.data, b.pictures?.['mask']?.data];
    if (one === undefined || other === undefined || one.length !== other.length) return [];
    return [one.reduce((same, value, index) => same + (value === other[index] ? 1 : 0), 0) / one.length];
  });
  return [
    figure('agreement', mean(shares), 'share of pixels with the same value in the mask, mean over pictures'),
  ];
}

function measured(pairs: readonly Pair[]): Figure[] {
  const values = fieldOf<{ name: string; value: number }[]>(pairs, 'values');
  const names = values[0]?.a.map(({ name }) => name) ?? [];
  return names.map((name, index) =>
    figure(
      `difference.${name}`,
      mean(values.map(({ a, b }) => Math.abs((a[index]?.value ?? NaN) - (b[index]?.value ?? NaN)))),
      'mean over pictures',
      'lower',
    ),
  );
}

function scored(pairs: readonly Pair[]): Figure[] {
  const scores = fieldOf<number>(pairs, 'score');
  const differences = scores.map(({ a, b }) => Math.abs(a - b));
  return [
    figure(
      'score.difference',
      mean(differences),
      `mean over pictures; scores of A are ${mean(scores.map(({ a }) => a)).toFixed(4)} in the mean`,
      'lower',
    ),
    figure(
      'score.order',
      rankCorrelation(
        scores.map(({ a }) => a),
        scores.map(({ b }) => b),
      ),
      'Spearman: 1 where both put the pictures in the same order',
    ),
  ];
}

/** Spearman's ρ; equal values share the mean of their ranks. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const [one, other] = [ranks(a), ranks(b)];
  const centre = (a.length - 1) / 2;
  const sum = (f: (index: number) => number): number => one.reduce((total, _, index) => total + f(index), 0);
  const covariance = sum((i) => ((one[i] as number) - centre) * ((other[i] as number) - centre));
  const spread =
    sum((i) => ((one[i] as number) - centre) ** 2) * sum((i) => ((other[i] as number) - centre) ** 2);
  return covariance / Math.sqrt(spread);
}

function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal - 1) / 2;
  });
}

/** Of every output of both; above 0.99 is what quantising well leaves. */
function similar(pairs: readonly Pair[]): Figure[] {
  const names = Object.keys(pairs[0]?.a.outputs ?? {}).filter((name) =>
    pairs.every(({ a, b }) => a.outputs[name]?.data.length === b.outputs[name]?.data.length),
  );
  return names.map((name) => {
    const cosines = pairs.map(({ a, b }) =>
      cosine(a.outputs[name]?.data ?? new Float32Array(), b.outputs[name]?.data ?? new Float32Array()),
    );
    return figure(
      `cosine.${name}`,
      mean(cosines),
      `mean over pictures, lowest ${Math.min(...cosines).toFixed(4)}`,
    );
  });
}

const BY_TASK: Readonly<Record<string, (pairs: readonly Pair[]) => Figure[]>> = {
  classify: classified,
  detect: detected,
  segment: segmented,
  regress: measured,
  'anomaly-map': scored,
};

/** Agreement in the terms of the task, and the cosine of each output. */
export function agreement(pairs: readonly Pair[]): Figure[] {
  const task = pairs[0]?.a.prediction?.['task'];
  const other = pairs[0]?.b.prediction?.['task'];
  const byTask = typeof task === 'string' && task === other ? BY_TASK[task] : undefined;
  return [...(byTask?.(pairs) ?? []), ...similar(pairs)];
}
