import assert from 'node:assert/strict';
import {
  foretoldRate,
  realisedRate,
  realisedState,
  RealisedTracker,
  type Counts,
} from '../../../lib/gate/realised.ts';
import type { Decision, VerdictSection } from '../../../lib/inspection/inspection.ts';
import type { Label } from '../../../lib/journal/types.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const none = { accept: 0, review: 0, reject: 0 };

function counts(changes: { [Name in keyof Counts]?: Partial<Counts[Name]> }): Counts {
  return {
    judged: { ...none, ...changes.judged },
    good: { ...none, ...changes.good },
    defect: { ...none, ...changes.defect },
  };
}

function verdict(decision: Decision, score: number | null, reason = 'x'): VerdictSection {
  return { decision, score, reason, threshold: 3, mode: 'NORMAL', calibration: 'm@1' };
}

function label(sequence: number, truth: Label['truth'], changes: Partial<Label> = {}): Label {
  return {
    rowId: sequence,
    partId: `p${sequence}`,
    sequence,
    truth,
    decision: 'reject',
    verdictReason: 'above-threshold',
    score: 4,
    modelDigest: 'sha256:aa',
    actor: 'mara',
    defectClass: null,
    proposedBy: null,
    reason: 'looked',
    at: '',
    ...changes,
  };
}

describe('the realised rate of false rejects', () => {
  it('is exact when every rejected part was looked at', () => {
    const rate = realisedRate(
      counts({ judged: { accept: 90, reject: 15 }, good: { reject: 10 }, defect: { reject: 5 } }),
      0.95,
    );
    assert.deepEqual([rate.falseRejects, rate.unlabelled, rate.good], [10, 0, 100]);
    // Clopper and Pearson, 10 of 100 at 95 %.
    assert.ok(Math.abs(rate.lower - 0.0490047) < 1e-6 && Math.abs(rate.upper - 0.1762226) < 1e-6);
  });

  it('takes rejected parts nobody has looked at for bad below and for good above', () => {
    const rate = realisedRate(counts({ judged: { accept: 90, reject: 15 }, good: { reject: 5 } }), 0.95);
    const least = realisedRate(counts({ judged: { accept: 90, reject: 5 }, good: { reject: 5 } }), 0.95);
    const most = realisedRate(counts({ judged: { accept: 90, reject: 15 }, good: { reject: 15 } }), 0.95);
    assert.deepEqual([rate.lower, rate.upper, rate.unlabelled], [least.lower, most.upper, 10]);
  });

  it('says nothing before there are parts', () => {
    const { lower, upper } = realisedRate(counts({}), 0.95);
    assert.deepEqual([lower, upper], [0, 1]);
  });

  /** Parts judged by a threshold with a known rate, of which only some are labelled, in a way that misleads. */
  function simulate(pick: (isGood: boolean, random: () => number) => boolean): {
    covered: number;
    naive: number;
  } {
    const random = seededRandom(11);
    const [rate, defects, runs] = [0.04, 0.03, 500];
    let [covered, naive] = [0, 0];
    for (let run = 0; run < runs; run += 1) {
      const seen = counts({});
      for (let part = 0; part < 400; part += 1) {
        const isGood = random.uniform() >= defects;
        const decision = !isGood || random.uniform() < rate ? 'reject' : 'accept';
        seen.judged[decision] += 1;
        if (decision === 'reject' && pick(isGood, () => random.uniform())) {
          seen[isGood ? 'good' : 'defect'].reject += 1;
        }
      }
      const { lower, upper } = realisedRate(seen, 0.95);
      if (lower <= rate && rate <= upper) covered += 1;
      // What everybody does: the share of good parts among the labelled rejects, of all rejects.
      const labelled = seen.good.reject + seen.defect.reject;
      const estimated = (seen.judged.reject * seen.good.reject) / Math.max(1, labelled);
      const plain = realisedRate(
        counts({
          judged: { accept: seen.judged.accept, reject: Math.round(estimated) },
          good: { reject: Math.round(estimated) },
        }),
        0.95,
      );
      if (plain.lower <= rate && rate <= plain.upper) naive += 1;
    }
    return { covered: covered / runs, naive: naive / runs };
  }

  it('holds whichever rejected parts are labelled', () => {
    const ways = {
      all: () => true,
      some: (_good: boolean, random: () => number) => random() < 0.3,
      'only those that look good': (good: boolean, random: () => number) => random() < (good ? 0.9 : 0.05),
      'only those that look bad': (good: boolean, random: () => number) => random() < (good ? 0.05 : 0.9),
      nobody: () => false,
    };
    for (const [name, pick] of Object.entries(ways)) {
      const { covered } = simulate(pick);
      // 500 runs: 92 % is three standard deviations below 95 %.
      assert.ok(covered >= 0.92, `${name}: ${covered}`);
    }
  });

  it('would not hold if the labelled rejects stood for the others', () => {
    assert.ok(simulate((good, random) => random() < (good ? 0.05 : 0.9)).naive < 0.5);
  });

  it('holds its budget, exceeds it, or shows that the scores are no longer those of the calibration', () => {
    const state = (lower: number, upper: number, isVoid = false) =>
      realisedState(
        { lower, upper, falseRejects: 0, unlabelled: 0, good: 100 },
        { alpha: 0.05, least: 0.004, isVoid },
      );
    assert.equal(state(0.01, 0.04), 'kept');
    assert.equal(state(0.01, 0.2), 'open');
    assert.equal(state(0.06, 0.2), 'over');
    assert.equal(state(0, 0.003), 'under');
    assert.equal(state(0.01, 0.04, true), 'void');
  });

  it('is foretold by the rank of the threshold among the good scores', () => {
    // Of 59 good scores the highest: Beta(1, 59), whose quantiles are 1 − (1 − q)^(1/59).
    const { least, most } = foretoldRate(1, 59, 0.95);
    assert.ok(Math.abs(least - (1 - 0.975 ** (1 / 59))) < 1e-9);
    assert.ok(Math.abs(most - (1 - 0.025 ** (1 / 59))) < 1e-9);
  });
});

