import assert from 'node:assert/strict';
import { HealthTrend, type HealthTrendSection } from '../../../lib/series/health-trend.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const HOUR_MS = 3_600_000;

/** What the trend says last of one score a minute. */
function last(scores: readonly number[], trend: HealthTrend): HealthTrendSection | undefined {
  return scores.map((score, minute) => trend.add(1e12 + 60_000 * minute, score)).at(-1);
}

describe('the trend of a score towards its limit', () => {
  const minutes = Array.from({ length: 24 * 60 }, (_, minute) => minute);

  it('says when a score that rises by 0.1 an hour meets the limit', () => {
    const random = seededRandom(3);
    const scores = minutes.map((minute) => 0.5 + (0.1 * minute) / 60 + 0.4 * random.normal());
    const { slopePerHour, remainingHours, low, high } =
      last(scores, new HealthTrend({ limit: 4, hours: 24 })) ?? assert.fail();
    assert.ok(Math.abs(slopePerHour - 0.1) < 0.01, `${slopePerHour}`);
    // 0.5 + 2.4 is reached after a day; 1.1 remain.
    assert.ok(remainingHours !== null && Math.abs(remainingHours - 11) < 2, `${remainingHours}`);
    assert.ok(low !== null && high !== null && low <= remainingHours && remainingHours <= high);
  });

  it('says never for a machine that is well, as far as can be told', () => {
    const random = seededRandom(4);
    const scores = minutes.map(() => 0.5 + 0.4 * random.normal());
    const { high } = last(scores, new HealthTrend({ limit: 4, hours: 24 })) ?? assert.fail();
    assert.equal(high, null);
  });

  it('forgets what is older than it was told to look back', () => {
    const scores = minutes.map((minute) => (minute < 20 * 60 ? 1 : 1 + (minute - 20 * 60) / 60));
    const { slopePerHour } = last(scores, new HealthTrend({ limit: 9, hours: 3 })) ?? assert.fail();
    assert.ok(Math.abs(slopePerHour - 1) < 0.01, `${slopePerHour}`);
  });

  it('says nothing of less than five stretches, and begins anew where the clock goes back', () => {
    const trend = new HealthTrend({ limit: 4, hours: 1 });
    const stretch = HOUR_MS / 100;
    for (let at = 0; at < 5; at += 1) assert.equal(trend.add(at * stretch, at), undefined);
    assert.equal(trend.add(5 * stretch, 5)?.remainingHours, 0);
    assert.equal(trend.add(0, 5), undefined);
    assert.equal(trend.add(stretch, 5), undefined);
  });
});
