import assert from 'node:assert/strict';
import {
  distanceFrom,
  fitLowRankGaussian,
  outOfFoldDistances,
} from '../../../lib/statistics/low-rank-gaussian.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

/** Thirty features driven by two hidden ones of variance 9 and 1, and noise of variance 0.01. */
function examples(seed: number, count: number): number[][] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const [one, two] = [3 * random.normal(), random.normal()];
    return Array.from(
      { length: 30 },
      (_, feature) => (feature % 2 === 0 ? one : two) + 0.1 * random.normal() + feature,
    );
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a Gaussian of low rank', () => {
  it('finds the directions that vary, unit long and at right angles', () => {
    const { components, variances, residual } = fitLowRankGaussian(examples(1, 200));
    const dot = (one: number[], other: number[]): number =>
      one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0);
    components.forEach((one, i) =>
      components.forEach((other, j) => assert.ok(Math.abs(dot(one, other) - (i === j ? 1 : 0)) < 1e-6)),
    );
    // Scaled to unit variance, fifteen features each follow one hidden one.
    assert.ok((variances[0] ?? 0) > 14 && (variances[1] ?? 0) > 14 && (variances[2] ?? 0) < 0.1);
    assert.ok(residual < 0.05);
  });

  it('gives fresh examples a distance of about 1, as out-of-fold ones have', () => {
    const rows = examples(2, 150);
    const gaussian = fitLowRankGaussian(rows);
    const fresh = mean(examples(3, 300).map((row) => distanceFrom(gaussian, row)));
    const unseen = mean(outOfFoldDistances(rows, 1));
    assert.ok(fresh > 0.9 && fresh < 1.3, `${fresh}`);
    assert.ok(Math.abs(unseen / fresh - 1) < 0.1, `${unseen} ${fresh}`);
  });

  it('sees what goes against how features vary together, though each alone is usual', () => {
    const gaussian = fitLowRankGaussian(examples(4, 150));
    const along = Array.from({ length: 30 }, (_, feature) => feature + (feature % 2 === 0 ? 3 : 0));
    const against = Array.from({ length: 30 }, (_, feature) => feature + (feature % 4 === 0 ? 3 : 0));
    assert.ok(distanceFrom(gaussian, along) < 1.5);
    assert.ok(distanceFrom(gaussian, against) > 4);
  });

  it('is not thrown off by features that never vary, and refuses what says nothing', () => {
    const constant = examples(5, 20).map((row) => [...row, 7]);
    const gaussian = fitLowRankGaussian(constant);
    assert.ok(constant.every((row) => Number.isFinite(distanceFrom(gaussian, row))));
    const same = Array.from({ length: 10 }, () => [1, 2, 3]);
    assert.equal(distanceFrom(fitLowRankGaussian(same), [1, 2, 3]), 0);
    assert.ok(distanceFrom(fitLowRankGaussian(same), [1, 2, 4]) > 0);
    assert.throws(() => fitLowRankGaussian([[1], [2]]), { code: 'OPTION_INVALID' });
    assert.throws(() => fitLowRankGaussian([...same, [1]]), { code: 'OPTION_INVALID' });
  });

  it('is the same every time, also through JSON', () => {
    const rows = examples(6, 40);
    const gaussian = fitLowRankGaussian(rows);
    assert.deepEqual(JSON.parse(JSON.stringify(fitLowRankGaussian(rows))), gaussian);
  });
});
