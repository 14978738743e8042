import assert from 'node:assert/strict';
import { LifeTable } from '../../../lib/series/remaining-life.ts';
import { remainingLife, trendOf } from '../../../lib/series/trend.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const times = Array.from({ length: 60 }, (_, day) => day);

describe('the trend of a health score', () => {
  it('is the line itself where there is no noise', () => {
    const { slope, level, slopeInterval } = trendOf(
      times,
      times.map((day) => 2 + 0.5 * day),
    );
    assert.ok(Math.abs(slope - 0.5) < 1e-12 && Math.abs(level - 31.5) < 1e-9);
    assert.ok(slopeInterval.every((value) => Math.abs(value - 0.5) < 1e-12));
  });

  it('takes the ranks of its interval as Gilbert (1987), §16.5, does', () => {
    // n = 10 points, 45 slopes; C = 1.96 · √125 = 21.9: ranks 11.5 → 11th and 33.5 + 1 → 35th of 45.
    const scores = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];
    const slopes = scores
      .flatMap((value, i) => scores.slice(i + 1).map((other, j) => (other - value) / (j + 1)))
      .sort((a, b) => a - b);
    const { slope, slopeInterval } = trendOf(times.slice(0, 10), scores);
    assert.equal(slope, slopes[22]);
    assert.deepEqual(slopeInterval, [slopes[10], slopes[34]]);
  });

  it('is not moved by a quarter of wild points', () => {
    const random = seededRandom(3);
    const scores = times.map((day) =>
      day % 4 === 1 ? 1000 * random.uniform() : 0.2 * day + 0.1 * random.normal(),
    );
    assert.ok(Math.abs(trendOf(times, scores).slope - 0.2) < 0.05);
  });

  it('has an interval that holds the true slope about as often as it says', () => {
    const random = seededRandom(5);
    let held = 0;
    for (let run = 0; run < 400; run += 1) {
      const [lower, upper] = trendOf(
        times.slice(0, 20),
        times.slice(0, 20).map((day) => day + 5 * random.normal()),
        0.9,
      ).slopeInterval;
      if (lower <= 1 && upper >= 1) held += 1;
    }
    assert.ok(held >= 0.87 * 400 && held <= 0.95 * 400, `${held} of 400`);
  });

  it('says how long until the limit, and that it never comes where the score does not move', () => {
    const random = seededRandom(7);
    const rising = times.map((day) => 10 + 0.5 * day + random.normal());
    const { remaining, interval } = remainingLife(times, rising, { limit: 100 });
    assert.ok(remaining !== null && Math.abs(remaining - 121) < 15);
    assert.ok((interval[0] ?? Infinity) < remaining && (interval[1] ?? 0) > remaining);
    const still = remainingLife(
      times,
      times.map(() => 10 + random.normal()),
      { limit: 100 },
    );
    assert.equal(still.interval[1], null);
    assert.equal(remainingLife(times, rising, { limit: 20 }).remaining, 0);
    assert.equal(remainingLife(times, rising, { limit: 0, worse: 'lower' }).remaining, null);
    const falling = rising.map((value) => -value);
    assert.equal(remainingLife(times, falling, { limit: -100, worse: 'lower' }).remaining, remaining);
  });

  it('refuses what makes no trend', () => {
    assert.throws(() => trendOf([1, 2, 3, 4], [1, 2, 3, 4]), { code: 'SERIES_TOO_SHORT' });
    assert.throws(() => trendOf([1, 2, 3, 3, 4], [1, 2, 3, 4, 5]), { code: 'SERIES_UNREADABLE' });
    assert.throws(() => trendOf([1, 2, 3, 4, 5], [1, NaN, 3, 4, 5]), { code: 'SERIES_UNREADABLE' });
  });
});

describe('remaining life from histories of machines that failed', () => {
  /** Wear that begins at some moment and grows as a square until failure, seen through two noisy sensors. */
  function history(life: number, seed: number): number[][] {
    const random = seededRandom(seed);
    return Array.from({ length: life }, (_, row) => {
      const wear = Math.max(0, 1 - (life - row) / 60) ** 2;
      return [wear + 0.03 * random.normal(), 5 - 2 * wear + 0.06 * random.normal(), 7];
    });
  }

  it('is right to a few rows near the end, and no more than the cap while all is well', () => {
    const table = new LifeTable(
      Array.from({ length: 30 }, (_, machine) => history(90 + 3 * machine, machine)),
      { neighbours: 20, cap: 80 },
    );
    const fresh = history(140, 99);
    const late = table.predict(fresh.slice(0, 130));
    assert.ok(Math.abs(late.remaining - 10) < 5, `10 rows are left, not ${late.remaining}`);
    assert.ok(late.interval[0] <= 10 && late.interval[1] >= 10);
    assert.ok(table.predict(fresh.slice(0, 40)).remaining > 60);
  });

  it('needs a whole stretch', () => {
    assert.throws(() => new LifeTable([history(10, 1)]), { code: 'SERIES_TOO_SHORT' });
    const table = new LifeTable([history(100, 1)]);
    assert.throws(() => table.predict(history(100, 2).slice(0, 29)), { code: 'SERIES_TOO_SHORT' });
  });
});
