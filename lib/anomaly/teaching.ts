/**
 * What teaching computes, from the features of good parts: what the heads remember of them, the graph
 * that scores with it, and the scores that good parts get from heads that have not seen them.
 *
 * The scores come from five folds: each part is scored by a head fitted to the other four fifths.
 * Scores of parts against their own bank are too low: at α = 0.10 they made thresholds that rejected
 * 38–100 % of fresh good parts, while five-fold scores matched fresh ones within 1–4 %.
 */
import type { Backbone, Features, Grid } from './backbone.ts';
import { asked, candidateOf, ranked, reasonFor, type Candidate } from './choice.ts';
import { scoreOutOfFold, type FoldScores, type PaintedPart } from './folds.ts';
import { activePatches, headOf, METHODS, scoreFeatures, type HeadShape, type Method } from './heads/head.ts';
import {
  basesOf,
  changedHeads,
  distancesOf,
  fitHeads,
  readMemory,
  rememberedPatches,
  writeMemory,
  type TeachingMemory,
} from './heads/memory.ts';
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
  /** Features of good parts to learn; their scores are those they had before. */
  add: readonly Features[];
  /** Parts to forget, by their index in `Teaching.scores`. The others keep their order, the added follow. */
  remove: readonly number[];
  /** Features of a part taught before, by its index in `Teaching.scores`; asked for only when some are forgotten. */
  featuresOf: (part: number) => Promise<Features>;
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
  /** Out-of-fold, in the order of the parts. */
  scores: number[];
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
  const { features, grid, backbone, seed, coresetSize, mask, tiles, painted = [], onProgress } = input;
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
    onFold: (done, total) => onProgress({ stage: 'folds', done, total }),
  });
  const scoresOf = (method: Method): FoldScores => scores.get(method) as FoldScores;
  const candidates = isChoice
    ? ranked(methods.map((method) => candidateOf(method, scoresOf(method), painted)))
    : [];
  const method = candidates[0]?.method ?? methods[0];
  onProgress({ stage: 'bank', done: 0, total: 1 });
  const heads = await fitHeads(set, basesOf(method), options);
  if (method === 'z-sum' && spreads !== undefined) heads.spreads = spreads;
  onProgress({ stage: 'bank', done: 1, total: 1 });
  const memory = { method, shape, options, scores: scoresOf(method).good.map(({ score }) => score), heads };
  return {
    ...finished(backbone, memory),
    why: input.method === 'auto' ? reasonFor(candidates, painted.length) : asked(method),
    candidates,
  };
}

function finished(
  backbone: Backbone,
  memory: TeachingMemory,
): Pick<Teaching, 'graph' | 'method' | 'scores' | 'bankSize' | 'memory'> {
  const { method, shape, options, scores, heads } = memory;
  return {
    graph: appendToModel(backbone.bytes, headOf(shape, distancesOf(shape, method, heads, options))),
    method,
    scores,
    bankSize: rememberedPatches(heads, activePatches(shape).length),
    memory: writeMemory(memory),
  };
}

/**
 * Learns and forgets parts: banks take what they do not cover of the added, lose what they held of the removed
 * and fill up from the rest; Gaussians add and subtract. The method and the scores of all other parts stay.
 *
 * @throws AnomalyError `MODEL_INVALID` where the memory cannot be read
 */
export async function extendTeaching(input: Extension): Promise<Teaching> {
  const { backbone, add, remove, featuresOf, onProgress } = input;
  const { method, shape, options, scores, heads } = readMemory(input.memory);
  const gone = new Set(remove);
  const stays = [...scores.keys()].filter((part) => !gone.has(part));
  const places = new Map(stays.map((part, place) => [part, place]));
  onProgress({ stage: 'folds', done: 0, total: 1 });
  const fresh = await scoreFeatures(shape, distancesOf(shape, method, heads, options), add);
  onProgress({ stage: 'folds', done: 1, total: 1 });
  onProgress({ stage: 'bank', done: 0, total: 1 });
  const changed = await changedHeads(
    shape,
    heads,
    {
      add,
      stays,
      forgotten: [...scores.keys()].filter((part) => gone.has(part)),
      placeOf: (part) => places.get(part),
      featuresOf,
    },
    options,
  );
  onProgress({ stage: 'bank', done: 1, total: 1 });
  const kept = stays.map((part) => scores[part] as number);
  return {
    ...finished(backbone, {
      method,
      shape,
      options,
      scores: [...kept, ...fresh.map(({ score }) => score)],
      heads: changed,
    }),
    why: `${add.length} parts were learned and ${gone.size} forgotten by a model that was taught before.`,
    candidates: [],
  };
}
