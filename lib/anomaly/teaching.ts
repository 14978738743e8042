/**
 * What teaching computes, from the features of good parts: what a head remembers of them, the graph
 * that scores with it, and the scores that good parts get from a head that has not seen them.
 *
 * The scores come from five folds: each part is scored by a head fitted to the other four fifths.
 * Scores of parts against their own bank are too low: at α = 0.10 they made thresholds that rejected
 * 38–100 % of fresh good parts, while five-fold scores matched fresh ones within 1–4 %.
 */
import { setImmediate } from 'node:timers/promises';
import { seededRandom, shuffledIndices } from '../statistics/random.ts';
import type { Backbone, Features, Grid } from './backbone.ts';
import { coreset } from './coreset.ts';
import { headOf, scoreFeatures, type FeatureSet, type Method } from './heads/head.ts';
import { patchDistances, type Bank } from './heads/patch-nn.ts';
import { appendToModel } from './onnx-graph.ts';

const FOLDS = 5;
/** Patches looked at for one bank; beyond, a random sample stands for all. */
const MAX_CANDIDATES = 20_000;

export type TeachingStage = 'features' | 'folds' | 'bank' | 'saving';

export interface TeachingProgress {
  stage: TeachingStage;
  done: number;
  total: number;
}

/** A good part with a defect painted on it, by which methods are compared. */
export interface PaintedPart {
  /** Index of the part it was painted on: it is scored by a head that has not seen that part. */
  part: number;
  features: Features;
  /** One byte for each patch, row by row; not 0 where paint is. */
  mask: Uint8Array;
}

export interface TeachingInput {
  /** One per good part. */
  features: readonly Features[];
  grid: Grid;
  backbone: Backbone;
  method: Method | 'auto';
  seed: number;
  /** Patches in the bank. */
  coresetSize: number;
  /** One byte for each patch, row by row; 0 where nobody looks. */
  mask?: Uint8Array;
  /** What `auto` chooses by. */
  painted?: readonly PaintedPart[];
  onProgress: (progress: TeachingProgress) => void;
}

/** How well a method tells good parts it has not seen from the same parts with painted defects. */
export interface Candidate {
  method: Method;
  auroc: number;
  /** Share of painted defects that score below the threshold at which `alpha` of good parts are rejected. */
  escapes: number;
  alpha: number;
  /** Share of painted defects whose highest patch of the map is one of those painted on. */
  located: number;
}

export interface Teaching {
  /** Backbone and head in one ONNX graph: `image` in; `score`, `map` and `embedding` out. */
  graph: Buffer;
  method: Method;
  /** A sentence that says why this method. */
  why: string;
  /** What was compared, best first; empty where the method was given. */
  candidates: Candidate[];
  /** Out-of-fold, in the order of the parts. */
  scores: number[];
  /** Patches of good parts in the graph. */
  bankSize: number;
  /** What extending needs. */
  memory: Buffer;
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

/** Deterministic by seed and order of the parts. Gives the event loop a turn between folds. */
export async function teachFromFeatures(input: TeachingInput): Promise<Teaching> {
  const { features, grid, backbone, seed, coresetSize, mask, onProgress } = input;
  const shape = { channels: backbone.channels, grid, ...(mask === undefined ? {} : { mask }) };
  const order = shuffledIndices(features.length, seededRandom(seed));
  const scores = new Array<number>(features.length).fill(NaN);
  onProgress({ stage: 'folds', done: 0, total: FOLDS });
  for (let fold = 0; fold < FOLDS; fold += 1) {
    const isIn = (part: number): boolean => (order[part] ?? 0) % FOLDS === fold;
    const held = [...features.keys()].filter(isIn);
    const rest = features.filter((_, part) => !isIn(part));
    const bank = bankOf({ ...shape, parts: rest }, coresetSize, seed + fold + 1);
    const heldScores = await scoreFeatures(
      shape,
      patchDistances(shape, bank),
      held.map((part) => features[part] as Features),
    );
    held.forEach((part, index) => (scores[part] = heldScores[index]?.score ?? NaN));
    onProgress({ stage: 'folds', done: fold + 1, total: FOLDS });
    await setImmediate();
  }
  onProgress({ stage: 'bank', done: 0, total: 1 });
  const bank = bankOf({ ...shape, parts: features }, coresetSize, seed);
  onProgress({ stage: 'bank', done: 1, total: 1 });
  return {
    graph: appendToModel(backbone.bytes, headOf(shape, patchDistances(shape, bank))),
    method: 'patch-nn',
    why: 'Nearest neighbour was asked for.',
    candidates: [],
    scores,
    bankSize: bank.length / shape.channels,
    memory: Buffer.alloc(0),
  };
}

function bankOf({ channels, grid, parts }: FeatureSet, size: number, seed: number): Bank {
  const inPart = grid.columns * grid.rows;
  const patches = shuffledIndices(parts.length * inPart, seededRandom(seed)).subarray(0, MAX_CANDIDATES);
  const rows = new Float32Array(patches.length * channels);
  patches.forEach((index, row) => {
    const patch = index % inPart;
    const part = parts[(index - patch) / inPart] ?? new Float32Array();
    for (let feature = 0; feature < channels; feature += 1) {
      rows[row * channels + feature] = part[feature * inPart + patch] ?? 0;
    }
  });
  return coreset(rows, { dimensions: channels, size, seed });
}
