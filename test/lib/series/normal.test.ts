import assert from 'node:assert/strict';
import fc from 'fast-check';
import { conformalPValue } from '../../../lib/anomaly/p-value.ts';
import { learnNormal, rowOf, Watch, type LearnOptions } from '../../../lib/series/normal.ts';
import { calibratedLimits } from '../../../lib/gate/limits.ts';
import { METHOD_NAMES } from '../../../lib/series/methods/methods.ts';
import { highestRanks, rankOf } from '../../../lib/series/rank.ts';
import { fitScaling, scaled } from '../../../lib/series/scaling.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';
import { PUMP, pumpRows } from './pump.ts';

const lesson: LearnOptions = {
  columns: PUMP,
  rows: pumpRows(400, 1),
  methods: ['nearest', 'pca'],
  smoothing: 3,
};

async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
}

describe('ranks of scores', () => {
  const good = [1, 2, 3, 4, 5, 6, 7, 8, 9];

  it('are −log₁₀ of the conformal p-value at every good score, and go on above the highest', () => {
    for (const score of good)
      assert.ok(Math.abs(10 ** -rankOf(good, score) - conformalPValue(good, score)) < 1e-12);
    assert.equal(rankOf(good, 9), Math.log10(5));
    assert.equal(rankOf(good, 27), 1 + 2);
    assert.equal(rankOf([0, 0], 3), Math.log10(3) + 3);
  });

  it('never fall when the score rises, and never claim more than the p-value does', () => {
    const scores = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 30 });
    const score = fc.double({ min: 0, max: 120, noNaN: true });
    fc.assert(
      fc.property(scores, score, score, (values, one, other) => {
        const goodScores = values.sort((a, b) => a - b);
        const [low, high] = [Math.min(one, other), Math.max(one, other)];
        assert.ok(rankOf(goodScores, low) <= rankOf(goodScores, high));
        if (one <= (goodScores.at(-1) ?? 0))
          assert.ok(10 ** -rankOf(goodScores, one) >= conformalPValue(goodScores, one) - 1e-12);
      }),
    );
  });
});

describe('the highest of several ranks', () => {
  const budget = { alpha: 0.05, delta: 0.05 };
  const TRIALS = 500;
  /** Of 500 trials that break with 5 % each, more than this break once in ten thousand (binomial). */
  const MOST_BROKEN = 44;
  /** Scores of good rows by their upper tail: each turns a share in (0, 1) into a score. */
  const tails: Record<string, { score: (tail: number) => number; tail: (score: number) => number }> = {
    bounded: { score: (tail) => 1 - tail, tail: (score) => Math.max(1 - score, 0) },
    exponential: { score: (tail) => -Math.log(tail), tail: (score) => Math.exp(-score) },
    heavy: { score: (tail) => tail ** -0.5 - 1, tail: (score) => (score + 1) ** -2 },
  };

  /** The score whose rank is the limit, so that the share of fresh rows above it is known and not estimated. */
  function scoreOfRank(good: readonly number[], limit: number): number {
    let [low, high] = [0, 1];
    while (rankOf(good, high) < limit) high *= 2;
    for (let step = 0; step < 50; step += 1) {
      const middle = (low + high) / 2;
      if (rankOf(good, middle) <= limit) low = middle;
      else high = middle;
    }
    return low;
  }

  for (const [name, { score, tail }] of Object.entries(tails)) {
    it(`keeps the gate's budget for one to six methods and 60 rows, scores ${name}`, () => {
      const random = seededRandom(11);
      for (let methods = 1; methods <= 6; methods += 1) {
        let broken = 0;
        for (let trial = 0; trial < TRIALS; trial += 1) {
          const scores = Array.from({ length: methods }, () =>
            Array.from({ length: 60 }, () => score(1 - random.uniform())),
          );
          const limit = calibratedLimits(highestRanks(scores), budget, 0, '')?.reject ?? NaN;
          const passes = scores.reduce((product, each) => {
            const good = each.toSorted((one, other) => one - other);
            return product * (1 - tail(scoreOfRank(good, limit)));
          }, 1);
          if (1 - passes > budget.alpha) broken += 1;
        }
        assert.ok(broken <= MOST_BROKEN, `${methods} methods: ${broken} of ${TRIALS} broke it`);
      }
    });
  }

  it('is that of the row among those that are not its neighbours, and no row is its own measure', () => {
    const scores = [
      [1, 2, 3, 9],
      [4, 3, 2, 1],
    ];
    const ranks = highestRanks(scores);
    assert.equal(ranks[3], Math.log10(5) + 3.5);
    assert.equal(ranks[0], Math.log10(5) + 1);
    assert.deepEqual(
      highestRanks([[1, 2, 3]]),
      [1, 2, 3].map((value) => rankOf([1, 2, 3], value)),
    );
  });
});

