import assert from 'node:assert/strict';
import { hinkleyThreshold, streamLimits } from '../../../lib/drift/limits.ts';
import { DriftStream, rankDistance } from '../../../lib/drift/stream.ts';
import { smirnovDistance } from '../../../lib/statistics/ks.ts';
import { PageHinkley } from '../../../lib/statistics/page-hinkley.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const ascending = (values: number[]): number[] => values.sort((one, other) => one - other);

describe('a stream watched for drift', () => {
  it('alarms less often than it was told, over many choices of good parts', () => {
    // A thousand times the rate in use, so that there is something to count.
    const rate = 2e-4;
    let alarms = 0;
    let parts = 0;
    for (const count of [20, 60, 200]) {
      for (let seed = 1; seed <= 12; seed += 1) {
        const random = seededRandom(1000 * count + seed);
        const good = ascending(Array.from({ length: count }, () => random.normal()));
        const stream = new DriftStream(good, streamLimits(good.length, { rate, direction: 'both' }));
        for (let part = 0; part < 3000; part += 1, parts += 1) {
          if (stream.add(random.normal()) !== undefined) alarms += 1;
        }
      }
    }
    assert.ok(alarms <= parts * rate * 1.5, `${alarms} alarms in ${parts}`);
  });

  it('of rates looser than that would alarm: the control', () => {
    const random = seededRandom(1);
    const good = ascending(Array.from({ length: 100 }, () => random.normal()));
    const stream = new DriftStream(good, streamLimits(good.length, { rate: 0.5, direction: 'both' }));
    assert.ok(
      Array.from({ length: 5000 }, () => stream.add(random.normal())).some((alarm) => alarm !== undefined),
    );
  });

  it('measures by ranks what Kolmogorov and Smirnov measure by values', () => {
    const random = seededRandom(2);
    for (let round = 0; round < 50; round += 1) {
      const good = ascending(Array.from({ length: 37 }, () => random.normal()));
      const recent = Array.from({ length: 15 }, () => random.normal() + 0.5);
      const ranks = recent.map((value) => good.filter((one) => one < value).length);
      assert.ok(Math.abs(rankDistance(ranks, 37, 'both') - smirnovDistance(good, recent)) < 1e-12);
    }
  });

  it('asked about rises only says nothing about falls', () => {
    const good = ascending(Array.from({ length: 100 }, (_, index) => index));
    const low = (): number => -1;
    const both = new DriftStream(good, streamLimits(good.length, { rate: 1e-6, direction: 'both' }));
    const up = new DriftStream(good, streamLimits(good.length, { rate: 1e-6, direction: 'up' }));
    assert.ok(Array.from({ length: 300 }, () => both.add(low())).some((alarm) => alarm?.level === 0));
    assert.ok(Array.from({ length: 300 }, () => up.add(low())).every((alarm) => alarm === undefined));
  });
});

describe('the threshold of Page–Hinkley', () => {
  it('keeps the rate it was derived for on uniform values around a known mean', () => {
    const rate = 1e-3;
    const options = { tolerance: 0.1, threshold: hinkleyThreshold(rate), forgetting: 1, minValues: 1 };
    // So many values before that the running mean is as good as known.
    const detector = (): PageHinkley => new PageHinkley(options, { count: 1e9, mean: 0.5, high: 0, low: 0 });
    const random = seededRandom(3);
    let current = detector();
    let alarms = 0;
    for (let part = 0; part < 200_000; part += 1) {
      if (!current.update(random.uniform())) continue;
      alarms += 1;
      current = detector();
    }
    assert.ok(alarms > 10 && alarms <= 200, `${alarms}`);
  });
});
