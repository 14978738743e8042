import assert from 'node:assert/strict';
import { auroc } from '../../../lib/statistics/auroc.ts';
import {
  repeatedLevel,
  smirnovDistance,
  smirnovPValue,
  smirnovThreshold,
} from '../../../lib/statistics/ks.ts';
import { frozenBins, populationStability, stabilityThreshold } from '../../../lib/statistics/psi.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';
import {
  chiSquareQuantile,
  chiSquareTail,
  logGamma,
  regularizedBeta,
} from '../../../lib/statistics/special.ts';

const close = (value: number, expected: number, tolerance = 1e-9): void =>
  assert.ok(
    Math.abs(value - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${value} ≠ ${expected}`,
  );

function normals(seed: number, count: number, shift = 0): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.normal() + shift);
}

describe('the special functions', () => {
  it('are right where they can be written down', () => {
    close(logGamma(10), Math.log(362880), 1e-13);
    close(logGamma(0.5), Math.log(Math.PI) / 2, 1e-13);
    close(regularizedBeta(0.3, 1, 7), 1 - 0.7 ** 7, 1e-13);
    close(regularizedBeta(0.3, 7, 1), 0.3 ** 7, 1e-13);
    close(chiSquareTail(9, 2), Math.exp(-4.5), 1e-13);
    close(chiSquareTail(0.5, 2), Math.exp(-0.25), 1e-13);
  });

  it('give the χ² of the tables: 27.877 at one in a thousand for 9 degrees of freedom', () => {
    close(chiSquareQuantile(0.001, 9), 27.877, 1e-5);
    close(chiSquareTail(chiSquareQuantile(1e-9, 9), 9) / 1e-9, 1, 1e-6);
  });
});

describe('the Kolmogorov–Smirnov test of two samples', () => {
  it('measures the largest distance between the distributions, ties together', () => {
    assert.equal(smirnovDistance([1, 2, 3], [4, 5]), 1);
    assert.equal(smirnovDistance([1, 2, 3, 4], [1, 2, 3, 4]), 0);
    assert.equal(smirnovDistance([1, 1, 2, 2], [1, 2, 2, 2]), 0.25);
    assert.throws(() => smirnovDistance([], [1]), { code: 'OPTION_INVALID' });
    assert.throws(() => smirnovDistance([NaN], [1]), { code: 'NOT_FINITE' });
  });

  it('is exact: every one of the orders of two small samples counted', () => {
    // All ways to place 4 of 9 values in the first sample.
    const distances: number[] = [];
    for (let mask = 0; mask < 512; mask += 1) {
      const first = Array.from({ length: 9 }, (_, bit) => bit).filter((bit) => (mask >> bit) & 1);
      if (first.length !== 4) continue;
      const second = Array.from({ length: 9 }, (_, bit) => bit).filter((bit) => !((mask >> bit) & 1));
      distances.push(smirnovDistance(first, second));
    }
    assert.equal(distances.length, 126);
    for (const distance of new Set(distances)) {
      const share = distances.filter((other) => other >= distance - 1e-12).length / 126;
      close(smirnovPValue(distance, 4, 5), distance === 0 ? 1 : share, 1e-12);
    }
  });

  it('keeps tiny tails: samples that do not overlap at all have 2 / C(n + m, n)', () => {
    // C(40, 20) = 137846528820.
    close(smirnovPValue(1, 20, 20) * 137846528820, 2, 1e-9);
  });

  it('goes over into its limit where counting would take long', () => {
    const root = Math.sqrt((600 * 500) / 1100);
    close(smirnovPValue(1.2 / root, 600, 500), 0.1122, 0.08);
    assert.equal(smirnovPValue(0, 600, 500), 1);
  });

  it('has a threshold that the level just allows', () => {
    for (const level of [0.05, 1e-3, 1e-5]) {
      const threshold = smirnovThreshold(level, 60, 50);
      assert.ok(smirnovPValue(threshold, 60, 50) <= level);
      assert.ok(smirnovPValue(threshold - 1 / 3000, 60, 50) > level);
    }
    assert.ok(smirnovThreshold(1e-6, 5, 5) > 1);
  });

  it('tested again and again alarms no more often than the rate it was corrected for', () => {
    const level = repeatedLevel(1e-3, 50);
    close(level, 0.05);
    let alarms = 0;
    for (let baseline = 0; baseline < 40; baseline += 1) {
      const before = normals(baseline + 1, 60);
      const threshold = smirnovThreshold(level, 60, 50);
      for (let window = 0; window < 50; window += 1) {
        if (smirnovDistance(before, normals(7919 * (baseline + 1) + window, 50)) >= threshold) alarms += 1;
      }
    }
    // 100 000 values may bring 100 alarms.
    assert.ok(alarms > 20 && alarms <= 130, `${alarms}`);
  });
});

describe('the population stability index', () => {
  it('has bins frozen at quantiles of the baseline, equal values together', () => {
    const bins = frozenBins(normals(1, 500));
    assert.equal(bins.edges.length, 9);
    assert.ok(bins.counts.every((count) => count === 50));
    assert.deepEqual(frozenBins([...new Array<number>(30).fill(1), 2, 3], 4).counts, [30, 2]);
    assert.throws(() => frozenBins([1, 2, 3], 10), { code: 'OPTION_INVALID' });
  });

  it('is the sum over the bins, and not infinite for an empty one', () => {
    const bins = frozenBins([1, 2, 3, 4, 5, 6, 7, 8], 2);
    const [e, a] = [4.5 / 9, 8.5 / 9];
    close(
      populationStability(bins, [1, 1, 1, 1, 2, 2, 2, 2]),
      (a - e) * Math.log(a / e) + (1 - a - e) * Math.log((1 - a) / e),
    );
    close(populationStability(bins, [1, 2, 3, 4, 5, 6, 7, 8]), 0);
  });

  it('without change exceeds its threshold at most as often as was asked, where 0.1 always alarms', () => {
    let exceeded = 0;
    let above = 0;
    const runs = 2000;
    for (let run = 0; run < runs; run += 1) {
      const bins = frozenBins(normals(2 * run + 1, 100));
      const index = populationStability(bins, normals(2 * run + 2, 100));
      if (index > stabilityThreshold(bins, 100, 0.01)) exceeded += 1;
      if (index > 0.1) above += 1;
    }
    assert.ok(exceeded / runs <= 0.02, `${exceeded}`);
    assert.ok(above / runs > 0.8, `${above}`);
  });

  it('sees a shift of one standard deviation in a hundred values', () => {
    const bins = frozenBins(normals(3, 100));
    assert.ok(populationStability(bins, normals(4, 100, 1)) > stabilityThreshold(bins, 100, 1e-4));
  });
});

describe('the area under the receiver operating characteristic', () => {
  it('is the chance that a bad part scores above a good one, ties half', () => {
    assert.equal(auroc([1, 2], [3, 4]), 1);
    assert.equal(auroc([1, 2, 3], [2]), 0.5);
    assert.equal(auroc([3], [1]), 0);
  });
});
