import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ToleranceGate, type Reading } from '../../../lib/gate/gate.ts';
import {
  bandRanks,
  calibratedLimits,
  LimitJudge,
  partsMissing,
  type LimitOptions,
  type Limits,
} from '../../../lib/gate/limits.ts';
import type { Fallback } from '../../../lib/gate/judgement.ts';
import { CombinedJudge } from '../../../lib/gate/rules/combined.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const LIMITS = { reject: 4, review: 3, calibration: 'press-4@7' };

function reading(score: unknown, rest: Partial<Reading> = {}): Reading {
  return { score, late: false, mode: 'NORMAL', ...rest };
}

function gateWith(
  limits?: Limits,
  { fallback = 'review', ...options }: Partial<LimitOptions> & { fallback?: Fallback } = {},
): { gate: ToleranceGate; judge: LimitJudge } {
  const judge = new LimitJudge({ hysteresis: 0, toleranceShare: 0.25, ...options });
  if (limits !== undefined) judge.setLimits(limits);
  return { gate: new ToleranceGate({ fallback, judge }), judge };
}

describe('the tolerance gate', () => {
  it('accepts up to the review limit, reviews up to the threshold, rejects above it', () => {
    const { gate } = gateWith(LIMITS);
    const decisions = [3, 3.01, 4, 4.01].map((score) => gate.decide(reading(score)).decision);
    assert.deepEqual(decisions, ['accept', 'review', 'review', 'reject']);
  });

  it('never accepts in doubt, whatever is sent as a score', () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom('review', 'reject'), (score, fallback) => {
        fc.pre(!(typeof score === 'number' && Number.isFinite(score)));
        const { gate } = gateWith(LIMITS, { fallback });
        const verdict = gate.decide(reading(score));
        return verdict.decision === fallback && verdict.reason === 'no-score' && verdict.score === null;
      }),
    );
  });

  it('sends late parts and parts of a station that distrusts its model to the fallback', () => {
    const { gate } = gateWith(LIMITS, { fallback: 'reject' });
    assert.equal(gate.decide(reading(1, { late: true })).reason, 'late');
    assert.equal(gate.decide(reading(1, { mode: 'RULES' })).decision, 'reject');
    assert.equal(gate.decide(reading(1, { mode: 'STOPPED' })).reason, 'mode');
  });

  it('says that it is not calibrated instead of accepting', () => {
    const verdict = gateWith().gate.decide(reading(0));
    assert.deepEqual(
      [verdict.decision, verdict.reason, verdict.threshold],
      ['review', 'not-calibrated', null],
    );
  });

  it('doubts several scores for the same reasons as one', () => {
    const judge = new CombinedJudge({
      by: 'any',
      scores: [
        { name: 'a', limit: 1 },
        { name: 'b', limit: 1 },
      ],
      alpha: 0.05,
      reviewShare: 0,
    });
    const gate = new ToleranceGate({ fallback: 'review', judge });
    assert.equal(gate.decide(reading([0, 0])).decision, 'accept');
    const { decision, reason } = gate.decide(reading([0, 0], { doubt: 'not-aligned' }));
    assert.deepEqual([decision, reason], ['review', 'not-aligned']);
  });

  it('rejects the review band while the station is conservative', () => {
    const { gate } = gateWith(LIMITS);
    assert.equal(gate.decide(reading(3.5, { mode: 'CONSERVATIVE' })).decision, 'reject');
  });

  it('asks for a clearly lower score after a reject when it has hysteresis', () => {
    const { gate } = gateWith({ reject: 4, review: 4, calibration: 'fixed' }, { hysteresis: 0.1 });
    const decisions = [3.9, 4.1, 3.9, 3.5, 3.9].map((score) => gate.decide(reading(score)).decision);
    assert.deepEqual(decisions, ['accept', 'reject', 'reject', 'accept', 'accept']);
  });

  it('lets a person move the threshold within its bounds and no further', () => {
    const { gate, judge } = gateWith();
    assert.throws(() => judge.moveThreshold(4), { code: 'NOT_CALIBRATED' });
    judge.setLimits(LIMITS);
    judge.moveThreshold(5);
    assert.equal(gate.decide(reading(4.9)).decision, 'review');
    for (const outside of [5.01, 2.99, NaN]) {
      assert.throws(() => judge.moveThreshold(outside), { code: 'TOLERANCE_OUT_OF_BOUNDS' });
    }
    // Bounds stay where calibration put them, however often the threshold moves.
    assert.deepEqual([judge.tolerance().min, judge.tolerance().max], [3, 5]);
  });

  it('asks for a clearly lower score after a reject of a score below zero too', () => {
    const { gate } = gateWith({ reject: -4, review: -4, calibration: 'fixed' }, { hysteresis: 0.1 });
    const decisions = [-4.1, -3.9, -4.1, -4.5, -4.1].map((score) => gate.decide(reading(score)).decision);
    assert.deepEqual(decisions, ['accept', 'reject', 'reject', 'accept', 'accept']);
  });

  it('gives advice and decides nothing while too few good parts are known', () => {
    const limits = calibratedLimits([1, 3, 2], { alpha: 0.05, delta: 0.05 }, 0.1, 'm@1');
    assert.deepEqual(limits, { reject: 3, review: 3, calibration: 'm@1', advise: true });
    for (const fallback of ['review', 'reject'] as const) {
      const { gate, judge } = gateWith(limits, { fallback });
      const found = [2, 4].map((score) => gate.decide(reading(score, { pValue: 0.25 })));
      assert.deepEqual(
        found.map(({ decision, reason, advice, pValue }) => [decision, reason, advice, pValue]),
        [
          [fallback, 'advise', 'accept', 0.25],
          [fallback, 'advise', 'reject', 0.25],
        ],
      );
      assert.equal(judge.tolerance().threshold, null, 'there is nothing to move');
      assert.throws(() => judge.moveThreshold(3), { code: 'NOT_CALIBRATED' });
    }
  });

  it('does not believe the score of another model', () => {
    const { gate } = gateWith(LIMITS);
    const verdict = gate.decide(reading(1, { doubt: 'wrong-model' }));
    assert.deepEqual([verdict.decision, verdict.reason, verdict.score], ['review', 'wrong-model', 1]);
    assert.equal(gate.decide(reading(undefined, { doubt: 'wrong-model' })).reason, 'no-score');
  });

  it('knows after a restart that the last part was a reject', () => {
    const before = gateWith(LIMITS, { hysteresis: 0.1 });
    before.gate.decide(reading(4.1));
    const state: unknown = JSON.parse(JSON.stringify(before.gate.state()));
    const after = gateWith(LIMITS, { hysteresis: 0.1 });
    after.gate.restore(state);
    assert.equal(after.gate.decide(reading(3.9)).decision, 'reject');
    for (const nonsense of [undefined, null, 7, { judge: 3, filters: 'none' }]) {
      const fresh = gateWith(LIMITS);
      fresh.gate.restore(nonsense);
      assert.equal(fresh.gate.decide(reading(1)).decision, 'accept');
    }
  });

  it('sends no more of the good parts to a person than the share, as sure as it says', () => {
    // Of uniform scores the share between two ranks is the distance of the scores.
    const [share, delta, runs] = [0.1, 0.05, 1000];
    const random = seededRandom(7);
    let wider = 0;
    for (let run = 0; run < runs; run += 1) {
      const scores = Array.from({ length: 200 }, () => random.uniform());
      const limits = calibratedLimits(scores, { alpha: 0.05, delta }, share, 'm@1');
      assert.ok(limits !== undefined && limits.review < limits.reject);
      if (limits.reject - limits.review > share) wider += 1;
    }
    // 68 of 1000 is the 99.7 % limit of 5 %; a band of twenty ranks, their mean, fails in every second run.
    assert.ok(wider <= 68, `${wider} of ${runs} bands are wider than ${share}`);
    assert.equal(bandRanks(200, share, delta), 13);
    assert.equal(bandRanks(20, 0.01, delta), 0, 'too few parts to promise any band');
  });

  it('derives its limits from good parts, with a review band below the threshold', () => {
    const good = Array.from({ length: 200 }, (_, index) => index);
    const limits = calibratedLimits(good, { alpha: 0.05, delta: 0.05 }, 0.1, 'm@1');
    assert.ok(limits !== undefined && limits.review < limits.reject);
    assert.equal(calibratedLimits(good.slice(0, 58), { alpha: 0.05, delta: 0.05 }, 0, 'm@1')?.advise, true);
    assert.equal(calibratedLimits([], { alpha: 0.05, delta: 0.05 }, 0, 'm@1'), undefined);
    assert.equal(partsMissing(58, { alpha: 0.05, delta: 0.05 }), 1);
  });
});
