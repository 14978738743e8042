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
/** Accounts are locked after a few wrong passwords; somebody deploys when the credentials are right again. */
const REFUSED_RETRY_MS = 300_000;

export interface BreakerOptions {
  random?: (() => number) | undefined;
  monotonicNow?: (() => number) | undefined;
  refusedRetryMs?: number | undefined;
}

export class Breaker {
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #refusedRetryMs: number;
  #failuresInARow = 0;
  #pausedUntil = 0;
  #refused = false;
  #successes = 0;

  constructor({ random, monotonicNow, refusedRetryMs }: BreakerOptions = {}) {
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

  /** How many requests may be under way. */
  places(): number {
    return this.#refused || this.#failuresInARow >= PAUSE_AFTER ? 1 : PARALLEL;
  }

  /** Milliseconds until the next request; 0 or less when it may be sent. */
  pausedMs(): number {
    return this.#pausedUntil - this.#now();
  }

  succeeded(): void {
    this.#successes += 1;
    this.#failuresInARow = 0;
    this.#pausedUntil = 0;
    this.#refused = false;
  }

  failed(): void {
    this.#failuresInARow += 1;
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
