import assert from 'node:assert/strict';
import fc from 'fast-check';
import { conformalPValue, conformalThreshold, quantile } from '../../../lib/anomaly/p-value.ts';

const scores = fc
  .array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 80 })
  .map((values) => values.sort((one, other) => one - other));
const score = fc.double({ min: -1, max: 101, noNaN: true });

describe('the conformal p-value', () => {
  it('is (1 + the number of good scores at least as high) over (n + 1)', () => {
    fc.assert(
      fc.property(scores, score, (good, value) => {
        const atLeast = good.filter((candidate) => candidate >= value).length;
        assert.equal(conformalPValue(good, value), (1 + atLeast) / (good.length + 1));
      }),
    );
  });

  it('calls a score that is no number as unusual as can be', () => {
    assert.equal(conformalPValue([1, 2, 3], NaN), 1 / 4);
  });

  it('never rises with the score', () => {
    fc.assert(
      fc.property(scores, score, score, (good, one, other) => {
        const [low, high] = one < other ? [one, other] : [other, one];
        assert.ok(conformalPValue(good, high) <= conformalPValue(good, low));
      }),
    );
  });

  it('of any one of n + 1 exchangeable parts is at most u for at most the share u of them', () => {
    fc.assert(
      fc.property(scores, fc.double({ min: 0, max: 1, noNaN: true }), (all, u) => {
        const low = all.filter((value, index) => conformalPValue(all.toSpliced(index, 1), value) <= u);
        assert.ok(low.length / all.length <= u + 1e-12);
      }),
    );
  });
});

describe('the threshold candidates', () => {
  it('are exceeded by at most the share alpha of exchangeable parts', () => {
    fc.assert(
      fc.property(scores, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (all, alpha) => {
        const exceeding = all.filter((value, index) => {
          const threshold = conformalThreshold(all.toSpliced(index, 1), alpha);
          return threshold !== null && value > threshold;
        });
        assert.ok(exceeding.length / all.length <= alpha + 1e-9);
      }),
    );
  });

  it('are absent while there are too few parts: 19 for 5 %', () => {
    const good = Array.from({ length: 19 }, (_, index) => index);
    assert.equal(conformalThreshold(good, 0.05), 18);
    assert.equal(conformalThreshold(good.slice(1), 0.05), null);
  });
});

describe('the quantile', () => {
  it('has at least the share of the scores at or below it', () => {
    fc.assert(
      fc.property(scores, fc.double({ min: 0.01, max: 1, noNaN: true }), (good, share) => {
        const value = quantile(good, share);
        assert.ok(good.includes(value));
        assert.ok(good.filter((candidate) => candidate <= value).length >= good.length * share - 1e-6);
      }),
    );
  });
});
