/** Exact intervals for a share that was counted: what k of n says about the share behind it. */
import { requireOption } from './detector.ts';
import { bisect, regularizedBeta } from './special.ts';

export interface Interval {
  lower: number;
  upper: number;
}

/**
 * Two-sided interval that covers the true share with at least `confidence`, whatever it is: lower end
 * the α/2 quantile of Beta(k, n − k + 1), upper end the 1 − α/2 quantile of Beta(k + 1, n − k).
 * Source: C. Clopper, E. Pearson, Biometrika 26 (1934) 404–413. No trials say nothing: 0 … 1.
 * Throws `OPTION_INVALID` for counts that cannot be and a confidence outside 0 … 1.
 */
export function clopperPearson(successes: number, trials: number, confidence = 0.95): Interval {
  requireCounts(successes, trials);
  requireOption(confidence > 0 && confidence < 1, `a confidence lies between 0 and 1, not at ${confidence}`);
  const side = (1 - confidence) / 2;
  return {
    lower: 1 - upperBound(trials - successes, trials, side),
    upper: upperBound(successes, trials, side),
  };
}

/**
 * The share of defects that may still be missed, 1 − δ sure, after `missed` of `defects` known ones
 * were: the one-sided upper Clopper–Pearson limit. None of m gives 1 − δ^{1/m} (for δ = .05 about 3/m).
 * No defects say nothing: 1.
 */
export function missedDefectBound(missed: number, defects: number, delta = 0.05): number {
  requireCounts(missed, defects);
  requireOption(delta > 0 && delta < 1, `δ lies between 0 and 1, not at ${delta}`);
  return upperBound(missed, defects, delta);
}

/** The share at which k or fewer of n have probability `tail`: P(Beta(k + 1, n − k) ≥ p) = P(Bin(n, p) ≤ k). */
function upperBound(successes: number, trials: number, tail: number): number {
  if (successes === trials) return 1;
  if (successes === 0) return -Math.expm1(Math.log(tail) / trials);
  return bisect(0, 1, (share) => regularizedBeta(1 - share, trials - successes, successes + 1) <= tail);
}

function requireCounts(successes: number, trials: number): void {
  requireOption(
    Number.isSafeInteger(successes) && Number.isSafeInteger(trials) && successes >= 0 && successes <= trials,
    `${successes} of ${trials} is no count`,
  );
}
