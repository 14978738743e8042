/**
 * Keeps a connection up: connects, waits, connects again, until it is told to stop. Outages are
 * announced once each, however many attempts they take.
 */
import { Backoff } from '../backoff.ts';
import { isAborted, sleep, type Clock } from '../clock.ts';
import { asCaptureError, type CaptureError } from './errors.ts';

const BACKOFF = { firstMs: 500, maxMs: 30_000 };

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
    if (state !== 'lost') keeper.lost(asCaptureError(reason, 'CAMERA_LOST', what));
    state = 'lost';
    try {
      await sleep(clock, backoff.nextMs(), signal);
    } catch {
      return;
    }
  }
}
