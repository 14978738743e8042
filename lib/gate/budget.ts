/**
 * The false-reject budget: which threshold rejects at most a share α of good parts, and how sure
 * that is. Distribution-free: it needs only that the calibration scores and the scores to come are
 * draws from the same process (exchangeable) and that the model has not seen the calibration parts.
 *
 * With n good scores in ascending order, the share of the good population at or below the r-th is
 * distributed Beta(r, n − r + 1). The tolerance limit is the smallest r with
 *   P(Beta(r, n − r + 1) ≥ 1 − α) = P(Binomial(n, 1 − α) ≤ r − 1) ≥ 1 − δ.
 * Source: S. S. Wilks, "Determination of sample sizes for setting tolerance limits", Annals of
 * Mathematical Statistics 12 (1941) 91–96; ISO 16269-6, clause on distribution-free intervals.
 */
import { GateError } from './errors.ts';

export interface Budget {
  /** Largest share of good parts that may be rejected, 0 < α < 1. */
  alpha: number;
  /** Allowed probability that the share is larger all the same, 0 < δ < 1. */
  delta: number;
}

function check({ alpha, delta }: Budget): void {
  if (!(alpha > 0 && alpha < 1)) throw new GateError('BUDGET_INVALID', 'α must be between 0 and 1');
  if (!(delta > 0 && delta < 1)) throw new GateError('BUDGET_INVALID', 'δ must be between 0 and 1');
}

/** Good parts without which no finite threshold can keep the budget: ⌈ln δ / ln(1 − α)⌉, e.g. 59 for 5 % at 95 %. */
export function partsNeeded(budget: Budget): number {
  check(budget);
  return Math.ceil(Math.log(budget.delta) / Math.log1p(-budget.alpha));
}

/**
 * Rank (1..n) of the smallest order statistic that keeps the budget; undefined when n is too small.
 * Sums the upper tail of the binomial from the top, so that tiny terms are added first.
 */
export function toleranceRank(n: number, budget: Budget): number | undefined {
  check(budget);
  if (n < partsNeeded(budget)) return undefined;
  // P(Bin(n, p) ≥ k) with p = 1 − α; terms through logs so that large n neither over- nor underflows.
  const logP = Math.log1p(-budget.alpha);
  const logQ = Math.log(budget.alpha);
  let logTerm = n * logP;
  let upperTail = Math.exp(logTerm);
  let rank = n;
  // Lowering r by one adds P(Bin = r − 1) to the tail that must stay at or below δ.
  for (let k = n - 1; k >= 1; k -= 1) {
    logTerm += Math.log(k + 1) - Math.log(n - k) + logQ - logP;
    upperTail += Math.exp(logTerm);
    if (upperTail > budget.delta) break;
    rank = k;
  }
  return rank;
}

/** The threshold in score units: parts scoring above it are rejected. Undefined when too few parts were given. */
export function budgetedThreshold(goodScores: readonly number[], budget: Budget): number | undefined {
  const rank = toleranceRank(goodScores.length, budget);
  if (rank === undefined) return undefined;
  const sorted = Float64Array.from(goodScores).sort();
  return sorted[rank - 1];
}
