import assert from 'node:assert/strict';
import { baselineOf, ChartJudge, type ChartOptions } from '../../../../lib/gate/rules/chart.ts';

/** NIST/SEMATECH e-Handbook 6.3.2.2: flow rates of ten batches. */
const FLOWS = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1];
/** Ibid. 6.3.2.4: twenty values around 50, whose EWMA with λ = 0.3 stays within 50 ± 2.5884. */
const EWMA_VALUES = [
  52, 47, 53, 49.3, 50.1, 47, 51, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6,
  52.1,
];

const standard: ChartOptions = { chart: 'shewhart', baseline: { centre: 0, sigma: 1 } };

function reasons(judge: ChartJudge, values: readonly unknown[]): string[] {
  return values.map((value) => {
    const judged = judge.judge(value);
    return 'doubt' in judged ? `doubt: ${judged.doubt}` : `${judged.decision}: ${judged.reason}`;
  });
}

describe('a control chart of individuals', () => {
  it('has the limits of the published example', () => {
    const { centre, sigma } = baselineOf(FLOWS);
    assert.equal(centre.toFixed(2), '50.81');
    assert.equal((centre + 3 * sigma).toFixed(4), '55.8041');
    assert.equal((centre - 3 * sigma).toFixed(4), '45.8159');
  });

  for (const [values, last] of [
    [[3.1], 'reject: beyond-3-sigma'],
    [[-3.1], 'reject: beyond-3-sigma'],
    [[2.9], 'accept: in-control'],
    [[2.1, 0, 2.1], 'review: two-of-three'],
    [[2.1, 0, -2.1], 'accept: in-control'],
    [[2.1, 0, 0, 2.1], 'accept: in-control'],
    [[1.1, 1.1, 0, 1.1, 1.1], 'review: four-of-five'],
    [[-1.1, -1.1, 0, -1.1, -1.1], 'review: four-of-five'],
    [[1.1, 1.1, 0, 0, 1.1], 'accept: in-control'],
    [[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 'review: eight-on-a-side'],
    [[0.1, 0.1, 0.1, -0.1, 0.1, 0.1, 0.1, 0.1], 'accept: in-control'],
    [[NaN], 'doubt: no-score'],
  ] as const) {
    it(`${values.join(' ')} → ${last}`, () => {
      assert.equal(reasons(new ChartJudge(standard), values).at(-1), last);
    });
  }

  it('learns its limits from the first values, accepts none of them, and knows them after a restart', () => {
    const options: ChartOptions = { chart: 'shewhart', baseline: { learn: 10 } };
    const before = new ChartJudge(options);
    assert.deepEqual(new Set(reasons(before, FLOWS.slice(0, 6))), new Set(['doubt: learning']));
    assert.equal(before.missing, 4);
    const after = new ChartJudge(options);
    after.restore(JSON.parse(JSON.stringify(before.state())));
    assert.deepEqual(new Set(reasons(after, FLOWS.slice(6))), new Set(['doubt: learning']));
    assert.deepEqual(reasons(after, [55.7, 55.9]), ['accept: in-control', 'reject: beyond-3-sigma']);
    const third = new ChartJudge(options);
    third.restore(JSON.parse(JSON.stringify(after.state())));
    assert.deepEqual(reasons(third, [45.7]), ['reject: beyond-3-sigma']);
  });

  it('does not take a value that never varies for a process', () => {
    const judge = new ChartJudge({ chart: 'shewhart', baseline: { learn: 10 } });
    assert.deepEqual(new Set(reasons(judge, new Array<number>(30).fill(5))), new Set(['doubt: learning']));
  });
});

describe('an EWMA chart', () => {
  const baseline = { centre: 50, sigma: 2.0539 };

  it('finds the published example in control', () => {
    const judge = new ChartJudge({ chart: 'ewma', baseline, lambda: 0.3, width: 3 });
    assert.deepEqual(new Set(reasons(judge, EWMA_VALUES)), new Set(['accept: in-control']));
  });

  it('sees a small lasting shift that no single value shows, also over a restart', () => {
    const shifted = new Array<number>(12).fill(50 + 1.2 * baseline.sigma);
    const options: ChartOptions = { chart: 'ewma', baseline, lambda: 0.2, width: 3 };
    const whole = reasons(new ChartJudge(options), shifted);
    assert.equal(whole.at(-1), 'review: ewma-beyond-limit');
    const before = new ChartJudge(options);
    const first = reasons(before, shifted.slice(0, 6));
    const after = new ChartJudge(options);
    after.restore(JSON.parse(JSON.stringify(before.state())));
    assert.deepEqual([...first, ...reasons(after, shifted.slice(6))], whole);
  });
});

describe('a control chart that cannot work', () => {
  for (const options of [
    { chart: 'shewhart', baseline: { learn: 5 } },
    { chart: 'shewhart', baseline: { centre: 0, sigma: 0 } },
    { ...standard, chart: 'ewma', lambda: 0 },
    { ...standard, chart: 'ewma', lambda: 2 },
  ] satisfies ChartOptions[]) {
    it(`is refused: ${JSON.stringify(options)}`, () => {
      assert.throws(() => new ChartJudge(options), { code: 'RULE_INVALID' });
    });
  }
});