describe('what is counted of the parts and labels', () => {
  const era = { modelDigest: 'sha256:aa', threshold: 3, sinceSequence: 10 };
  function tracker(): RealisedTracker {
    const made = new RealisedTracker();
    made.begin(era);
    return made;
  }

  it('goes by where the score lay, whatever the mode or a further rule made of the part', () => {
    const made = tracker();
    made.part(verdict('accept', 1));
    made.part(verdict('review', 2.5));
    made.part(verdict('reject', 2.5, 'review-band'));
    made.part(verdict('review', 4, 'k-of-n'));
    made.part(verdict('reject', 4));
    assert.deepEqual(made.counts.judged, { accept: 1, review: 2, reject: 2 });
  });

  it('leaves out parts that could not be judged', () => {
    const made = tracker();
    for (const reason of ['late', 'mode', 'advise', 'wrong-model']) made.part(verdict('review', 4, reason));
    made.part(verdict('review', null, 'no-score'));
    made.label(label(12, 'good', { verdictReason: 'late' }));
    assert.deepEqual(made.counts, { judged: none, good: none, defect: none });
  });

  it('counts the last label of a part, and none of another model, time or threshold', () => {
    const made = tracker();
    made.label(label(12, 'good'));
    made.label(label(12, 'defect'));
    made.label(label(9, 'good'));
    made.label(label(13, 'good', { modelDigest: 'sha256:bb' }));
    assert.deepEqual([made.counts.good.reject, made.counts.defect.reject], [0, 1]);
    assert.equal(made.begin({ ...era, sinceSequence: 14 }), false, 'nothing has changed');
    assert.equal(made.begin({ ...era, threshold: 4, sinceSequence: 20 }), true);
    assert.deepEqual(made.counts.defect, none);
  });

  it('bounds the share of missed defects by the exact limit', () => {
    const made = tracker();
    assert.equal(made.missed(0.05), undefined);
    for (let sequence = 11; sequence < 70; sequence += 1) made.label(label(sequence, 'defect'));
    const missed = made.missed(0.05);
    assert.deepEqual([missed?.defects, missed?.missed], [59, 0]);
    assert.ok(Math.abs((missed?.bound ?? 0) - (1 - 0.05 ** (1 / 59))) < 1e-9);
  });

  it('goes on after a restart', () => {
    const made = tracker();
    made.part(verdict('accept', 1));
    const again = new RealisedTracker();
    again.restore(JSON.parse(JSON.stringify(made.state())));
    assert.equal(again.begin({ ...era, sinceSequence: 99 }), false);
    assert.equal(again.sinceSequence, 10);
    assert.equal(again.counts.judged.accept, 1);
    const empty = new RealisedTracker();
    for (const nonsense of [undefined, 3, { era: { threshold: 'x' } }]) empty.restore(nonsense);
    assert.equal(empty.sinceSequence, undefined);
  });
});
