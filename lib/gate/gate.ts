/**
 * Turns a score into one of three decisions. Doubt never becomes `accept`: a missing or non-finite
 * score, a late part, a model without calibration and a station that no longer trusts its model all
 * end in the configured fallback, with the reason.
 */
import { CodedError } from '../errors.ts';
import type { Decision, Mode, VerdictSection } from '../inspection/inspection.ts';
import { budgetedThreshold, partsNeeded, type Budget } from './budget.ts';

/** What a part gets that cannot be judged. */
type Fallback = Exclude<Decision, 'accept'>;

export interface Limits {
  /** Scores above are rejected, in the model's own units. */
  reject: number;
  /** Scores above, up to `reject`, go to a person. Equal to `reject` when there is no review band. */
  review: number;
  /** Names where the limits came from. */
  calibration: string;
}

/** The threshold in force and how far a person may move it; nulls while there is none. */
export interface Tolerance {
  threshold: number | null;
  min: number | null;
  max: number | null;
  calibration: string;
}

export interface Reading {
  score: unknown;
  /** True when the part's deadline has passed. */
  late: boolean;
  mode: Mode;
}

export interface GateOptions {
  fallback: Fallback;
  /** After a reject, scores must fall this share below the limits before parts are accepted again, 0..0.5. */
  hysteresis: number;
  /** How far a person may move the threshold from where calibration put it: 0.25 is ± 25 %. */
  toleranceShare: number;
}

class GateError extends CodedError<'TOLERANCE_OUT_OF_BOUNDS' | 'NOT_CALIBRATED'> {}

/**
 * Limits that keep the false-reject budget on these good-part scores.
 * `reviewShare` is the further share of good parts that may be sent to a person.
 */
export function calibratedLimits(
  goodScores: readonly number[],
  budget: Budget,
  reviewShare: number,
  calibration: string,
): Limits | undefined {
  const reject = budgetedThreshold(goodScores, budget);
  if (reject === undefined) return undefined;
  const reviewAlpha = Math.min(budget.alpha + reviewShare, 0.999);
  const review =
    reviewShare === 0 ? reject : (budgetedThreshold(goodScores, { ...budget, alpha: reviewAlpha }) ?? reject);
  return { reject, review, calibration };
}

/** Good parts that are still missing before the budget can be promised. */
export function partsMissing(goodParts: number, budget: Budget): number {
  return Math.max(0, partsNeeded(budget) - goodParts);
}

export class ToleranceGate {
  readonly #options: GateOptions;
  /** As calibrated or typed in, before a person moved the threshold. */
  #base: Limits | undefined;
  #limits: Limits | undefined;
  #lastDecision: Decision = 'accept';

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Replaces the limits; undefined sends every part to the fallback until there are new ones. */
  setLimits(limits: Limits | undefined): void {
    this.#base = limits;
    this.#limits = limits;
  }

  tolerance(): Tolerance {
    if (this.#base === undefined || this.#limits === undefined) {
      return { threshold: null, min: null, max: null, calibration: 'none' };
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
    const band = this.#base.reject - this.#base.review;
    this.#limits = {
      reject: threshold,
      review: threshold - band,
      calibration:
        threshold === this.#base.reject ? this.#base.calibration : `${this.#base.calibration}, moved`,
    };
  }

  decide({ score, late, mode }: Reading): VerdictSection {
    const usable = typeof score === 'number' && Number.isFinite(score) ? score : null;
    const doubt = this.#doubt(usable, late, mode);
    if (doubt !== undefined || usable === null || this.#limits === undefined) {
      return this.#verdict(this.#options.fallback, usable, doubt ?? 'no-score', mode);
    }
    const relief = this.#lastDecision === 'reject' ? 1 - this.#options.hysteresis : 1;
    const { reject, review } = this.#limits;
    let decision: Decision = 'accept';
    let reason = 'below-threshold';
    if (usable > reject * relief) {
      decision = 'reject';
      reason = 'above-threshold';
    } else if (usable > review * relief) {
      // A station that has stepped down no longer leaves the doubtful ones in the lot.
      decision = mode === 'CONSERVATIVE' ? 'reject' : 'review';
      reason = 'review-band';
    }
    this.#lastDecision = decision;
    return this.#verdict(decision, usable, reason, mode);
  }

  #doubt(score: number | null, late: boolean, mode: Mode): string | undefined {
    if (late) return 'late';
    if (mode === 'RULES' || mode === 'STOPPED') return 'mode';
    if (score === null) return 'no-score';
    if (this.#limits === undefined) return 'not-calibrated';
    return undefined;
  }

  #verdict(decision: Decision, score: number | null, reason: string, mode: Mode): VerdictSection {
    return {
      decision,
      score,
      threshold: this.#limits?.reject ?? null,
      reason,
      mode,
      calibration: this.#limits?.calibration ?? 'none',
    };
  }
}
