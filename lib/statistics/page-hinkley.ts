/**
 * Page–Hinkley test: a cumulative sum around the running mean of the stream itself, for streams
 * whose level nobody knows beforehand. With the running mean x̄_t (the newest value included) the sums
 * are S⁺ = max(0, a S⁺ + x_t − x̄_t − δ) and S⁻ = max(0, a S⁻ + x̄_t − x_t − δ); change when one reaches λ.
 * Source: E. Page, Biometrika 41 (1954) 100–115; D. Hinkley, Biometrika 58 (1971) 509–523; with
 * forgetting factor a. Starts anew after each change. Defaults are those of river's PageHinkley.
 */
import { finite, requireOption, type ChangeDetector, type Direction } from './detector.ts';

export interface PageHinkleyOptions {
  /** δ, the drift that is allowed, in the unit of the values. */
  tolerance?: number;
  /** λ, in the unit of the values times their number. */
  threshold?: number;
  /** a: what the sum keeps from one value to the next, 0 < a ≤ 1. */
  forgetting?: number;
  /** No change is said before so many values have come (the count begins at one). */
  minValues?: number;
  direction?: Direction;
}

export interface PageHinkleyState {
  count: number;
  mean: number;
  high: number;
  low: number;
}

const EMPTY: PageHinkleyState = { count: 0, mean: 0, high: 0, low: 0 };

export class PageHinkley implements ChangeDetector<PageHinkleyState> {
  readonly #options: Required<PageHinkleyOptions>;
  #state: PageHinkleyState;

  /** Throws `OPTION_INVALID`. */
  constructor(options: PageHinkleyOptions = {}, state: PageHinkleyState = EMPTY) {
    this.#options = {
      tolerance: 0.005,
      threshold: 50,
      forgetting: 1 - 1e-4,
      minValues: 30,
      direction: 'up',
      ...options,
    };
    const { tolerance, threshold, forgetting } = this.#options;
    requireOption(tolerance >= 0 && threshold > 0, `tolerance ${tolerance}, threshold ${threshold}`);
    requireOption(forgetting > 0 && forgetting <= 1, `forgetting lies in 0 … 1, not at ${forgetting}`);
    this.#state = { ...state };
  }

  update(value: number): boolean {
    const { tolerance, threshold, forgetting, minValues, direction } = this.#options;
    const state = this.#state;
    const x = finite(value);
    state.count += 1;
    state.mean += (x - state.mean) / state.count;
    state.high = Math.max(0, forgetting * state.high + (x - state.mean) - tolerance);
    state.low = Math.max(0, forgetting * state.low - (x - state.mean) - tolerance);
    const sum = Math.max(direction === 'down' ? 0 : state.high, direction === 'up' ? 0 : state.low);
    const changed = state.count + 1 >= minValues && sum >= threshold;
    if (changed) this.#state = { ...EMPTY };
    return changed;
  }

  toJSON(): PageHinkleyState {
    return { ...this.#state };
  }
}
