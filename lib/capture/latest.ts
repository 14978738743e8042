/**
 * Brings triggers and the images of a free-running source together. An image serves one trigger,
 * and triggers are served in their order: two parts never get the same picture.
 */
import { type Clock } from '../clock.ts';
import { CaptureError } from './errors.ts';
import type { CapturedImage } from './source.ts';

interface Waiter {
  resolve(image: CapturedImage): void;
  reject(error: CaptureError): void;
}

export class LatestImage {
  readonly #clock: Clock;
  readonly #waiters: Waiter[] = [];
  #newest: { image: CapturedImage; at: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True while a trigger waits for an image. */
  get wanted(): boolean {
    return this.#waiters.length > 0;
  }

  /** Gives the image to the trigger that waits longest, or keeps it as the newest. */
  put(image: CapturedImage): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#newest = { image, at: this.#clock.now() };
    else waiter.resolve(image);
  }

  /** An image that came and cannot be used is the answer to the trigger that waits longest. */
  putFailed(error: CaptureError): void {
    this.#waiters.shift()?.reject(error);
  }

  /** The source is down: nobody waits any longer, and what was kept is no longer true. */
  fail(error: CaptureError): void {
    this.#newest = undefined;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  /**
   * The kept image when it is not older than `maxAgeMs`, else the next one.
   *
   * @throws CaptureError `CAPTURE_TIMEOUT` after `timeoutMs`, `CLOSED` when the signal is aborted
   */
  take({ maxAgeMs, timeoutMs, signal, what }: TakeOptions): Promise<CapturedImage> {
    const kept = this.#newest;
    this.#newest = undefined;
    if (kept !== undefined && this.#clock.now() - kept.at <= maxAgeMs) return Promise.resolve(kept.image);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        const index = this.#waiters.indexOf(waiter);
        if (index !== -1) this.#waiters.splice(index, 1);
      };
      const waiter: Waiter = {
        resolve: (image) => {
          settle();
          resolve(image);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const onAbort = (): void =>
        waiter.reject(new CaptureError('CLOSED', `${what} was closed while a trigger waited for its image`));
      const cancel = this.#clock.after(timeoutMs, () =>
        waiter.reject(new CaptureError('CAPTURE_TIMEOUT', `${what} brought no image within ${timeoutMs} ms`)),
      );
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      else this.#waiters.push(waiter);
    });
  }
}

export interface TakeOptions {
  maxAgeMs: number;
  timeoutMs: number;
  signal: AbortSignal;
  /** The source, for error messages. */
  what: string;
}
