/**
 * What teaching computes, from the features of good parts: what the heads remember of them, the graph
 * that scores with it, and the scores that good parts get from heads that have not seen them.
 *
 * The scores come from five folds: each part is scored by a head fitted to the other four fifths.
 * Scores of parts against their own bank are too low: at α = 0.10 they made thresholds that rejected
 * 38–100 % of fresh good parts, while five-fold scores matched fresh ones within 1–4 %.
 *
 * Parts learned from corrections only teach. They are the ones that were rejected, no random sample: among the
 * scores that calibrate they would raise the threshold with every one that is learned. All scores that
 * calibrate are made anew after each change, with what was learned in every head.
 */
import type { Backbone, Features, Grid } from './backbone.ts';
import { asked, candidateOf, ranked, reasonFor, type Candidate } from './choice.ts';
import { scoreOutOfFold, type FoldScores, type PaintedPart } from './folds.ts';
import { activePatches, headOf, scoreFeatures, type HeadShape } from './heads/head.ts';
import { METHODS, type Method } from './method.ts';
import {
  basesOf,
  distancesOf,
  fitHeads,
  grownHeads,
  readMemory,
  shrunkHeads,
  rememberedPatches,
  writeMemory,
  type HeadMemory,
  type TeachingMemory,
} from './heads/memory.ts';
import type { BankOptions } from './heads/patch-nn.ts';
import { appendToModel } from './onnx-graph.ts';
import { regionsOf, type Tiling } from './tiles.ts';

/** Features are held up to this size while teaching. */
const MAX_FEATURE_BYTES = 400e6;

export type TeachingStage = 'features' | 'folds' | 'bank' | 'saving';

export interface TeachingProgress {
  stage: TeachingStage;
  done: number;
  total: number;
}

export interface TeachingInput {
  /** One per good part. */
  features: readonly Features[];
  /** Of good parts learned from corrections: they teach and do not calibrate. */
  learned?: readonly Features[];
  grid: Grid;
  backbone: Backbone;
  method: Method | 'auto';
  seed: number;
  /** Patches in the bank, of each tile where there are tiles. */
  coresetSize: number;
  /** One byte for each patch, row by row; 0 where nobody looks. */
  mask?: Uint8Array;
  /** For large parts: each tile has a bank of its own. */
  tiles?: Tiling;
  /** What `auto` chooses by. */
  painted?: readonly PaintedPart[];
  onProgress: (progress: TeachingProgress) => void;
}

/** What `extendTeaching` takes: a model learns parts and forgets others without being taught from scratch. */
export interface Extension {
  /** Of the teaching to extend. */
  memory: Buffer;
  backbone: Backbone;
  /** Of all its parts, in the order of `Teaching.scores`. */
  features: readonly Features[];
  /** Features of good parts to learn: they teach and do not calibrate. */
  add: readonly Features[];
  /** Parts to forget, by their index in `Teaching.scores`. The others keep their order, the added follow. */
  remove: readonly number[];
  onProgress: (progress: TeachingProgress) => void;
}

export interface Teaching {
  /** Backbone and head in one ONNX graph: `image` in; `score`, `map` and `embedding` out. */
  graph: Buffer;
  method: Method;
  /** A sentence that says why this method. */
  why: string;
  /** What was compared, best first; empty where there was nothing to choose. */
  candidates: Candidate[];
  /**
   * In the order of the parts: out-of-fold; of the {@link learned}, which are the last, what each had before it
   * was known.
   */
  scores: number[];
  /** How many were learned from corrections. */
  learned: number;
  /** Patches of good parts in the graph; 0 for `padim`, which keeps sums. */
  bankSize: number;
  /** What extending needs. */
  memory: Buffer;
}

/** Good parts whose features fit into memory while teaching: 996 of our own backbone at 224×224. */
export function partsInMemory({ channels, grid }: HeadShape): number {
  return Math.max(1, Math.floor(MAX_FEATURE_BYTES / (4 * channels * grid.columns * grid.rows)));
}

/**
 * Deterministic by seed and order of the parts. Gives the event loop a turn between folds.
 *
 * `auto` without painted parts is `patch-nn`.
 */
