/**
 * How hard one MES is asked: by several at a time while it answers, by one at a time and ever more seldom while it
 * does not, and hardly at all while it refuses who we are. All stations that share the MES share this.
 */
import { fullJitterMs } from '../backoff.ts';

const RETRY = { firstMs: 500, maxMs: 60_000 };
/** Streams delivered at the same time. */
const PARALLEL = 4;
/** Failures in a row after which the MES counts as offline. */
const OFFLINE_AFTER = 3;
/** Failures in a row after which one request at a time finds out whether it is back. */
const PAUSE_AFTER = 5;
/** Nobody has asked for so long: what had waited while the MES was away has gone. */
const DRAINED_AFTER_MS = 2000;
/** Accounts are locked after a few wrong passwords; somebody deploys when the credentials are right again. */
const REFUSED_RETRY_MS = 300_000;

export interface BreakerOptions {
  random?: (() => number) | undefined;
  monotonicNow?: (() => number) | undefined;
  refusedRetryMs?: number | undefined;
  /** How many deliveries a second may begin after the MES was away, until the queue has gone; 0: no limit. */
  perSecond?: number | undefined;
}

export class Breaker {
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #refusedRetryMs: number;
  #failuresInARow = 0;
  #pausedUntil = 0;
  #refused = false;
  #successes = 0;
  #taken = 0;
  readonly #perSecond: number;
  /** When the next delivery may begin, and the last one did, while the queue of an outage drains. */
  #draining: { nextAt: number; lastAt: number } | undefined;
  readonly #waiting = new Set<() => void>();

  constructor({ random, monotonicNow, refusedRetryMs, perSecond = 0 }: BreakerOptions = {}) {
    this.#perSecond = perSecond;
    this.#random = random ?? Math.random;
    this.#now = monotonicNow ?? (() => performance.now());
    this.#refusedRetryMs = refusedRetryMs ?? REFUSED_RETRY_MS;
  }

  /** Deliveries that ended in an answer, since this was made. */
  get successes(): number {
    return this.#successes;
  }

  get online(): boolean {
    return this.#failuresInARow < OFFLINE_AFTER;
  }

  get authorised(): boolean {
    return !this.#refused;
  }

  /** Waits for a free place and the end of a pause; resolves to the way to give the place back, to undefined when aborted. */
  async enter(signal: AbortSignal): Promise<(() => void) | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const places = this.#refused || this.#failuresInARow >= PAUSE_AFTER ? 1 : PARALLEL;
      const pausedMs = Math.max(this.#pausedUntil, this.#drainsAt()) - this.#now();
      if (this.#taken >= places) await this.#changed(signal);
      else if (pausedMs > 0) await this.#changed(signal, pausedMs);
      else break;
    }
    this.#taken += 1;
    this.#space();
    return () => {
      this.#taken -= 1;
      this.#wake();
    };
  }

  /** When the next one may begin; 0 for at once. */
  #drainsAt(): number {
    const draining = this.#draining;
    if (draining === undefined) return 0;
    if (this.online && this.#now() - Math.max(draining.lastAt, draining.nextAt) > DRAINED_AFTER_MS) {
      this.#draining = undefined;
      return 0;
    }
    return draining.nextAt;
  }

  /** Half to one and a half of the mean distance, so that stations do not keep step. */
  #space(): void {
    if (this.#draining === undefined) return;
    const lastAt = this.#now();
    const distanceMs = (1000 / this.#perSecond) * (0.5 + this.#random());
    this.#draining = { lastAt, nextAt: Math.max(lastAt, this.#draining.nextAt) + distanceMs };
  }

  #changed(signal: AbortSignal, longestMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = longestMs === undefined ? undefined : setTimeout(end, longestMs);
      signal.addEventListener('abort', end, { once: true });
      this.#waiting.add(end);
    });
  }

  #wake(): void {
    for (const end of [...this.#waiting]) end();
  }

  succeeded(): void {
    this.#successes += 1;
    this.#failuresInARow = 0;
    this.#pausedUntil = 0;
    this.#refused = false;
    this.#wake();
  }

  failed(): void {
    this.#failuresInARow += 1;
    if (!this.online && this.#perSecond > 0) {
      this.#draining ??= { nextAt: this.#now(), lastAt: this.#now() };
    }
    if (this.#failuresInARow < PAUSE_AFTER) return;
    const attempt = this.#failuresInARow - PAUSE_AFTER + 1;
    this.#pausedUntil = this.#now() + fullJitterMs(attempt, this.#random(), RETRY);
  }

  /** 401 or 403. */
  refused(): void {
    this.#refused = true;
    this.#pausedUntil = this.#now() + this.#refusedRetryMs;
  }
}
