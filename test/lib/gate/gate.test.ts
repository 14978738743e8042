import assert from 'node:assert/strict';
import fc from 'fast-check';
import { calibratedLimits, partsMissing, ToleranceGate, type Reading } from '../../../lib/gate/gate.ts';

const OPTIONS = { fallback: 'review', hysteresis: 0, toleranceShare: 0.25 } as const;
const LIMITS = { reject: 4, review: 3, calibration: 'press-4@7' };

function reading(score: unknown, rest: Partial<Reading> = {}): Reading {
  return { score, late: false, mode: 'NORMAL', ...rest };
}

describe('the tolerance gate', () => {
  it('accepts up to the review limit, reviews up to the threshold, rejects above it', () => {
    const gate = new ToleranceGate(OPTIONS);
    gate.setLimits(LIMITS);
    const decisions = [3, 3.01, 4, 4.01].map((score) => gate.decide(reading(score)).decision);
    assert.deepEqual(decisions, ['accept', 'review', 'review', 'reject']);
  });

  it('never accepts in doubt, whatever is sent as a score', () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom('review', 'reject'), (score, fallback) => {
        fc.pre(!(typeof score === 'number' && Number.isFinite(score)));
        const gate = new ToleranceGate({ ...OPTIONS, fallback });
        gate.setLimits(LIMITS);
        const verdict = gate.decide(reading(score));
        return verdict.decision === fallback && verdict.reason === 'no-score' && verdict.score === null;
      }),
    );
  });

  it('sends late parts and parts of a station that distrusts its model to the fallback', () => {
    const gate = new ToleranceGate({ ...OPTIONS, fallback: 'reject' });
    gate.setLimits(LIMITS);
    assert.equal(gate.decide(reading(1, { late: true })).reason, 'late');
    assert.equal(gate.decide(reading(1, { mode: 'RULES' })).decision, 'reject');
    assert.equal(gate.decide(reading(1, { mode: 'STOPPED' })).reason, 'mode');
  });

  it('says that it is not calibrated instead of accepting', () => {
    const verdict = new ToleranceGate(OPTIONS).decide(reading(0));
    assert.deepEqual(
      [verdict.decision, verdict.reason, verdict.threshold],
      ['review', 'not-calibrated', null],
    );
  });

  it('rejects the review band while the station is conservative', () => {
    const gate = new ToleranceGate(OPTIONS);
    gate.setLimits(LIMITS);
    assert.equal(gate.decide(reading(3.5, { mode: 'CONSERVATIVE' })).decision, 'reject');
  });

  it('asks for a clearly lower score after a reject when it has hysteresis', () => {
    const gate = new ToleranceGate({ ...OPTIONS, hysteresis: 0.1 });
    gate.setLimits({ reject: 4, review: 4, calibration: 'fixed' });
    const decisions = [3.9, 4.1, 3.9, 3.5, 3.9].map((score) => gate.decide(reading(score)).decision);
    assert.deepEqual(decisions, ['accept', 'reject', 'reject', 'accept', 'accept']);
  });

  it('lets a person move the threshold within its bounds and no further', () => {
    const gate = new ToleranceGate(OPTIONS);
    assert.throws(() => gate.moveThreshold(4), { code: 'NOT_CALIBRATED' });
    gate.setLimits(LIMITS);
    gate.moveThreshold(5);
    assert.equal(gate.decide(reading(4.9)).decision, 'review');
    for (const outside of [5.01, 2.99, NaN]) {
      assert.throws(() => gate.moveThreshold(outside), { code: 'TOLERANCE_OUT_OF_BOUNDS' });
    }
    // Bounds stay where calibration put them, however often the threshold moves.
    assert.deepEqual([gate.tolerance().min, gate.tolerance().max], [3, 5]);
  });

  it('derives its limits from good parts, with a review band below the threshold', () => {
    const good = Array.from({ length: 200 }, (_, index) => index);
    const limits = calibratedLimits(good, { alpha: 0.05, delta: 0.05 }, 0.1, 'm@1');
    assert.ok(limits !== undefined && limits.review < limits.reject);
    assert.equal(calibratedLimits(good.slice(0, 58), { alpha: 0.05, delta: 0.05 }, 0, 'm@1'), undefined);
    assert.equal(partsMissing(58, { alpha: 0.05, delta: 0.05 }), 1);
  });
});
