/**
 * What becomes of a command, and why.
 *
 * `confirmed`: the PLC holds the value and says so. `refused`: nothing was sent, or the PLC said that it
 * did not act. `clamped`: the PLC took something else. `unknown`: sent, and the effect could not be seen.
 */
import { asCodedError } from '../errors.ts';
import type { CommandOutcome } from '../inspection/inspection.ts';
import type { TagValue } from './tag-type.ts';

export type ReasonCode =
  | 'NOT_ARMED'
  | 'STALE'
  | 'OUT_OF_RANGE'
  | 'INTERLOCK'
  | 'MANUAL'
  | 'RATE'
  | 'LINK_DOWN'
  | 'NOT_GOOD'
  | 'READBACK_MISMATCH'
  | 'TIMEOUT'
  | 'SUPERSEDED'
  | 'DUPLICATE'
  | 'AUTONOMY'
  | 'NOT_APPROVED'
  | 'DRY_RUN'
  | 'JOURNAL'
  /** The process ended while this was under way. */
  | 'INTERRUPTED';

export interface Outcome {
  outcome: CommandOutcome;
  reason?: ReasonCode;
  /** The same for people. */
  detail?: string;
  readBack: TagValue | null;
  ms: number;
}

export type Verdict = Omit<Outcome, 'ms'>;

/** First pause between two looks; doubled up to the last, so that a slow PLC is not flooded. */
const FIRST_POLL_MS = 2;
const LAST_POLL_MS = 50;

export function refused(reason: ReasonCode, detail: string): Verdict {
  return { outcome: 'refused', reason, detail, readBack: null };
}

export function unknown(reason: ReasonCode, detail: string, readBack: TagValue | null = null): Verdict {
  return { outcome: 'unknown', reason, detail, readBack };
}

export function clamped(reason: ReasonCode, detail: string, readBack: TagValue | null): Verdict {
  return { outcome: 'clamped', reason, detail, readBack };
}

/** What failed before anything was sent. */
export function refusedBy(error: unknown): Verdict {
  const { code, message } = asCodedError(error);
  return refused(reasonOf(code), message);
}

/** What failed after something was sent. */
export function unseen(error: unknown, readBack: TagValue | null = null): Verdict {
  const { code, message } = asCodedError(error);
  return unknown(reasonOf(code), message, readBack);
}

/** True for an error after which the PLC has nothing on which it would act. */
export function wasNotSent(error: unknown): boolean {
  return ['PLC_LINK_DOWN', 'PLC_WITHHELD'].includes(asCodedError(error).code);
}

function reasonOf(code: string): ReasonCode {
  if (code === 'PLC_LINK_DOWN' || code === 'PLC_LINK_LOST') return 'LINK_DOWN';
  return code === 'PLC_TIMEOUT' ? 'TIMEOUT' : 'NOT_GOOD';
}

/** Looks until there is something to see, or to undefined when there was nothing for so many milliseconds. */
export async function lookUntil<Seen>(
  look: () => Promise<Seen | undefined>,
  settleMs: number,
  now: () => number,
): Promise<Seen | undefined> {
  const until = now() + settleMs;
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_POLL_MS)) {
    const seen = await look();
    if (seen !== undefined) return seen;
    const leftMs = until - now();
    if (!(leftMs > 0)) return undefined;
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)));
  }
}
