/**
 * How many good parts the gate really rejects, from what people found.
 *
 * Only some parts are looked at, and mostly those that were not accepted. Every rejected part nobody has
 * labelled is therefore taken for bad at the lower end and for good at the upper end, and the exact
 * interval (Clopper–Pearson) is taken around both: whoever labels, and whichever parts, cannot make it
 * wrong, only wide. (C. Manski, Partial Identification of Probability Distributions, 2003, ch. 1.)
 *
 * One assumption stays: an accepted part that nobody has labelled is good. A share e of defects among
 * the accepted makes the true rate larger by the factor 1 / (1 − e) at most; at 1 % that is 1 %.
 */
import type { Decision, VerdictSection } from '../inspection/inspection.ts';
import type { Label, Truth } from '../journal/types.ts';
import { clopperPearson, missedDefectBound } from '../statistics/interval.ts';
import { DOUBTS } from './gate.ts';
import { remembered, usable, type Remembering } from './judgement.ts';

/** Parts by where their score lay: within the limits, in the review band, above the threshold. */
export type Tally = Record<Decision, number>;

export interface Counts {
  judged: Tally;
  /** Among them, what people found. */
  good: Tally;
  defect: Tally;
}

export interface RealisedRate {
  /** Rejected parts that a person found good. */
  falseRejects: number;
  /** Rejected parts nobody has labelled. */
  unlabelled: number;
  /** Parts that are good or taken for good. */
  good: number;
  /** Exact interval of the share of good parts rejected, 0..1. */
  lower: number;
  upper: number;
}

/** Good and rejected, of all good. Covers the true rate with at least `confidence`, whichever parts are labelled. */
export function realisedRate({ judged, good, defect }: Counts, confidence: number): RealisedRate {
  const left = (decision: Decision): number =>
    Math.max(0, judged[decision] - good[decision] - defect[decision]);
  const taken = left('accept') + good.accept + good.review + good.reject;
  const unlabelled = left('reject');
  const [fewest, most] = [good.reject, good.reject + unlabelled];
  return {
    falseRejects: fewest,
    unlabelled,
    good: taken,
    lower: clopperPearson(fewest, taken + left('review'), confidence).lower,
    upper: clopperPearson(most, taken + unlabelled, confidence).upper,
  };
}

/**
 * `kept`: the whole interval is within the budget. `open`: too little is known. `over`: more good parts are
 * rejected than promised. `under`: fewer than the good parts of the calibration foretell, so that the
 * scores are no longer theirs, and the gate may let defects pass. `void`: the station itself has doubts.
 */
export type RealisedState = 'kept' | 'open' | 'over' | 'under' | 'void';

export interface Expectation {
  /** The budget. */
  alpha: number;
  /** Smallest rate the calibration foretells, from how many of its good scores lie above the threshold. */
  least: number;
  /** True when drift or another doubt of the station voids what the budget assumes. */
  isVoid: boolean;
}

export function realisedState(
  { lower, upper }: RealisedRate,
  { alpha, least, isVoid }: Expectation,
): RealisedState {
  if (isVoid) return 'void';
  if (lower > alpha) return 'over';
  if (upper < least) return 'under';
  return upper <= alpha ? 'kept' : 'open';
}

/** Smallest and largest rate that the r-th of n good scores as threshold foretells: quantiles of Beta(n − r + 1, r). */
export function foretoldRate(
  above: number,
  goodParts: number,
  confidence: number,
): { least: number; most: number } {
  // The quantiles of Clopper and Pearson are those of the Beta distribution.
  const { lower } = clopperPearson(above, goodParts, confidence);
  const { upper } = clopperPearson(Math.max(0, above - 1), goodParts, confidence);
  return { least: lower, most: upper };
}

export interface MissedDefects {
  /** Labelled defects, and how many of them had been accepted. */
  defects: number;
  missed: number;
  /** Share of defects that may be accepted, 1 − δ sure, if the labelled ones were found without the gate's help. */
  bound: number;
}

interface Era {
  modelDigest: string | null;
  threshold: number;
  sinceSequence: number;
}

/** Labels are few, as people are slow; a journal full of them is not held in memory. */
const MAX_LABELS = 50_000;

function zero(): Tally {
  return { accept: 0, review: 0, reject: 0 };
}

/** Counts from the moment the model or the threshold changed: parts of before say nothing about now. */
export class RealisedTracker implements Remembering {
  #era: Era | undefined;
  #counts: Counts = { judged: zero(), good: zero(), defect: zero() };
  readonly #labels = new Map<string, { where: Decision; truth: Truth }>();

  /** Goes on counting when nothing has changed. True when the count starts anew. */
  begin(era: Era): boolean {
    const same = this.#era?.modelDigest === era.modelDigest && this.#era.threshold === era.threshold;
    if (same) return false;
    this.#era = era;
    this.#counts = { judged: zero(), good: zero(), defect: zero() };
    this.#labels.clear();
    return true;
  }

  /** Sequence from which on parts and labels count; undefined before the first limits. */
  get sinceSequence(): number | undefined {
    return this.#era?.sinceSequence;
  }

  part({ decision, reason, score }: VerdictSection): void {
    const where = this.#place(decision, reason, score);
    if (where !== undefined) this.#counts.judged[where] += 1;
  }

  /** Takes a label of this era; a later one of the same part replaces it. */
  label({ partId, sequence, truth, decision, verdictReason, score, modelDigest }: Label): void {
    if (this.#era === undefined || sequence < this.#era.sinceSequence) return;
    if (modelDigest !== this.#era.modelDigest) return;
    const where = this.#place(decision, verdictReason, score);
    const key = `${sequence} ${partId}`;
    const before = this.#labels.get(key);
    if (where === undefined || (before === undefined && this.#labels.size >= MAX_LABELS)) return;
    if (before !== undefined) this.#counts[before.truth][before.where] -= 1;
    this.#counts[truth][where] += 1;
    this.#labels.set(key, { where, truth });
  }

  get counts(): Readonly<Counts> {
    return this.#counts;
  }

  /** Undefined without a labelled defect. */
  missed(delta: number): MissedDefects | undefined {
    const { defect } = this.#counts;
    const defects = defect.accept + defect.review + defect.reject;
    if (defects === 0) return undefined;
    return { defects, missed: defect.accept, bound: missedDefectBound(defect.accept, defects, delta) };
  }

  state(): unknown {
    return { era: this.#era, judged: this.#counts.judged };
  }

  /** Brings back the counts; the labels are the journal's. */
  restore(state: unknown): void {
    const era = remembered(state, 'era');
    const [threshold, sinceSequence] = [
      usable(remembered(era, 'threshold')),
      usable(remembered(era, 'sinceSequence')),
    ];
    if (threshold === undefined || sinceSequence === undefined) return;
    const digest = remembered(era, 'modelDigest');
    this.#era = { modelDigest: typeof digest === 'string' ? digest : null, threshold, sinceSequence };
    const judged = remembered(state, 'judged');
    for (const decision of ['accept', 'review', 'reject'] as const) {
      this.#counts.judged[decision] = usable(remembered(judged, decision)) ?? 0;
    }
  }

  /** Where the score lay, whatever further rules and the mode of the station made of it. */
  #place(decision: Decision | null, reason: string | null, score: number | null): Decision | undefined {
    if (this.#era === undefined || decision === null || reason === null || score === null) return undefined;
    if (DOUBTS.has(reason)) return undefined;
    if (score > this.#era.threshold) return 'reject';
    return decision === 'accept' ? 'accept' : 'review';
  }
}
