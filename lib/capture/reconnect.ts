/**
 * Keeps a connection up: connects, waits, connects again, until it is told to stop. Outages are
 * announced once each, however many attempts they take.
 */
import { Backoff } from '../backoff.ts';
import { isAborted, sleep, type Clock } from '../clock.ts';
import { asCaptureError, SignInRefused, type CaptureError } from './errors.ts';

const BACKOFF = { firstMs: 500, maxMs: 30_000 };
/** Five tries in 20 minutes: below what the cameras we know of lock out for (seven in a row). */
const SIGN_IN_MS = 300_000;

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
  /** Resolves when the camera came back while we wait for the next attempt, which is made at once then. */
  back?: (signal: AbortSignal) => Promise<void>;
  /** True where no further attempt can help. */
  isFinal?: (error: CaptureError) => boolean;
  clock: Clock;
  /** 0 to 1; `Math.random` in production. */
  random: () => number;
  /** What is connected, for error messages. */
  what: string;
}

/** Waits, unless the camera comes back before or we are told to stop; true where it came back. */
async function isBackWithin(waitMs: number, keeper: ConnectionKeeper, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const waiting = AbortSignal.any([signal, over.signal]);
  const waits = [sleep(keeper.clock, waitMs, waiting).then(() => false)];
  if (keeper.back !== undefined) waits.push(keeper.back(waiting).then(() => true));
  try {
    return await Promise.race(waits);
  } catch {
    return false;
  } finally {
    over.abort();
  }
}

/** Runs until the signal is aborted or a failure is final; never rejects. */
export async function keepConnected(keeper: ConnectionKeeper, signal: AbortSignal): Promise<void> {
  const { random, what } = keeper;
  const backoff = new Backoff(BACKOFF, random);
  let state: 'unknown' | 'up' | 'lost' = 'unknown';
  const up = (): void => {
    backoff.reset();
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
    const error = asCaptureError(reason, 'CAMERA_LOST', what);
    if (state !== 'lost') keeper.lost(error);
    state = 'lost';
    if (keeper.isFinal?.(error) === true) return;
    const waitMs = error instanceof SignInRefused ? SIGN_IN_MS : backoff.nextMs();
    if (await isBackWithin(waitMs, keeper, signal)) backoff.reset();
  }
}