describe('scaling of sensors', () => {
  it('is not led astray by a tenth of outliers', () => {
    const rows = Array.from({ length: 100 }, (_, row) => [row % 10 === 0 ? 1e6 : 10 + (row % 7)]);
    assert.equal(fitScaling(rows).centre[0], 13);
  });

  it('counts one per cent of what never moved as one unit', () => {
    const { centre, scale } = fitScaling(Array.from({ length: 30 }, () => [0.1, 0]));
    assert.deepEqual(
      [centre, scale],
      [
        [0.1, 0],
        [0.001, 1],
      ],
    );
    assert.deepEqual(scaled({ centre, scale }, [0.102, 0]).map(Math.round), [2, 0]);
  });

  it('takes the scale of a signal that mostly rests from its moves', () => {
    const rows = Array.from({ length: 100 }, (_, row) => [row % 4 === 0 ? 1 : 0]);
    assert.ok((fitScaling(rows).scale[0] ?? 0) > 0.1);
  });
});

describe('normal operation', () => {
  it('is learnt the same again from the same rows, to the last digit', async () => {
    assert.equal(JSON.stringify(await learnNormal(lesson)), JSON.stringify(await learnNormal(lesson)));
  });

  it('is calibrated on what was not seen: fresh good rows exceed the 5 % level about as often', async () => {
    for (const methods of [['nearest'], ['pca'], ['similarity'], ['nearest', 'pca', 'similarity']] as const) {
      const normal = await learnNormal({ ...lesson, methods, smoothing: 1 });
      assert.equal(normal.goodScores.length, 400);
      const watch = new Watch(normal);
      const fresh = pumpRows(2000, 7).map((row) => watch.judge(row).score);
      const share =
        fresh.filter((score) => conformalPValue(normal.goodScores, score) <= 0.05).length / fresh.length;
      assert.ok(share < 0.08, `${methods.join('+')}: ${share}`);
    }
  });

  it('in-sample scores would not do: the rows themselves look better to the model than they should', async () => {
    const normal = await learnNormal({ ...lesson, methods: ['nearest'], smoothing: 1 });
    const watch = new Watch(normal);
    const own = lesson.rows.map((row) => watch.judge(row).score).sort((a, b) => a - b);
    const fresh = pumpRows(2000, 7);
    watch.reset();
    const share =
      fresh.filter((row) => conformalPValue(own, watch.judge(row).score) <= 0.05).length / fresh.length;
    assert.ok(share > 0.3, `the control must fail: ${share}`);
  });

  it('lets the most alarmed method speak, and shares the blame between sensors', async () => {
    const watch = new Watch(await learnNormal(lesson));
    for (const row of pumpRows(10, 3)) watch.judge(row);
    const { score, shares } = watch.judge([12, 3.2, 40, 80]);
    assert.ok(score > 3);
    assert.equal(shares.indexOf(Math.max(...shares)), 3);
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
  });

  it('notices when a sensor that never moved begins to', async () => {
    const rows = pumpRows(200, 1).map((row) => [...row, 7]);
    const watch = new Watch(await learnNormal({ columns: [...PUMP, 'still'], rows, methods: ['pca'] }));
    const next = pumpRows(1, 5)[0] ?? [];
    assert.ok(watch.judge([...next, 7]).score < 2.3);
    const { score, shares } = watch.judge([...next, 8]);
    assert.ok(score > 10 && (shares[4] ?? 0) > 0.9);
  });

  it('smooths: one odd row in five weighs less than five', async () => {
    const watch = new Watch(await learnNormal({ ...lesson, smoothing: 5 }));
    const good = pumpRows(20, 3);
    for (const row of good.slice(0, 10)) watch.judge(row);
    const odd = [12, 3.2, 40, 66];
    const once = watch.judge(odd).score;
    for (let more = 0; more < 3; more += 1) watch.judge(odd);
    assert.ok(watch.judge(odd).score > once);
  });

  it('gives no score where the features are beyond numbers, whichever method it is', async () => {
    const watch = new Watch(await learnNormal({ ...lesson, methods: METHOD_NAMES }));
    assert.equal(await codeOf(() => watch.judge([1e200, 3.2, 40, 60])), 'SCORE_NOT_FINITE');
  });

  it('refuses rows that teach nothing or hold no numbers', async () => {
    assert.equal(await codeOf(() => learnNormal({ ...lesson, rows: pumpRows(29, 1) })), 'SERIES_TOO_SHORT');
    const hole = lesson.rows.map((row, at) => (at === 7 ? [...row.slice(0, 3), NaN] : row));
    assert.equal(await codeOf(() => learnNormal({ ...lesson, rows: hole })), 'FEATURES_INVALID');
    assert.equal(
      await codeOf(() => learnNormal({ ...lesson, rows: pumpRows(400, 1).map(() => [1, 2, 3, 4]) })),
      'SERIES_CONSTANT',
    );
  });

  it('takes features in any order, and none that are missing, unknown or not numbers', async () => {
    assert.deepEqual(rowOf(['a', 'b'], { b: 2, a: 1 }), [1, 2]);
    assert.equal(await codeOf(() => rowOf(['a', 'b'], { a: 1 })), 'FEATURE_MISSING');
    assert.equal(await codeOf(() => rowOf(['a'], { a: 1, b: 2 })), 'FEATURE_UNKNOWN');
    assert.equal(await codeOf(() => rowOf(['a'], { a: NaN })), 'FEATURES_INVALID');
    assert.equal(await codeOf(() => rowOf(['a'], { a: '1' })), 'FEATURES_INVALID');
    for (const nothing of [undefined, null, 7, [1], 'a', {}])
      assert.equal(await codeOf(() => rowOf(['a'], nothing)), 'FEATURES_INVALID');
  });
});
