/**
 * Ends a wait in time although what is waited for does not end: a share that hangs holds a file
 * operation for ever, and none can be taken back.
 */
import type { Clock } from '../clock.ts';
import { CaptureError } from './errors.ts';

/** @throws CaptureError `CAPTURE_TIMEOUT` after `timeoutMs`, `CLOSED` when the signal is aborted; what the work throws */
export function within<Result>(
  work: Promise<Result>,
  { timeoutMs, signal, what, clock }: { timeoutMs: number; signal: AbortSignal; what: string; clock: Clock },
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      cancel();
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      settle();
      reject(new CaptureError('CLOSED', `${what} was closed while a trigger waited for its image`));
    };
    const cancel = clock.after(timeoutMs, () => {
      settle();
      reject(new CaptureError('CAPTURE_TIMEOUT', `${what} brought no image within ${timeoutMs} ms`));
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.finally(settle).then(resolve, reject);
  });
}
