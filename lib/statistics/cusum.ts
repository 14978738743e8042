/**
 * Tabular cumulative sum: adds up how far values lie beyond a slack around the mean, so that a small
 * lasting shift is seen sooner than by limits on single values.
 * C⁺ = max(0, C⁺ + x − μ − kσ), C⁻ = max(0, C⁻ + μ − kσ − x), change when one exceeds hσ.
 * Source: E. Page, Biometrika 41 (1954) 100–115; NIST/SEMATECH e-Handbook 6.3.2.3.
 */
import { finite, requireOption, type ChangeDetector, type Direction } from './detector.ts';

export interface CusumOptions {
  /** Of the process in control, in the unit of the values. */
  mean: number;
  deviation: number;
  /** k in standard deviations: half the shift that matters. */
  slack?: number;
  /** h in standard deviations: 5 gives one false alarm in about 470 normal values (both sides, k = 0.5). */
  limit?: number;
  direction?: Direction;
}

export interface CusumState {
  high: number;
  low: number;
}

/** True for every value at which a sum is above its limit, until it falls or `reset` is called. */
export class Cusum implements ChangeDetector<CusumState> {
  readonly #options: Required<CusumOptions>;
  #high: number;
  #low: number;

  /** Throws `OPTION_INVALID`. */
  constructor(options: CusumOptions, state?: CusumState) {
    this.#options = { slack: 0.5, limit: 5, direction: 'both', ...options };
    const { deviation, slack, limit } = this.#options;
    requireOption(deviation > 0, `a standard deviation is above 0, not ${deviation}`);
    requireOption(slack >= 0 && limit > 0, `slack and limit cannot be ${slack} and ${limit}`);
    this.#high = state?.high ?? 0;
    this.#low = state?.low ?? 0;
  }

  /** The sum above the mean, in the unit of the values. */
  get high(): number {
    return this.#high;
  }

  /** The sum below the mean. */
  get low(): number {
    return this.#low;
  }

  update(value: number): boolean {
    const { mean, deviation, slack, limit, direction } = this.#options;
    const away = finite(value) - mean;
    this.#high = Math.max(0, this.#high + away - slack * deviation);
    this.#low = Math.max(0, this.#low - away - slack * deviation);
    const threshold = limit * deviation;
    return (direction !== 'down' && this.#high > threshold) || (direction !== 'up' && this.#low > threshold);
  }

  reset(): void {
    this.#high = 0;
    this.#low = 0;
  }

  toJSON(): CusumState {
    return { high: this.#high, low: this.#low };
  }
}
