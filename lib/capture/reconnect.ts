/**
 * Keeps a connection up: connects, waits, connects again, until it is told to stop. Outages are
 * announced once each, however many attempts they take.
 */
import { isAborted, sleep, type Clock } from './clock.ts';
import { asCaptureError, type CaptureError } from './errors.ts';

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/**
 * Exponential backoff with equal jitter: half of the delay is fixed, half is random, so that many
 * clients of one camera do not come back at the same moment
 * (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
 *
 * @param attempt 0 for the first try after a loss
 * @param random 0 to 1
 */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16));
  return full / 2 + (full / 2) * random;
}

export interface ConnectionKeeper {
  /**
   * One connection from first byte to last. Calls `up` when it really delivers; ends by rejecting,
   * or by resolving when the other side closed it in good order.
   */
  session(signal: AbortSignal, up: () => void): Promise<void>;
  /** Before each attempt. */
  connecting?(): void;
  lost(error: CaptureError): void;
  restored(): void;
  clock: Clock;
  /** 0 to 1; `Math.random` in production. */
  random: () => number;
  /** What is connected, for error messages. */
  what: string;
}

/** Runs until the signal is aborted; never rejects. */
export async function keepConnected(keeper: ConnectionKeeper, signal: AbortSignal): Promise<void> {
  const { clock, random, what } = keeper;
  let attempt = 0;
  let state: 'unknown' | 'up' | 'lost' = 'unknown';
  const up = (): void => {
    attempt = 0;
    if (state !== 'up') keeper.restored();
    state = 'up';
  };
  while (!signal.aborted) {
    let reason: unknown = new Error('the camera ended the connection');
    keeper.connecting?.();
    try {
      await keeper.session(signal, up);
    } catch (error) {
      reason = error;
    }
    if (isAborted(signal)) return;
    if (state !== 'lost') keeper.lost(asCaptureError(reason, 'CAMERA_LOST', what));
    state = 'lost';
    try {
      await sleep(clock, backoffMs(attempt, random()), signal);
    } catch {
      return;
    }
    attempt += 1;
  }
}
