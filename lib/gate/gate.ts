/**
 * One decision per part. Doubt never becomes `accept`: a missing or non-finite score, a late part, a
 * model without calibration, too few good parts and a station that no longer trusts its model all end
 * in the configured fallback, with the reason.
 */
import type { Decision, Mode, VerdictSection } from '../inspection/inspection.ts';
import { remembered, usable, type Fallback, type Filter, type Judge, type Judgement } from './judgement.ts';

/** Why a part could not be judged: reasons of verdicts that say nothing about its score. */
export const DOUBTS: ReadonlySet<string> = new Set([
  'late',
  'mode',
  'no-score',
  'not-calibrated',
  'wrong-model',
  'not-aligned',
  'learning',
  'advise',
]);

export interface Reading {
  /** What the judge looks at: a score, a measured value, scores, objects. */
  score: unknown;
  /** Conformal p-value of the score, where its model gave one. */
  pValue?: unknown;
  /** True when the part's deadline has passed. */
  late: boolean;
  /** Why the score cannot be believed, e.g. `wrong-model`. */
  doubt?: string | undefined;
  mode: Mode;
}

export interface GateOptions {
  fallback: Fallback;
  judge: Judge;
  /** Asked in this order, each with what the one before made of the part. */
  filters?: readonly Filter[];
  /** Monotonic milliseconds, for rules that hold for a time. */
  now?: () => number;
}

export class ToleranceGate {
  readonly #fallback: Fallback;
  readonly #judge: Judge;
  readonly #filters: readonly Filter[];
  readonly #now: () => number;

  constructor({ fallback, judge, filters = [], now = () => performance.now() }: GateOptions) {
    this.#fallback = fallback;
    this.#judge = judge;
    this.#filters = filters;
    this.#now = now;
  }

  decide({ score, pValue, late, doubt, mode }: Reading): VerdictSection {
    if (late) return this.#doubtful('late', score, mode);
    if (mode === 'RULES' || mode === 'STOPPED') return this.#doubtful('mode', score, mode);
    // Where there is nothing to judge, the judge says so itself.
    const isThere = Array.isArray(score) || usable(score) !== undefined;
    if (doubt !== undefined && isThere) return this.#doubtful(doubt, score, mode);
    const judged = this.#judge.judge(score);
    if ('doubt' in judged) return this.#doubtful(judged.doubt, judged.score, mode);
    if (judged.pValue === undefined && usable(pValue) !== undefined) judged.pValue = pValue as number;
    if (judged.advise === true) {
      // No filter hears of it: what was not decided has no history.
      return { ...this.#verdict(judged, this.#fallback, 'advise', mode), advice: judged.decision };
    }
    const now = this.#now();
    const found = this.#filters.reduce((before, filter) => filter.apply(before, now), judged);
    // A station that has stepped down no longer leaves the doubtful ones in the lot.
    const decision = mode === 'CONSERVATIVE' && found.decision === 'review' ? 'reject' : found.decision;
    return this.#verdict(found, decision, found.reason, mode);
  }

  /** What has to be known again after a restart. */
  state(): unknown {
    return { judge: this.#judge.state(), filters: this.#filters.map((filter) => filter.state()) };
  }

  restore(state: unknown): void {
    this.#judge.restore(remembered(state, 'judge'));
    const filters = remembered(state, 'filters');
    this.#filters.forEach((filter, index) =>
      filter.restore(Array.isArray(filters) ? filters[index] : undefined),
    );
  }

  #doubtful(reason: string, score: unknown, mode: Mode): VerdictSection {
    const known = usable(score) ?? null;
    return this.#verdict({ score: known, threshold: null }, this.#fallback, reason, mode);
  }

  #verdict(
    { score, threshold, pValue, rules }: Pick<Judgement, 'score' | 'threshold' | 'pValue' | 'rules'>,
    decision: Decision,
    reason: string,
    mode: Mode,
  ): VerdictSection {
    return {
      decision,
      score,
      threshold,
      reason,
      mode,
      calibration: this.#judge.calibration,
      ...(pValue === undefined ? {} : { pValue }),
      ...(rules === undefined ? {} : { rules }),
    };
  }
}
