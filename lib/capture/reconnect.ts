/**
 * Keeps a connection up: connects, waits, connects again, until it is told to stop. Outages are
 * announced once each, however many attempts they take.
 *
 * Waits grow to half a minute, so that a camera that is switched off costs nothing. So that one that
 * is switched on again is not left waiting as long, its port is knocked at every second meanwhile: what
 * did not answer and now does is tried at once, what answers all along every few seconds. A camera
 * that refuses us is not hurried, because hasty sign-ins lock accounts; nor is one whose library is absent.
 */
import { Backoff } from '../backoff.ts';
import { isAborted, sleep, type Clock } from '../clock.ts';
import { asCaptureError, SignInRefused, type CaptureError } from './errors.ts';

const BACKOFF = { firstMs: 500, maxMs: 30_000 };
const KNOCK_MS = 1000;
const UNHURRIED: ReadonlySet<string> = new Set(['CAMERA_REFUSED', 'LIBRARY_MISSING']);
/** Four tries in 15 minutes; cameras lock accounts after five to seven in a row, most for half an hour. */
export const SIGN_IN_WAIT_MS = 300_000;
/** The gateways of a hall see the same switch come back in the same second; each waits its share of this. */
const SPREAD_MS = 1000;
/** So many seconds for a camera that takes connections and brings nothing: frozen, or starting up. */
const ANSWERED_KNOCKS = 3;

export interface ConnectionKeeper {
  /**
   * One connection from first byte to last. Calls `up` when it really delivers; ends by rejecting,
   * or by resolving when the other side closed it in good order.
   */
  session(signal: AbortSignal, up: () => void): Promise<void>;
  /** True when something takes connections there; never rejects. Without it every wait is waited out. */
  reachable?(signal: AbortSignal): Promise<boolean>;
  /** Before each attempt. */
  connecting?(): void;
  lost(error: CaptureError): void;
  restored(): void;
  /** True where no further attempt can help. */
  isFinal?: (error: CaptureError) => boolean;
  clock: Clock;
  /** 0 to 1; `Math.random` in production. */
  random: () => number;
  /** What is connected, for error messages. */
  what: string;
}

/** Runs until the signal is aborted or a failure is final; never rejects. */
export async function keepConnected(keeper: ConnectionKeeper, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(BACKOFF, keeper.random);
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
    const error = asCaptureError(reason, 'CAMERA_LOST', keeper.what);
    if (state !== 'lost') keeper.lost(error);
    state = 'lost';
    if (keeper.isFinal?.(error) === true) return;
    try {
      const waitMs = error instanceof SignInRefused ? SIGN_IN_WAIT_MS : backoff.nextMs();
      const cameBack = await wait(keeper, { waitMs, error, signal });
      if (cameBack) backoff.reset();
    } catch {
      return;
    }
  }
}

/**
 * Waits out `waitMs`, or less when the other side is worth an attempt before.
 *
 * @returns true when it had been silent and is back
 */
async function wait(
  keeper: ConnectionKeeper,
  { waitMs, error, signal }: { waitMs: number; error: CaptureError; signal: AbortSignal },
): Promise<boolean> {
  const { clock, random } = keeper;
  const startedAt = clock.now();
  const leftMs = (): number => startedAt + waitMs - clock.now();
  if (keeper.reachable === undefined || UNHURRIED.has(error.code)) {
    await sleep(clock, waitMs, signal);
    return false;
  }
  let wasSilent = false;
  let answered = 0;
  for (;;) {
    await sleep(clock, Math.max(0, Math.min(KNOCK_MS, leftMs())), signal);
    if (leftMs() <= 0) return false;
    const answers = await keeper.reachable(signal);
    if (answers && wasSilent) {
      await sleep(clock, Math.max(0, Math.min(leftMs(), SPREAD_MS * random())), signal);
      return true;
    }
    if (answers) answered += 1;
    if (answered === ANSWERED_KNOCKS) return false;
    wasSilent = !answers;
  }
}
