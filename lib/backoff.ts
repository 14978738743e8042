/**
 * How long to wait before trying again: a bound that doubles with every attempt, and chance below it,
 * so that many clients of one server do not come back at the same moment
 * (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
 */

export interface BackoffBounds {
  /** Bound of the first wait. */
  firstMs: number;
  /** Bound of every wait. */
  maxMs: number;
}

function boundMs(attempt: number, { firstMs, maxMs }: BackoffBounds): number {
  return Math.min(maxMs, firstMs * 2 ** attempt);
}

/**
 * Full jitter: anywhere below the bound. For work that lines up and should spread out.
 *
 * @param attempt 0 for the first try after a failure
 * @param random 0 to 1
 */
export function fullJitterMs(attempt: number, random: number, bounds: BackoffBounds): number {
  return boundMs(attempt, bounds) * random;
}

/**
 * Waits between attempts to get one connection back. Equal jitter: half of the bound is fixed, half is
 * random, so that no wait is near zero.
 */
export class Backoff {
  readonly #bounds: BackoffBounds;
  readonly #random: () => number;
  #attempt = 0;

  /** @param random 0 to 1 */
  constructor(bounds: BackoffBounds, random: () => number = Math.random) {
    this.#bounds = bounds;
    this.#random = random;
  }

  nextMs(): number {
    const fullMs = boundMs(this.#attempt, this.#bounds);
    this.#attempt += 1;
    return fullMs / 2 + (fullMs / 2) * this.#random();
  }

  /** The connection is there: the next loss begins with the first wait. */
  reset(): void {
    this.#attempt = 0;
  }
}
