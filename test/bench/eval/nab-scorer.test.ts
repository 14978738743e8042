import assert from 'node:assert/strict';
import { normalTail } from '../../../bench/eval/nab.ts';
import {
  bestThreshold,
  nabScore,
  normalised,
  probation,
  type Series,
} from '../../../bench/eval/nab-scorer.ts';
import { countsOf, ratesOf } from '../../../bench/eval/skab.ts';

const STANDARD = { tpWeight: 1, fpWeight: 0.11, fnWeight: 1 };
const times = Array.from({ length: 200 }, (_, row) => String(row));
/** One window of eleven rows. */
const series: Series = { times, windows: [['100', '110']] };

function at(...rows: number[]): number[] {
  return times.map((_, row) => (rows.includes(row) ? 1 : 0));
}

function score(...rows: number[]): number {
  return nabScore(series, at(...rows), 1, STANDARD);
}

describe("NAB's scorer", () => {
  it('gives one for a window found at once, less for later, and counts only the first find', () => {
    assert.ok(Math.abs(score(100) - 1) < 1e-12);
    assert.ok(score(105) < score(100) && score(105) > score(110) && score(110) > 0);
    assert.equal(score(100, 101, 109), score(100));
    assert.equal(score(), -1);
  });

  it('takes the weight of a false alarm far from a window, and less just behind one', () => {
    assert.ok(Math.abs(score(50) - (-1 - 0.11)) < 1e-12);
    assert.ok(Math.abs(score(199) - (-1 - 0.11)) < 1e-9);
    assert.ok(score(111) > score(115) && score(115) > score(199));
  });

  it('looks at nothing during probation', () => {
    assert.equal(probation(200), 30);
    assert.equal(probation(20_000), 750);
    assert.equal(score(3, 29), -1);
    assert.equal(nabScore({ times, windows: [['5', '12']] }, at(7), 1, STANDARD), 0);
  });

  it('finds the one threshold that is best for all files', () => {
    const scores = times.map((_, row) => (row === 102 ? 0.8 : row === 60 ? 0.9 : row === 150 ? 0.3 : 0));
    const { threshold, score: best } = bestThreshold([{ series, scores }], STANDARD);
    assert.equal(threshold, 0.8);
    assert.ok(Math.abs(best - nabScore(series, scores, 0.8, STANDARD)) < 1e-12);
    assert.equal(bestThreshold([{ series, scores: at(50) }], STANDARD).score, -1);
  });

  it('calls silence 0 and perfection 100', () => {
    assert.equal(normalised(-3, 3, STANDARD), 0);
    assert.equal(normalised(3, 3, STANDARD), 100);
    assert.equal(normalised(-6, 3, { ...STANDARD, fnWeight: 2 }), 0);
  });

  it('rests on a normal tail that is right where Windowed Gaussian alarms', () => {
    // Abramowitz and Stegun, table 26.2, to ten digits.
    for (const [z, tail] of [
      [0, 0.5],
      [1, 0.1586552539],
      [1.5, 0.0668072013],
      [2, 0.0227501319],
      [3, 0.001349898],
    ] as const)
      assert.ok(Math.abs(normalTail(z) - tail) < 1e-9, `${z}: ${normalTail(z)}`);
    assert.ok(1 - normalTail(8.1) < 1 && 1 - normalTail(8.4) === 1);
  });
});

describe("SKAB's rates", () => {
  it('count all files together', () => {
    const one = countsOf([1, 1, 0, 0], [true, false, true, false]);
    const other = countsOf([1, 0], [true, false]);
    const { f1, far, mar } = ratesOf([one, other]);
    assert.deepEqual([f1, far, mar], [4 / 6, 100 / 3, 100 / 3]);
  });
});
