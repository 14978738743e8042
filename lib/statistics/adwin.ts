/**
 * Adaptive windowing: keeps a window of recent values as long as its mean is the same throughout, and
 * says change when two parts of it have means that differ by more than chance allows.
 * Source: A. Bifet, R. Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007:
 * ADWIN2 with its exponential histogram (at most M buckets of each size 2^r, memory O(M log W)) and the
 * cut of section 3.2, ε = √(2/m · σ² · ln(2/δ′)) + 2/(3m) · ln(2/δ′), 1/m = 1/n₀ + 1/n₁, δ′ = δ/ln W;
 * variances of merged buckets after Babcock et al., PODS 2003. Where river's ADWIN leaves the paper
 * (shortest sub-window 5, m taken from n − 4), so does this, so that its published alarms come out.
 */
import { finite, requireOption, type ChangeDetector, type Direction } from './detector.ts';

export interface AdwinOptions {
  /** δ of the paper: smaller is surer. */
  delta?: number;
  /** Cuts are looked at once in so many values. */
  clock?: number;
  /** Differences of the means up to this are no change, however sure they are; in the unit of the values. */
  tolerance?: number;
  direction?: Direction;
}

/** A run of values: how many, their sum, and the sum of squares around their mean. */
interface Bucket {
  count: number;
  sum: number;
  squares: number;
}

export interface AdwinState {
  /** Oldest first: counts are powers of two that never rise. */
  buckets: Bucket[];
  /** Values since the window was begun. */
  ticks: number;
}

/** M of the paper. */
const MAX_BUCKETS_OF_A_SIZE = 5;
const SHORTEST = 5;
const FEWEST_VALUES = 10;

export class Adwin implements ChangeDetector<AdwinState> {
  readonly #options: Required<AdwinOptions>;
  #buckets: Bucket[];
  #ticks: number;

  /** Throws `OPTION_INVALID`. */
  constructor(options: AdwinOptions = {}, state: AdwinState = { buckets: [], ticks: 0 }) {
    this.#options = { delta: 0.002, clock: 32, tolerance: 0, direction: 'both', ...options };
    const { delta, clock } = this.#options;
    requireOption(delta > 0 && delta < 1, `δ lies between 0 and 1, not at ${delta}`);
    requireOption(Number.isInteger(clock) && clock > 0, `the clock is a whole number, not ${clock}`);
    this.#buckets = state.buckets.map((bucket) => ({ ...bucket }));
    this.#ticks = state.ticks;
  }

  /** Values in the window. */
  get width(): number {
    return this.#buckets.reduce((count, bucket) => count + bucket.count, 0);
  }

  /** Of the window; NaN while it is empty. */
  get mean(): number {
    const { sum, count } = this.#buckets.reduce(joined, NOTHING);
    return sum / count;
  }

  /** After a change the window begins anew: what came before it says nothing about what comes. */
  update(value: number): boolean {
    this.#insert(finite(value));
    this.#ticks += 1;
    if (this.#ticks % this.#options.clock !== 0 || !this.#cut()) return false;
    this.#buckets = [];
    this.#ticks = 0;
    return true;
  }

  toJSON(): AdwinState {
    return { buckets: this.#buckets.map((bucket) => ({ ...bucket })), ticks: this.#ticks };
  }

  #insert(value: number): void {
    const buckets = this.#buckets;
    buckets.push({ count: 1, sum: value, squares: 0 });
    let end = buckets.length;
    for (let size = 1; ; size *= 2) {
      let first = end;
      while (first > 0 && buckets[first - 1]?.count === size) first -= 1;
      if (end - first <= MAX_BUCKETS_OF_A_SIZE) return;
      const [older, newer] = [buckets[first] ?? NOTHING, buckets[first + 1] ?? NOTHING];
      buckets.splice(first, 2, joined(older, newer));
      end = first + 1;
    }
  }

  /** Is there a cut whose two sides differ by more than chance? */
  #cut(): boolean {
    const whole = this.#buckets.reduce(joined, NOTHING);
    if (whole.count <= FEWEST_VALUES) return false;
    const { delta, tolerance, direction } = this.#options;
    const logTerm = Math.log((2 * Math.log(whole.count)) / delta);
    const variance = whole.squares / whole.count;
    let count = 0;
    let sum = 0;
    for (const bucket of this.#buckets) {
      count += bucket.count;
      sum += bucket.sum;
      const rest = whole.count - count;
      if (rest < SHORTEST) return false;
      if (count < SHORTEST) continue;
      const rise = (whole.sum - sum) / rest - sum / count;
      const away = direction === 'both' ? Math.abs(rise) : direction === 'up' ? rise : -rise;
      const reciprocal = 1 / (count - SHORTEST + 1) + 1 / (rest - SHORTEST + 1);
      const reach = Math.sqrt(2 * reciprocal * variance * logTerm) + (2 / 3) * reciprocal * logTerm;
      if (away > reach && away > tolerance) return true;
    }
    return false;
  }
}

const NOTHING: Bucket = { count: 0, sum: 0, squares: 0 };

/** Two neighbouring runs as one. */
function joined(one: Bucket, other: Bucket): Bucket {
  if (one.count === 0) return { ...other };
  const count = one.count + other.count;
  const gap = one.sum / one.count - other.sum / other.count;
  return {
    count,
    sum: one.sum + other.sum,
    squares: one.squares + other.squares + ((one.count * other.count) / count) * gap * gap,
  };
}
