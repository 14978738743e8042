/**
 * What heads say of parts they have not seen: in five folds each part, and what was painted on it, is
 * scored by heads fitted to the other four fifths. Nothing a good part scores against its own bank may
 * ever become a threshold. Parts learned from corrections are known to all of these heads, as they are to
 * the model that serves.
 */
import { setImmediate } from 'node:timers/promises';
import { seededRandom, shuffledIndices } from '../statistics/random.ts';
import type { Features } from './backbone.ts';
import { scoreFeatures, type FeatureSet, type HeadScore } from './heads/head.ts';
import { type Method } from './method.ts';
import { basesOf, distancesOf, fitGaussians, fitHeads, grownHeads } from './heads/memory.ts';
import { addPart, copyGaussians } from './heads/padim.ts';
import type { BankOptions } from './heads/patch-nn.ts';
import { spreadOf, sumScore } from './heads/z-sum.ts';

const FOLDS = 5;

/** A good part with a defect painted on it, by which methods are compared. */
export interface PaintedPart {
  /** Index of the part it was painted on: it is scored by a head that has not seen that part. */
  part: number;
  features: Features;
  /** One byte for each patch, row by row; not 0 where paint is. */
  mask: Uint8Array;
}

/** In the order of the parts, and of the painted ones. */
export interface FoldScores {
  good: HeadScore[];
  painted: HeadScore[];
}

export interface OutOfFold {
  scores: Map<Method, FoldScores>;
  /** Of z-sum. */
  spreads?: [bank: number, gaussians: number];
}

interface FoldInput extends BankOptions {
  methods: readonly Method[];
  painted: readonly PaintedPart[];
  /** Good parts that every head knows and that are not scored. */
  learned?: readonly Features[];
  /** Of z-sum, where they are settled. */
  spreads?: readonly [bank: number, gaussians: number];
  onFold: (done: number, total: number) => void;
}

/** One of each five parts in a row is in each fold, by chance; the folds of parts do not change where more follow. */
function foldsOf(parts: number, seed: number): number[] {
  const random = seededRandom(seed);
  const folds: number[] = [];
  while (folds.length < parts) folds.push(...shuffledIndices(FOLDS, random));
  return folds;
}

/** Gives the event loop a turn between folds. */
export async function scoreOutOfFold(set: FeatureSet, input: FoldInput): Promise<OutOfFold> {
  const { methods, painted, learned = [], spreads, onFold, ...options } = input;
  const bases = [...new Set(methods.flatMap(basesOf))];
  const scores = new Map<Method, FoldScores>(bases.map((base) => [base, { good: [], painted: [] }]));
  const folds = foldsOf(set.parts.length, options.seed);
  const foldOf = (part: number): number => folds[part] ?? 0;
  const all = bases.includes('padim')
    ? fitGaussians({ ...set, parts: [...set.parts, ...learned] }, options.seed)
    : undefined;
  onFold(0, FOLDS);
  for (let fold = 0; fold < FOLDS; fold += 1) {
    const held = [...set.parts.keys()].filter((part) => foldOf(part) === fold);
    const heldPainted = [...painted.keys()].filter((index) => foldOf(painted[index]?.part ?? 0) === fold);
    const rest = { ...set, parts: set.parts.filter((_, part) => foldOf(part) !== fold) };
    const foldOptions = { ...options, seed: options.seed + fold + 1 };
    const fitted = await fitHeads(
      rest,
      bases.filter((base) => base !== 'padim'),
      foldOptions,
    );
    const heads = await grownHeads(set, fitted, { first: rest.parts.length, add: learned }, foldOptions);
    if (all !== undefined) {
      // Sums: taking the fold out of all is quicker than adding up the rest.
      heads.gaussians = copyGaussians(all);
      for (const part of held) addPart(set, heads.gaussians, set.parts[part] as Features, -1);
    }
    const tested = [
      ...held.map((part) => set.parts[part] as Features),
      ...heldPainted.map((index) => (painted[index] as PaintedPart).features),
    ];
    for (const base of bases) {
      const found = await scoreFeatures(set, distancesOf(set, base, heads, foldOptions), tested);
      const into = scores.get(base) as FoldScores;
      held.forEach((part, index) => (into.good[part] = found[index] as HeadScore));
      heldPainted.forEach((at, index) => (into.painted[at] = found[held.length + index] as HeadScore));
    }
    onFold(fold + 1, FOLDS);
    await setImmediate();
  }
  return methods.includes('z-sum') ? withSum(scores, spreads) : { scores };
}

function withSum(scores: Map<Method, FoldScores>, settled: FoldInput['spreads']): OutOfFold {
  const bank = scores.get('patch-nn') as FoldScores;
  const gaussians = scores.get('padim') as FoldScores;
  const spread = ({ good }: FoldScores): number => spreadOf(good.map(({ score }) => score));
  const spreads: [number, number] = settled === undefined ? [spread(bank), spread(gaussians)] : [...settled];
  const sum = (ones: readonly HeadScore[], others: readonly HeadScore[]): HeadScore[] =>
    ones.map((score, index) => sumScore(score, others[index] as HeadScore, spreads));
  scores.set('z-sum', {
    good: sum(bank.good, gaussians.good),
    painted: sum(bank.painted, gaussians.painted),
  });
  return { scores, spreads };
}
