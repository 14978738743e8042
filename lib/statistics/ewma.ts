/**
 * Exponentially weighted moving average with control limits: sees small lasting shifts, forgets old
 * values smoothly. z_t = λ x_t + (1 − λ) z_{t−1}, limits μ ± L σ √(λ/(2 − λ) · (1 − (1 − λ)^{2t})).
 * Source: S. Roberts, Technometrics 1 (1959) 239–250; NIST/SEMATECH e-Handbook 6.3.2.4.
 */
import { finite, requireOption, type ChangeDetector, type Direction } from './detector.ts';

export interface EwmaOptions {
  /** Of the process in control, in the unit of the values. */
  mean: number;
  deviation: number;
  /** λ, share of the newest value: 0 < λ ≤ 1. */
  weight?: number;
  /** L, half-width of the limits in standard deviations of the average. */
  limit?: number;
  direction?: Direction;
}

export interface EwmaState {
  value: number;
  count: number;
}

/** True for every value at which the average is outside its limits. */
export class Ewma implements ChangeDetector<EwmaState> {
  readonly #options: Required<EwmaOptions>;
  #value: number;
  #count: number;

  /** Throws `OPTION_INVALID`. */
  constructor(options: EwmaOptions, state?: EwmaState) {
    this.#options = { weight: 0.2, limit: 3, direction: 'both', ...options };
    const { deviation, weight, mean } = this.#options;
    requireOption(deviation > 0, `a standard deviation is above 0, not ${deviation}`);
    requireOption(weight > 0 && weight <= 1, `a weight lies in 0 … 1, not at ${weight}`);
    this.#value = state?.value ?? mean;
    this.#count = state?.count ?? 0;
  }

  /** The average so far; the mean before any value. */
  get value(): number {
    return this.#value;
  }

  /** Half-width of the limits around the mean after as many values as there were. */
  get reach(): number {
    const { deviation, weight, limit } = this.#options;
    const settled = 1 - (1 - weight) ** (2 * this.#count);
    return limit * deviation * Math.sqrt((weight / (2 - weight)) * settled);
  }

  update(value: number): boolean {
    const { mean, weight, direction } = this.#options;
    this.#value += weight * (finite(value) - this.#value);
    this.#count += 1;
    const away = this.#value - mean;
    const reach = this.reach;
    return (direction !== 'down' && away > reach) || (direction !== 'up' && -away > reach);
  }

  toJSON(): EwmaState {
    return { value: this.#value, count: this.#count };
  }
}
