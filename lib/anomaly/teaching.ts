/**
 * What teaching computes, from the features of good parts: a bank of patches, the graph that scores
 * with it, and the scores that good parts get from a bank that has not seen them.
 *
 * The scores come from five folds: each part is scored by a bank of the other four fifths. Scores
 * of parts against their own bank are too low: at α = 0.10 they made thresholds that rejected
 * 38–100 % of fresh good parts, while five-fold scores matched fresh ones within 1–4 %.
 */
import { setImmediate } from 'node:timers/promises';
import * as ort from 'onnxruntime-node';
import { openSession, type Features } from './backbone.ts';
import { coreset } from './coreset.ts';
import { FEATURES, nearestNeighbourHead, sideOf, type Bank } from './head.ts';
import { appendToModel, standaloneModel } from './onnx-graph.ts';
import { seededRandom, shuffledIndices } from '../statistics/random.ts';

const FOLDS = 5;
/** Patches looked at for one bank; beyond, a random sample stands for all. */
const MAX_CANDIDATES = 20_000;

export type TeachingStage = 'features' | 'folds' | 'bank' | 'saving';

export interface TeachingProgress {
  stage: TeachingStage;
  done: number;
  total: number;
}

export interface TeachingInput {
  /** One per good part. */
  features: readonly Features[];
  backbone: Buffer;
  seed: number;
  /** Patches in the bank. */
  coresetSize: number;
  onProgress: (progress: TeachingProgress) => void;
}

export interface Teaching {
  /** The model: backbone and head in one ONNX graph, `image` in, `score` and `map` out. */
  graph: Buffer;
  /** Out-of-fold scores, ascending. */
  goodScores: number[];
  bankSize: number;
}

/** Deterministic by seed and order of the parts. Gives the event loop a turn between folds. */
export async function teachFromFeatures(input: TeachingInput): Promise<Teaching> {
  const { features, backbone, seed, coresetSize, onProgress } = input;
  const order = shuffledIndices(features.length, seededRandom(seed));
  const goodScores: number[] = [];
  onProgress({ stage: 'folds', done: 0, total: FOLDS });
  for (let fold = 0; fold < FOLDS; fold += 1) {
    const inFold = (position: number): boolean => position % FOLDS === fold;
    const partsWhere = (wanted: boolean): Features[] =>
      features.filter((_, part) => inFold(order[part] ?? 0) === wanted);
    const bank = bankOf(partsWhere(false), coresetSize, seed + fold + 1);
    goodScores.push(...(await scoresAgainst(bank, partsWhere(true))));
    onProgress({ stage: 'folds', done: fold + 1, total: FOLDS });
    await setImmediate();
  }
  onProgress({ stage: 'bank', done: 0, total: 1 });
  const bank = bankOf(features, coresetSize, seed);
  onProgress({ stage: 'bank', done: 1, total: 1 });
  return {
    graph: appendToModel(backbone, nearestNeighbourHead(bank, mapSideOfFeatures(features))),
    goodScores: goodScores.sort((one, other) => one - other),
    bankSize: bank.length / FEATURES,
  };
}

/** Side of the grid of patches these features are of. */
function mapSideOfFeatures([first]: readonly Features[]): number {
  return sideOf((first?.length ?? 0) / FEATURES);
}

function bankOf(features: readonly Features[], size: number, seed: number): Bank {
  const inPart = mapSideOfFeatures(features) ** 2;
  const patches = shuffledIndices(features.length * inPart, seededRandom(seed)).subarray(0, MAX_CANDIDATES);
  const rows = new Float32Array(patches.length * FEATURES);
  patches.forEach((index, row) => {
    const patch = index % inPart;
    const part = features[(index - patch) / inPart] ?? new Float32Array();
    for (let feature = 0; feature < FEATURES; feature += 1) {
      rows[row * FEATURES + feature] = part[feature * inPart + patch] ?? 0;
    }
  });
  return coreset(rows, { dimensions: FEATURES, size, seed });
}

async function scoresAgainst(bank: Bank, features: readonly Features[]): Promise<number[]> {
  const side = mapSideOfFeatures(features);
  const head = nearestNeighbourHead(bank, side, { standalone: true });
  const session = await openSession(standaloneModel(head));
  try {
    const scores: number[] = [];
    for (const part of features) {
      const feat = new ort.Tensor('float32', part, [1, FEATURES, side, side]);
      const { score } = await session.run({ feat }, ['score']);
      scores.push(Number(score?.data[0]));
    }
    return scores;
  } finally {
    await session.release();
  }
}
