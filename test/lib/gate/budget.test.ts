import assert from 'node:assert/strict';
import fc from 'fast-check';
import { budgetedThreshold, partsNeeded, toleranceRank } from '../../../lib/gate/budget.ts';

/** P(Binomial(n, p) ≤ k), summed term by term with exact binomial coefficients: slow and plain. */
function binomialCdf(k: number, n: number, p: number): number {
  let total = 0;
  for (let i = 0; i <= k; i += 1) {
    let term = 1;
    for (let j = 1; j <= i; j += 1) term *= ((n - i + j) / j) * p;
    total += term * (1 - p) ** (n - i);
  }
  return total;
}

describe('the false-reject budget', () => {
  it('needs 59 good parts for 5 % and 299 for 1 %, at 95 % confidence', () => {
    assert.equal(partsNeeded({ alpha: 0.05, delta: 0.05 }), 59);
    assert.equal(partsNeeded({ alpha: 0.01, delta: 0.05 }), 299);
  });

  it('gives no threshold with one part too few, and the highest score with just enough', () => {
    const scores = Array.from({ length: 59 }, (_, index) => index);
    assert.equal(budgetedThreshold(scores.slice(1), { alpha: 0.05, delta: 0.05 }), undefined);
    assert.equal(budgetedThreshold(scores, { alpha: 0.05, delta: 0.05 }), 58);
  });

  it('takes the smallest rank whose binomial tail keeps the confidence', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 60, max: 160 }),
        fc.double({ min: 0.05, max: 0.4, noNaN: true }),
        fc.double({ min: 0.02, max: 0.3, noNaN: true }),
        (n, alpha, delta) => {
          const rank = toleranceRank(n, { alpha, delta });
          if (rank === undefined) return n < partsNeeded({ alpha, delta });
          const kept = binomialCdf(rank - 1, n, 1 - alpha) >= 1 - delta - 1e-9;
          const smaller = rank > 1 && binomialCdf(rank - 2, n, 1 - alpha) >= 1 - delta + 1e-9;
          return kept && !smaller;
        },
      ),
    );
  });

  it('keeps its promise on scores it has not seen, in at least 95 of 100 calibrations', () => {
    // Exponential scores; the share of the population above t is exp(−t), known exactly.
    let seed = 42;
    const random = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed + 0.5) / 2 ** 32;
    };
    let kept = 0;
    const runs = 2000;
    for (let run = 0; run < runs; run += 1) {
      const scores = Array.from({ length: 120 }, () => -Math.log(random()));
      const threshold = budgetedThreshold(scores, { alpha: 0.05, delta: 0.05 });
      assert.ok(threshold !== undefined);
      if (Math.exp(-threshold) <= 0.05) kept += 1;
    }
    // Three standard errors of the count below its expectation.
    assert.ok(kept / runs >= 0.95 - 3 * Math.sqrt((0.95 * 0.05) / runs), `kept in ${kept} of ${runs}`);
  });

  it('does not lose precision with ten thousand parts', () => {
    const rank = toleranceRank(10_000, { alpha: 0.01, delta: 0.05 });
    // Normal approximation of the same bound: n(1−α) + 1.645 √(nα(1−α)) ≈ 9916.4.
    assert.ok(rank !== undefined && Math.abs(rank - 9917) <= 2, String(rank));
  });

  it('refuses shares outside 0 to 1', () => {
    assert.throws(() => partsNeeded({ alpha: 0, delta: 0.05 }), { code: 'BUDGET_INVALID' });
    assert.throws(() => partsNeeded({ alpha: 0.05, delta: 1 }), { code: 'BUDGET_INVALID' });
  });
});
