import assert from 'node:assert/strict';
import fc from 'fast-check';
import { clopperPearson, missedDefectBound } from '../../../lib/statistics/interval.ts';

/** P(Bin(n, p) ≤ k), summed term by term. */
function binomialBelow(k: number, n: number, p: number): number {
  let sum = 0;
  let logChoose = 0;
  for (let i = 0; i <= k; i += 1) {
    if (i > 0) logChoose += Math.log(n - i + 1) - Math.log(i);
    sum += Math.exp(logChoose + i * Math.log(p) + (n - i) * Math.log1p(-p));
  }
  return sum;
}

const count = fc
  .integer({ min: 1, max: 400 })
  .chain((n) => fc.tuple(fc.integer({ min: 0, max: n }), fc.constant(n)));

describe('the exact interval of a share', () => {
  it('ends where the binomial tails are half of what is left of the confidence', () => {
    fc.assert(
      fc.property(count, fc.constantFrom(0.9, 0.95, 0.99), ([k, n], confidence) => {
        const { lower, upper } = clopperPearson(k, n, confidence);
        const side = (1 - confidence) / 2;
        if (k < n) assert.ok(Math.abs(binomialBelow(k, n, upper) - side) < 1e-9);
        else assert.equal(upper, 1);
        if (k > 0) assert.ok(Math.abs(1 - binomialBelow(k - 1, n, lower) - side) < 1e-9);
        else assert.equal(lower, 0);
      }),
    );
  });

  it('is that of the tables: 10 of 100 gives 4.90 … 17.62 %', () => {
    const { lower, upper } = clopperPearson(10, 100);
    assert.ok(Math.abs(lower - 0.049) < 5e-5 && Math.abs(upper - 0.17622) < 5e-5);
  });

  it('covers every share with at least its confidence', () => {
    const n = 40;
    const intervals = Array.from({ length: n + 1 }, (_, k) => clopperPearson(k, n));
    for (let share = 0.01; share < 1; share += 0.01) {
      const covered = intervals.reduce((sum, { lower, upper }, k) => {
        const chance = binomialBelow(k, n, share) - (k === 0 ? 0 : binomialBelow(k - 1, n, share));
        return lower <= share && share <= upper ? sum + chance : sum;
      }, 0);
      assert.ok(covered >= 0.95, `${share}: ${covered}`);
    }
  });

  it('of no trials is everything, of many is still found', () => {
    assert.deepEqual(clopperPearson(0, 0), { lower: 0, upper: 1 });
    const { lower, upper } = clopperPearson(50_000, 1_000_000);
    assert.ok(lower > 0.0495 && lower < 0.05 && upper > 0.05 && upper < 0.0505);
  });

  it('is refused for counts that cannot be', () => {
    for (const [k, n] of [
      [3, 2],
      [-1, 5],
      [0.5, 5],
    ] as const) {
      assert.throws(() => clopperPearson(k, n), { code: 'OPTION_INVALID' });
    }
    assert.throws(() => clopperPearson(1, 5, 1), { code: 'OPTION_INVALID' });
    assert.throws(() => missedDefectBound(1, 5, 0), { code: 'OPTION_INVALID' });
  });
});

describe('the share of defects that may still be missed', () => {
  it('is 1 − δ^(1/m) when none of m was missed', () => {
    for (const m of [1, 10, 59, 299]) {
      assert.ok(Math.abs(missedDefectBound(0, m, 0.05) - (1 - 0.05 ** (1 / m))) < 1e-12);
    }
    assert.ok(missedDefectBound(0, 59) < 0.05 && missedDefectBound(0, 58) > 0.05);
  });

  it('is 1 without any defect, and where all were missed', () => {
    assert.equal(missedDefectBound(0, 0), 1);
    assert.equal(missedDefectBound(7, 7), 1);
  });

  it('rises with every defect that was missed and is the share at which so few would be δ likely', () => {
    for (let missed = 0; missed < 30; missed += 1) {
      const bound = missedDefectBound(missed, 30, 0.05);
      assert.ok(bound < missedDefectBound(missed + 1, 30, 0.05));
      assert.ok(Math.abs(binomialBelow(missed, 30, bound) - 0.05) < 1e-9);
    }
  });
});
