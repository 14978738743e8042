/**
 * What a new version would have done differently, counted part by part beside the one in service. Both are held
 * to the same promise: each to the limit that its own good parts set. Nothing here has an effect on a part.
 */
import type { Box } from '../inspection/inspection.ts';

/** Whose scores are compared, by the digest of each. */
export interface ShadowPair {
  served: string;
  candidate: string;
}

/** Score above which a part is rejected, of each. */
interface ShadowLimits {
  served: number;
  candidate: number;
}

/** A part on which the two differ. */
export interface ShadowPart {
  partId: string;
  /** ISO 8601 in UTC. */
  at: string;
  /** Which of the two would reject it. */
  rejectedBy: 'served' | 'candidate';
  scores: ShadowLimits;
  limits: ShadowLimits;
  /** Places the new version finds unusual, in pixels of the frame. */
  boxes: Box[];
}

export interface ShadowState extends ShadowPair {
  startedAt: string;
  /** When it ends at the latest, in milliseconds since 1970; null where only parts count. */
  untilMs: number | null;
  /** Parts to compare. */
  wanted: number;
  /** Parts that were compared, and parts that passed while it was busy. */
  seen: number;
  skipped: number;
  bothAccept: number;
  bothReject: number;
  onlyServed: number;
  onlyCandidate: number;
  /** Sums, of the parts compared. */
  servedMs: number;
  candidateMs: number;
  /** The newest. */
  differing: ShadowPart[];
  /** `failed`: it could not be loaded. */
  ended: 'parts' | 'time' | 'stopped' | 'failed' | null;
}

/** Nobody looks through more. */
const MAX_DIFFERING = 60;

export function beginShadow(
  pair: ShadowPair,
  { parts, untilMs }: { parts: number; untilMs: number | null },
): ShadowState {
  return {
    ...pair,
    startedAt: new Date().toISOString(),
    untilMs,
    wanted: parts,
    seen: 0,
    skipped: 0,
    ...{ bothAccept: 0, bothReject: 0, onlyServed: 0, onlyCandidate: 0 },
    ...{ servedMs: 0, candidateMs: 0 },
    differing: [],
    ended: null,
  };
}

/** A part both have scored. */
export type Compared = Omit<ShadowPart, 'rejectedBy'> & { servedMs: number; candidateMs: number };

/** The state with one part more, and whether the two differ on it. A score that is no number is rejected. */
export function compareShadow(
  state: ShadowState,
  { servedMs, candidateMs, ...part }: Compared,
): { state: ShadowState; differs: boolean } {
  const rejects = (whose: keyof ShadowLimits): boolean => !(part.scores[whose] <= part.limits[whose]);
  const [served, candidate] = [rejects('served'), rejects('candidate')];
  const seen = state.seen + 1;
  const rejectedBy = served ? ('served' as const) : ('candidate' as const);
  return {
    differs: served !== candidate,
    state: {
      ...state,
      seen,
      bothAccept: state.bothAccept + Number(!served && !candidate),
      bothReject: state.bothReject + Number(served && candidate),
      onlyServed: state.onlyServed + Number(served && !candidate),
      onlyCandidate: state.onlyCandidate + Number(!served && candidate),
      servedMs: state.servedMs + servedMs,
      candidateMs: state.candidateMs + candidateMs,
      differing:
        served === candidate
          ? state.differing
          : [...state.differing, { ...part, rejectedBy }].slice(-MAX_DIFFERING),
      ended: seen >= state.wanted ? 'parts' : state.ended,
    },
  };
}