export async function teachFromFeatures(input: TeachingInput): Promise<Teaching> {
  const { features, learned = [], grid, backbone, seed, coresetSize, mask, tiles, onProgress } = input;
  const { painted = [] } = input;
  const shape: HeadShape = { channels: backbone.channels, grid, ...(mask === undefined ? {} : { mask }) };
  const set = { ...shape, parts: features };
  const options = {
    size: coresetSize,
    seed,
    ...(tiles === undefined ? {} : { regions: regionsOf(tiles, grid) }),
  };
  const isChoice = input.method === 'auto' && painted.length > 0;
  const methods = isChoice ? METHODS : [input.method === 'auto' ? 'patch-nn' : input.method];
  const { scores, spreads } = await scoreOutOfFold(set, {
    ...options,
    methods,
    painted: isChoice ? painted : [],
    learned,
    onFold: (done, total) => onProgress({ stage: 'folds', done, total }),
  });
  const scoresOf = (method: Method): FoldScores => scores.get(method) as FoldScores;
  const candidates = isChoice
    ? ranked(methods.map((method) => candidateOf(method, scoresOf(method), painted)))
    : [];
  const method = candidates[0]?.method ?? methods[0];
  onProgress({ stage: 'bank', done: 0, total: 1 });
  const fitted = await fitHeads(set, basesOf(method), options);
  if (method === 'z-sum' && spreads !== undefined) fitted.spreads = spreads;
  const first = await scoresBy(shape, method, fitted, options, learned);
  const heads = await grownHeads(shape, fitted, { first: features.length, add: learned }, options);
  onProgress({ stage: 'bank', done: 1, total: 1 });
  const outOfFold = scoresOf(method).good.map(({ score }) => score);
  const memory = {
    method,
    shape,
    options,
    scores: [...outOfFold, ...first],
    learned: learned.length,
    heads,
  };
  return {
    ...finished(backbone, memory),
    why: input.method === 'auto' ? reasonFor(candidates, painted.length) : asked(method),
    candidates,
  };
}

async function scoresBy(
  shape: HeadShape,
  method: Method,
  heads: HeadMemory,
  options: BankOptions,
  parts: readonly Features[],
): Promise<number[]> {
  if (parts.length === 0) return [];
  const found = await scoreFeatures(shape, distancesOf(shape, method, heads, options), parts);
  return found.map(({ score }) => score);
}

function finished(
  backbone: Backbone,
  memory: TeachingMemory,
): Pick<Teaching, 'graph' | 'method' | 'scores' | 'learned' | 'bankSize' | 'memory'> {
  const { method, shape, options, scores, learned, heads } = memory;
  return {
    graph: appendToModel(backbone.bytes, headOf(shape, distancesOf(shape, method, heads, options))),
    method,
    scores,
    learned,
    bankSize: rememberedPatches(heads, activePatches(shape).length),
    memory: writeMemory(memory),
  };
}

/**
 * Learns and forgets parts: banks take what they do not cover of the added, lose what they held of the removed
 * and fill up from the rest; Gaussians add and subtract. The method stays. All parts that calibrate are scored
 * anew, by heads that know what was learned and not the part itself.
 *
 * @throws AnomalyError `MODEL_INVALID` where the memory cannot be read
 */
export async function extendTeaching(input: Extension): Promise<Teaching> {
  const { backbone, features, add, onProgress } = input;
  const { method, shape, options, scores, heads, ...before } = readMemory(input.memory);
  const remove = new Set(input.remove);
  const stays = [...scores.keys()].filter((part) => !remove.has(part));
  const sample = stays.filter((part) => part < scores.length - before.learned);
  const learned = stays.slice(sample.length);
  const featuresOf = (part: number): Features => features[part] as Features;
  const first = await scoresBy(shape, method, heads, options, add);
  const outOfFold = await scoreOutOfFold(
    { ...shape, parts: sample.map(featuresOf) },
    {
      ...options,
      methods: [method],
      painted: [],
      learned: [...learned.map(featuresOf), ...add],
      ...(heads.spreads === undefined ? {} : { spreads: heads.spreads }),
      onFold: (done, total) => onProgress({ stage: 'folds', done, total }),
    },
  );
  const { good } = outOfFold.scores.get(method) as FoldScores;
  onProgress({ stage: 'bank', done: 0, total: 1 });
  const shrunk = await shrunkHeads(shape, heads, { known: features, remove }, options);
  const changed = await grownHeads(shape, shrunk, { first: stays.length, add }, options);
  onProgress({ stage: 'bank', done: 1, total: 1 });
  return {
    ...finished(backbone, {
      method,
      shape,
      options,
      scores: [...good.map(({ score }) => score), ...learned.map((part) => scores[part] as number), ...first],
      learned: learned.length + add.length,
      heads: changed,
    }),
    why: `${add.length} parts were learned and ${remove.size} forgotten by a model that was taught before.`,
    candidates: [],
  };
}
