/**
 * Limits on a score that is worse when higher: where they come from, how far a person may move them,
 * and what they make of a score. With fewer good parts than the budget needs the best limit there is
 * gives advice and decides nothing.
 */
import type { Decision } from '../inspection/inspection.ts';
import { regularizedBeta } from '../statistics/special.ts';
import { partsNeeded, toleranceRank, type Budget } from './budget.ts';
import { GateError } from './errors.ts';
import { remembered, usable, type Doubt, type Judge, type Judgement } from './judgement.ts';

export interface Limits {
  /** Scores above are rejected, in the model's own units. */
  reject: number;
  /** Scores above, up to `reject`, go to a person. Equal to `reject` when there is no review band. */
  review: number;
  /** Names where the limits came from. */
  calibration: string;
  /** True while too few good parts are known to promise the budget. */
  advise?: boolean;
}

/** The threshold in force and how far a person may move it; nulls while there is none. */
export interface Tolerance {
  threshold: number | null;
  min: number | null;
  max: number | null;
  calibration: string;
}

export interface LimitOptions {
  /** After a reject, scores must fall this share of the limits below them before parts are accepted again, 0..0.5. */
  hysteresis: number;
  /** How far a person may move the threshold from where calibration put it: 0.25 is ± 25 %. */
  toleranceShare: number;
}

/**
 * How many of n good scores in a row may lie in the review band, so that at most `share` of good parts
 * falls into it, 1 − δ sure: the largest d with P(Beta(d, n + 1 − d) ≤ share) ≥ 1 − δ, because the share
 * between the (r − d)-th and the r-th of n scores is Beta(d, n + 1 − d), whatever r (Wilks 1941,
 * as in budget.ts).
 */
export function bandRanks(n: number, share: number, delta: number): number {
  let [low, high] = [0, n];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (regularizedBeta(share, middle, n + 1 - middle) >= 1 - delta) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Limits that keep the false-reject budget on these good-part scores; undefined without any.
 * `reviewShare` is the further share of good parts that may be sent to a person.
 */
export function calibratedLimits(
  goodScores: readonly number[],
  budget: Budget,
  reviewShare: number,
  calibration: string,
): Limits | undefined {
  const sorted = Float64Array.from(goodScores).sort();
  const rank = toleranceRank(sorted.length, budget);
  const reject = sorted[(rank ?? sorted.length) - 1];
  if (reject === undefined) return undefined;
  if (rank === undefined) return { reject, review: reject, calibration, advise: true };
  const band = reviewShare > 0 ? bandRanks(sorted.length, Math.min(reviewShare, 1), budget.delta) : 0;
  // Everything is looked at where the band takes every score there is.
  const review = band < rank ? (sorted[rank - band - 1] ?? reject) : (sorted[0] ?? reject);
  return { reject, review, calibration };
}

/** Good parts that are still missing before the budget can be promised. */
export function partsMissing(goodParts: number, budget: Budget): number {
  return Math.max(0, partsNeeded(budget) - goodParts);
}

/**
 * Share of good parts the threshold is expected to reject: of n good scores it is the r-th, so that the
 * share is Beta(n − r + 1, r) with this mean. Undefined while the budget cannot be promised.
 */
export function expectedRejects(
  goodParts: number,
  budget: Budget,
): { above: number; mean: number } | undefined {
  const rank = toleranceRank(goodParts, budget);
  if (rank === undefined) return undefined;
  const above = goodParts - rank + 1;
  return { above, mean: above / (goodParts + 1) };
}

export class LimitJudge implements Judge {
  readonly #options: LimitOptions;
  /** As calibrated or typed in, before a person moved the threshold. */
  #base: Limits | undefined;
  #limits: Limits | undefined;
  #missing = 'not-calibrated';
  #lastDecision: Decision = 'accept';

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  get calibration(): string {
    return this.#limits?.calibration ?? 'none';
  }

  get limits(): Limits | undefined {
    return this.#limits;
  }

  /** The limits before a person moved the threshold. */
  get base(): Limits | undefined {
    return this.#base;
  }

  /** Replaces the limits; without any, every part is in doubt, for the reason given. */
  setLimits(limits: Limits | undefined, missing = 'not-calibrated'): void {
    this.#base = limits;
    this.#limits = limits;
    this.#missing = missing;
  }

  tolerance(): Tolerance {
    if (this.#base === undefined || this.#limits === undefined || this.#base.advise === true) {
      return { threshold: null, min: null, max: null, calibration: this.calibration };
    }
    // The threshold of a score that may be negative moves by its magnitude, so that min ≤ max.
    const reach = Math.abs(this.#base.reject) * this.#options.toleranceShare;
    return {
      threshold: this.#limits.reject,
      min: this.#base.reject - reach,
      max: this.#base.reject + reach,
      calibration: this.#base.calibration,
    };
  }

  /**
   * Moves the threshold within its bounds; the review limit keeps its distance.
   * @throws GateError `NOT_CALIBRATED`, `TOLERANCE_OUT_OF_BOUNDS`
   */
  moveThreshold(threshold: number): void {
    const { min, max } = this.tolerance();
    if (min === null || max === null || this.#base === undefined) {
      throw new GateError('NOT_CALIBRATED', 'there is no threshold to move yet');
    }
    if (!(threshold >= min && threshold <= max)) {
      throw new GateError(
        'TOLERANCE_OUT_OF_BOUNDS',
        `must be between ${min.toFixed(3)} and ${max.toFixed(3)}`,
      );
    }
    const { reject, review, calibration } = this.#base;
    this.#limits = {
      reject: threshold,
      review: threshold - (reject - review),
      calibration: threshold === reject ? calibration : `${calibration}, moved`,
    };
  }

  judge(value: unknown): Judgement | Doubt {
    const score = usable(value);
    if (score === undefined) return { doubt: 'no-score', score: null };
    if (this.#limits === undefined) return { doubt: this.#missing, score };
    const { reject, review, advise } = this.#limits;
    const relief = this.#lastDecision === 'reject' ? this.#options.hysteresis : 0;
    const exceeds = (limit: number): boolean => score > limit - Math.abs(limit) * relief;
    let [decision, reason]: [Decision, string] = ['accept', 'below-threshold'];
    if (exceeds(reject)) [decision, reason] = ['reject', 'above-threshold'];
    else if (exceeds(review)) [decision, reason] = ['review', 'review-band'];
    this.#lastDecision = decision;
    return {
      decision,
      reason,
      score,
      threshold: reject,
      ...(advise === true ? { advise } : {}),
    };
  }

  state(): unknown {
    return { lastDecision: this.#lastDecision };
  }

  restore(state: unknown): void {
    if (remembered(state, 'lastDecision') === 'reject') this.#lastDecision = 'reject';
  }
}
