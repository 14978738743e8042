/**
 * Which method fits the parts at hand, chosen with good parts only: by how well each tells good parts it
 * has not seen from the same kind of parts with painted defects it has not seen either.
 */
import { auroc } from '../statistics/auroc.ts';
import type { FoldScores, PaintedPart } from './folds.ts';
import type { Method } from './method.ts';
import { conformalThreshold } from './p-value.ts';

/** Share of good parts that may be rejected where missed defects are counted. */
const ALPHA = 0.05;
/** Areas that differ by less are taken as equal: about the standard error of a difference with 64 painted defects. */
const EQUAL = 0.02;
/** In doubt the one that asks least of how parts lie, then the cheapest. */
const PREFERENCE: readonly Method[] = ['patch-nn', 'z-sum', 'padim', 'position-nn'];

/** How well a method tells good parts it has not seen from the same parts with painted defects. */
export interface Candidate {
  method: Method;
  auroc: number;
  /** Share of painted defects that score at or below the threshold at which `alpha` of good parts are rejected. */
  escapes: number;
  alpha: number;
  /** Share of painted defects whose highest patch of the map is one that was painted on. */
  located: number;
}

export function candidateOf(
  method: Method,
  { good, painted }: FoldScores,
  parts: readonly PaintedPart[],
): Candidate {
  const goodScores = good.map(({ score }) => score).sort((one, other) => one - other);
  const paintedScores = painted.map(({ score }) => score);
  // With few parts the least share that any threshold can promise.
  const alpha = Math.max(ALPHA, 1 / (goodScores.length + 1));
  const threshold = conformalThreshold(goodScores, alpha) ?? Infinity;
  const located = painted.filter(({ map }, index) => parts[index]?.mask[highestOf(map)] !== 0);
  const share = (count: number): number => count / painted.length;
  return {
    method,
    auroc: auroc(goodScores, paintedScores),
    escapes: share(paintedScores.filter((score) => score <= threshold).length),
    alpha,
    located: share(located.length),
  };
}

function highestOf(map: Float32Array): number {
  return map.reduce((best, value, patch) => (value > (map[best] as number) ? patch : best), 0);
}

/** The best first: by area, and where that is equal by what asks least of the parts. */
export function ranked(candidates: readonly Candidate[]): Candidate[] {
  const best = Math.max(...candidates.map((candidate) => candidate.auroc));
  const isEqual = (candidate: Candidate): boolean => candidate.auroc >= best - EQUAL;
  return [...candidates].sort((one, other) => {
    if (!isEqual(one) || !isEqual(other)) return other.auroc - one.auroc;
    return PREFERENCE.indexOf(one.method) - PREFERENCE.indexOf(other.method);
  });
}

const NAMES: Readonly<Record<Method, string>> = {
  'patch-nn': 'Nearest neighbour anywhere',
  'position-nn': 'Nearest neighbour at the same place',
  padim: 'A Gaussian for each place',
  'z-sum': 'Nearest neighbour and Gaussians together',
};

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** A sentence with the figures it rests on. */
export function reasonFor(candidates: readonly Candidate[], painted: number): string {
  const [chosen, ...others] = candidates;
  if (chosen === undefined) {
    return `${NAMES['patch-nn']}: there were no painted defects to compare methods by.`;
  }
  const [next] = others.toSorted((one, other) => other.auroc - one.auroc);
  const area = chosen.auroc.toFixed(3);
  const figures = `AUROC ${area} on ${painted} painted defects, ${percent(chosen.escapes)} of them missed where ${percent(chosen.alpha)} of good parts are rejected`;
  const isClear = next === undefined || chosen.auroc > next.auroc + EQUAL;
  return isClear
    ? `${NAMES[chosen.method]} tells good parts from painted defects best: ${figures}.`
    : `${NAMES[chosen.method]}: ${figures}. ${next.method} with ${next.auroc.toFixed(3)} is not clearly better, and this asks less of how parts lie.`;
}

export function asked(method: Method): string {
  return `${NAMES[method]} was asked for.`;
}
