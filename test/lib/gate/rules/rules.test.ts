import assert from 'node:assert/strict';
import { ToleranceGate } from '../../../../lib/gate/gate.ts';
import type { Filter, Judge, Judgement } from '../../../../lib/gate/judgement.ts';
import { BandJudge } from '../../../../lib/gate/rules/band.ts';
import { bonferroni, CombinedJudge, fisher } from '../../../../lib/gate/rules/combined.ts';
import { Hold, KOfN } from '../../../../lib/gate/rules/filters.ts';
import { ObjectJudge, type ObjectLimit } from '../../../../lib/gate/rules/objects.ts';
import type { Decision } from '../../../../lib/inspection/inspection.ts';

function found(judge: Judge, value: unknown): string {
  const judged = judge.judge(value);
  return 'doubt' in judged ? `doubt: ${judged.doubt}` : `${judged.decision}: ${judged.reason}`;
}

/** Every table: a rule, and what it makes of values. */
function table(title: string, judge: () => Judge, rows: readonly (readonly [unknown, string])[]): void {
  describe(title, () => {
    for (const [value, expected] of rows) {
      it(`${value === undefined ? 'nothing' : JSON.stringify(value)} → ${expected}`, () =>
        assert.equal(found(judge(), value), expected));
    }
  });
}

table('a band with a margin', () => new BandJudge({ min: 10, max: 20, margin: 1 }), [
  [15, 'accept: within-limits'],
  [11, 'accept: within-limits'],
  [10.9, 'review: near-limit'],
  [10, 'review: near-limit'],
  [9.99, 'reject: below-minimum'],
  [19.5, 'review: near-limit'],
  [20.01, 'reject: above-maximum'],
  [NaN, 'doubt: no-score'],
  ['15', 'doubt: no-score'],
  [undefined, 'doubt: no-score'],
]);

table('a minimum alone', () => new BandJudge({ min: 10, margin: 0 }), [
  [1e9, 'accept: within-limits'],
  [10, 'accept: within-limits'],
  [9, 'reject: below-minimum'],
]);

const screw: ObjectLimit = { label: 'screw', minScore: 0.6, minCount: 4, maxCount: 4, decision: 'reject' };
const stain: ObjectLimit = { label: 'stain', minScore: 0.3, minCount: 0, maxCount: 1, decision: 'review' };
const of = (label: string, ...scores: number[]) =>
  scores.map((score) => ({ label, score, box: [0, 0, 1, 1] }));
const four = of('screw', 0.9, 0.9, 0.8, 0.7);

table('limits per kind of object', () => new ObjectJudge([screw, stain]), [
  [four, 'accept: within-limits'],
  [[...four, ...of('hole', 0.9, 0.9)], 'accept: within-limits'],
  [[...four, ...of('stain', 0.5)], 'accept: within-limits'],
  [[...four, ...of('stain', 0.5, 0.4)], 'review: object-count'],
  [[...four, ...of('stain', 0.5, 0.2)], 'accept: within-limits'],
  [of('screw', 0.9, 0.9, 0.8, 0.5), 'reject: object-count'],
  [[...four, ...of('screw', 0.9)], 'reject: object-count'],
  [[], 'reject: object-count'],
  [undefined, 'doubt: no-score'],
  [[{ label: 'screw', score: 'high' }], 'doubt: no-score'],
  [[null], 'doubt: no-score'],
]);

const two = [
  { name: 'left', limit: 2 },
  { name: 'right', limit: 4 },
];
const by = (rule: 'any' | 'all' | 'fisher' | 'bonferroni') => () =>
  new CombinedJudge({ by: rule, scores: two, alpha: 0.01, reviewShare: 0.1 });

table('several scores, any of them', by('any'), [
  [[1, 1], 'accept: below-threshold'],
  [[1.9, 1], 'review: review-band'],
  [[1, 4.1], 'reject: above-threshold'],
  [[1], 'doubt: no-score'],
  [[1, NaN], 'doubt: no-score'],
  [7, 'doubt: no-score'],
]);

table('several scores, all of them', by('all'), [
  [[1, 1], 'accept: below-threshold'],
  [[2.1, 1], 'review: review-band'],
  [[2.1, 4.1], 'reject: above-threshold'],
]);

table('p-values by Fisher', by('fisher'), [
  [[0.5, 0.5], 'accept: below-threshold'],
  [[0.04, 0.03], 'reject: above-threshold'],
  [[0.2, 0.05], 'review: review-band'],
  [[0, 1], 'reject: above-threshold'],
  [[1.2, 0.5], 'doubt: no-score'],
]);

table('p-values by weighted Bonferroni', by('bonferroni'), [
  // A third of α for the left one, two thirds for the right one.
  [[0.003, 1], 'reject: above-threshold'],
  [[0.004, 1], 'review: review-band'],
  [[1, 0.006], 'reject: above-threshold'],
  [[0.9, 0.9], 'accept: below-threshold'],
]);

