/** Time as the domains see it, so that tests can run hours of outages and shifts at once. */

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since 1970; people and NTP may move it. */
  wallNow(): number;
  /** Calls back once after so many milliseconds; returns the way to cancel. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls back every so many milliseconds, which keeps no process alive; returns the way to stop. */
  every(intervalMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  every: (intervalMs, callback) => {
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Resolves after the delay; rejects with the signal's reason as soon as that is aborted. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** Read anew: the compiler believes that a signal cannot change during an await. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
