/** What a rule makes of one part, and what rules have in common. */
import type { Decision, VerdictSection } from '../inspection/inspection.ts';

/** What a part gets that cannot be judged. */
export type Fallback = Exclude<Decision, 'accept'>;

export type RuleFinding = NonNullable<VerdictSection['rules']>[number];

export interface Judgement {
  decision: Decision;
  /** Short and stable, e.g. `above-threshold`. */
  reason: string;
  score: number | null;
  threshold: number | null;
  pValue?: number;
  /** True when too little is known to act on the decision: it is advice. */
  advise?: boolean;
  rules?: RuleFinding[];
}

/** A part that cannot be judged, and why. */
export interface Doubt {
  doubt: string;
  score: number | null;
}

/** Remembers something from part to part; the state is plain JSON and outlives a restart. */
export interface Remembering {
  state(): unknown;
  /** Takes what `state` gave, maybe in an earlier version; what does not fit is forgotten. */
  restore(state: unknown): void;
}

/** Judges the value of a part: a score, a measured value, a list of scores or of objects. */
export interface Judge extends Remembering {
  /** Where its limits came from. */
  readonly calibration: string;
  judge(value: unknown): Judgement | Doubt;
}

/** Looks at the judgement in the light of those before. */
export interface Filter extends Remembering {
  readonly rule: string;
  /** `nowMs` is monotonic. */
  apply(judgement: Judgement, nowMs: number): Judgement;
}

const BADNESS: readonly Decision[] = ['accept', 'review', 'reject'];

export function worst(decisions: Iterable<Decision>): Decision {
  let found = 0;
  for (const decision of decisions) found = Math.max(found, BADNESS.indexOf(decision));
  return BADNESS[found] ?? 'reject';
}

/** The number, or undefined for whatever is none: a text, NaN, infinity. */
export function usable(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A property of a state that was read back; undefined where there is none of this name. */
export function remembered(state: unknown, name: string): unknown {
  return typeof state === 'object' && state !== null ? (state as Record<string, unknown>)[name] : undefined;
}