describe('combined p-values', () => {
  it('are those of the χ² distribution by Fisher', () => {
    // Two: p₁p₂(1 − ln p₁p₂). One stays what it is.
    assert.ok(Math.abs(fisher([0.04, 0.03]) - 0.0012 * (1 - Math.log(0.0012))) < 1e-12);
    assert.ok(Math.abs(fisher([0.37]) - 0.37) < 1e-12);
  });

  it('are the smallest over its share of the weights by Bonferroni, never above 1', () => {
    assert.ok(Math.abs(bonferroni([0.01, 0.5], [1, 1]) - 0.02) < 1e-12);
    assert.ok(Math.abs(bonferroni([0.01, 0.5], [3, 1]) - 0.04 / 3) < 1e-12);
    assert.equal(bonferroni([0.9, 0.9], [1, 1]), 1);
  });
});

function decisions(filter: Filter, parts: readonly (readonly [Decision, number])[]): string {
  return parts
    .map(([decision, at]) => {
      const judgement: Judgement = { decision, reason: 'x', score: 1, threshold: 1 };
      return filter.apply(judgement, at).decision;
    })
    .join(' ');
}

const parts = (text: string): [Decision, number][] => {
  const names: Record<string, Decision> = { a: 'accept', v: 'review', r: 'reject' };
  return text.split('').map((letter, index) => [names[letter] ?? 'accept', index * 1000]);
};

describe('k of n', () => {
  for (const [k, n, given, expected] of [
    [2, 3, 'aaraa', 'accept accept review accept accept'],
    [2, 3, 'rr', 'review reject'],
    [2, 3, 'rar', 'review accept reject'],
    [2, 3, 'rraa', 'review reject review accept'],
    [1, 1, 'ara', 'accept reject accept'],
    [2, 2, 'rvr', 'review review review'],
  ] as const) {
    it(`${k} of ${n}: ${given} → ${expected}`, () => {
      assert.equal(decisions(new KOfN({ k, n }), parts(given)), expected);
    });
  }

  it('knows after a restart what came before', () => {
    const before = new KOfN({ k: 2, n: 3 });
    decisions(before, parts('r'));
    const after = new KOfN({ k: 2, n: 3 });
    after.restore(JSON.parse(JSON.stringify(before.state())));
    assert.equal(decisions(after, parts('r')), 'reject');
  });
});

describe('a hold', () => {
  it('rejects every part for its time after the last bad one', () => {
    const text = decisions(new Hold({ holdMs: 2500 }), parts('aravaaa'));
    assert.equal(text, 'accept reject reject reject accept accept accept');
  });

  it('has the time left after a restart that it had before, whatever clock runs then', () => {
    const before = new Hold({ holdMs: 2500 });
    decisions(before, [
      ['reject', 1_000_000],
      ['accept', 1_001_000],
    ]);
    const after = new Hold({ holdMs: 2500 });
    after.restore(JSON.parse(JSON.stringify(before.state())));
    assert.equal(
      decisions(after, [
        ['accept', 5],
        ['accept', 1499],
        ['accept', 1510],
      ]),
      'reject reject accept',
    );
  });
});

describe('further rules of a gate', () => {
  it('are asked in their order, are in the verdict, and never turn a bad part into an accepted one', () => {
    const judge = new BandJudge({ max: 3, margin: 0 });
    const gate = new ToleranceGate({
      fallback: 'review',
      judge,
      filters: [new KOfN({ k: 2, n: 2 }), new Hold({ holdMs: 1000 })],
      now: () => 0,
    });
    const reading = (score: number) => gate.decide({ score, late: false, mode: 'NORMAL' });
    const [lone, confirmed, held] = [reading(4), reading(4), reading(1)];
    assert.deepEqual([lone.decision, lone.reason], ['review', 'k-of-n']);
    assert.deepEqual(lone.rules, [{ rule: 'k-of-n', decision: 'review', reason: '1 of 1, at 2 of 2' }]);
    assert.deepEqual([confirmed.decision, confirmed.reason], ['reject', 'above-maximum']);
    assert.deepEqual([held.decision, held.reason], ['reject', 'hold']);
    assert.equal(gate.decide({ score: 4, late: false, mode: 'CONSERVATIVE' }).decision, 'reject');
  });
});

describe('a rule that cannot work', () => {
  const broken: Record<string, () => unknown> = {
    'a band without limits': () => new BandJudge({ margin: 0 }),
    'a band upside down': () => new BandJudge({ min: 2, max: 1, margin: 0 }),
    'a margin that leaves nothing': () => new BandJudge({ min: 0, max: 1, margin: 0.6 }),
    'no object': () => new ObjectJudge([]),
    'an object that may be there any number of times': () =>
      new ObjectJudge([{ ...screw, minCount: 0, maxCount: Infinity }]),
    'one score to combine': () =>
      new CombinedJudge({ by: 'any', scores: [{ name: 'a', limit: 1 }], alpha: 0.01, reviewShare: 0 }),
    'a limit of 0': () =>
      new CombinedJudge({
        by: 'any',
        scores: [...two, { name: 'a', limit: 0 }],
        alpha: 0.01,
        reviewShare: 0,
      }),
    '4 of 3': () => new KOfN({ k: 4, n: 3 }),
    'a hold of nothing': () => new Hold({ holdMs: 0 }),
  };
  for (const [name, make] of Object.entries(broken)) {
    it(`is refused: ${name}`, () => assert.throws(make, { code: 'RULE_INVALID' }));
  }
});
