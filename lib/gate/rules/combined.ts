/**
 * One judgement out of several scores. By their own limits: the worst decides (`any`), or all have to
 * agree (`all`). By p-values, where higher scores mean smaller ones:
 *
 * - Fisher: −2 Σ ln pᵢ is χ² with 2k degrees of freedom when the k p-values are independent and every one
 *   holds. R. A. Fisher, Statistical Methods for Research Workers, 4th ed. 1932, § 21.1.
 * - Bonferroni, weighted: min pᵢ / wᵢ with Σ wᵢ = 1 is a p-value whatever depends on what.
 *   C. R. Genovese, K. Roeder, L. Wasserman, “False discovery control with p-value weighting”,
 *   Biometrika 93 (2006) 509–524; for equal weights, Bonferroni.
 */
import type { Decision } from '../../inspection/inspection.ts';
import { chiSquareTail } from '../../statistics/special.ts';
import { GateError } from '../errors.ts';
import { usable, type Doubt, type Judge, type Judgement, type RuleFinding } from '../judgement.ts';

/** p-values above 0, or 0: nothing is less likely than what cannot be. */
export function fisher(pValues: readonly number[]): number {
  if (pValues.includes(0)) return 0;
  const sum = pValues.reduce((total, p) => total + Math.log(p), 0);
  return chiSquareTail(-2 * sum, 2 * pValues.length);
}

/** Weights above 0 of any sum; they are brought to sum 1. */
export function bonferroni(pValues: readonly number[], weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Math.min(1, ...pValues.map((p, index) => (p * total) / (weights[index] ?? 0)));
}

interface CombinedScore {
  /** How it is called in the verdict. */
  name: string;
  /** Above 0. By limits: the score above which it speaks for reject. By p-values: its weight. */
  limit: number;
}

export interface CombinedOptions {
  by: 'any' | 'all' | 'fisher' | 'bonferroni';
  scores: readonly CombinedScore[];
  /** By p-values: rejected at this p-value and below. */
  alpha: number;
  /** By limits: share of the limit below it that goes to a person. By p-values: added to `alpha` for that. */
  reviewShare: number;
}

export class CombinedJudge implements Judge {
  readonly calibration = 'fixed';
  #options: CombinedOptions;

  /** @throws GateError `RULE_INVALID` */
  constructor(options: CombinedOptions) {
    if (options.scores.length < 2) throw new GateError('RULE_INVALID', 'combining takes two scores or more');
    for (const { name, limit } of options.scores) {
      if (!(limit > 0 && Number.isFinite(limit))) {
        throw new GateError('RULE_INVALID', `the limit or weight of ${name} must be above 0`);
      }
    }
    this.#options = options;
  }

  /** By p-values: from now on rejected at this p-value and below. */
  setAlpha(alpha: number): void {
    this.#options = { ...this.#options, alpha };
  }

  /** `value`: the scores or p-values, in the order of the options; none may be missing. */
  judge(value: unknown): Judgement | Doubt {
    const values = (Array.isArray(value) ? value : []).map(usable);
    const { scores } = this.#options;
    const isWhole = (all: typeof values): all is number[] =>
      all.length === scores.length && !all.includes(undefined);
    if (!isWhole(values)) return { doubt: 'no-score', score: null };
    if (this.#options.by === 'any' || this.#options.by === 'all') return byLimits(values, this.#options);
    if (!values.every((p) => p >= 0 && p <= 1)) return { doubt: 'no-score', score: null };
    return byPValues(values, this.#options);
  }

  state(): unknown {
    return null;
  }

  restore(): void {
    // Every part is judged for itself.
  }
}

function byLimits(values: readonly number[], { by, scores, reviewShare }: CombinedOptions): Judgement {
  const ratios = values.map((value, index) => value / (scores[index]?.limit ?? 1));
  const of = (ratio: number): Decision =>
    ratio > 1 ? 'reject' : ratio > 1 - reviewShare ? 'review' : 'accept';
  const rules = ratios.map((ratio, index): RuleFinding => ({
    rule: scores[index]?.name ?? '',
    decision: of(ratio),
    reason: `${ratio.toPrecision(3)} of its limit`,
  }));
  const highest = Math.max(...ratios);
  const score = by === 'any' ? highest : Math.min(...ratios);
  let decision = of(score);
  // One that is beyond its limit while others are not is a doubt, and doubt is not accepted.
  if (decision === 'accept' && highest > 1) decision = 'review';
  const reason = { accept: 'below-threshold', review: 'review-band', reject: 'above-threshold' }[decision];
  return { decision, reason, score, threshold: 1, rules };
}

function byPValues(
  values: readonly number[],
  { by, scores, alpha, reviewShare }: CombinedOptions,
): Judgement {
  const weights = scores.map(({ limit }) => limit);
  const pValue = by === 'fisher' ? fisher(values) : bonferroni(values, weights);
  // As a score, so that higher is worse here too.
  const score = Math.min(-Math.log10(pValue), Number.MAX_SAFE_INTEGER);
  const threshold = -Math.log10(alpha);
  if (pValue <= alpha) return { decision: 'reject', reason: 'above-threshold', score, threshold, pValue };
  const isClose = pValue <= alpha + reviewShare;
  return {
    decision: isClose ? 'review' : 'accept',
    reason: isClose ? 'review-band' : 'below-threshold',
    score,
    threshold,
    pValue,
  };
}
