/**
 * Control charts of a measured value: is the process still the one it was? Centre line and σ are given, or
 * learned from the first values (σ from the mean moving range over d₂ = 1.128).
 *
 * - Shewhart chart of individuals with the Western Electric rules: one value beyond 3 σ; two of three beyond
 *   2 σ, four of five beyond 1 σ, eight in a row, each on one side.
 *   NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2 and 6.3.2.2.
 * - EWMA chart of the same distances; ibid. 6.3.2.4.
 *
 * A value beyond 3 σ is rejected; a pattern says that the process has moved, which is for a person.
 */
import { Ewma } from '../../statistics/ewma.ts';
import { GateError } from '../errors.ts';
import { remembered, usable, type Doubt, type Judge, type Judgement } from '../judgement.ts';

/** Mean range of two normal values, in σ. */
const D2 = 1.128;

export interface Baseline {
  centre: number;
  /** Above 0, in the units of the value. */
  sigma: number;
}

export interface ChartOptions {
  chart: 'shewhart' | 'ewma';
  /** Known, or learned from so many first values. */
  baseline: Baseline | { learn: number };
  /** Of the EWMA chart: weight of the newest value, and the width of its limits in its own σ. */
  lambda?: number;
  width?: number;
}

/** Centre and σ of individual values in the order they came; two or more. */
export function baselineOf(values: readonly number[]): Baseline {
  const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
  const ranges = values.slice(1).map((value, index) => Math.abs(value - (values[index] ?? value)));
  return { centre, sigma: ranges.reduce((sum, range) => sum + range, 0) / ranges.length / D2 };
}

/** At least `count` of the last `of` values lie further than `limit` from the centre on the side of the last. */
const WESTERN_ELECTRIC = [
  { reason: 'two-of-three', count: 2, of: 3, limit: 2 },
  { reason: 'four-of-five', count: 4, of: 5, limit: 1 },
  { reason: 'eight-on-a-side', count: 8, of: 8, limit: 0 },
];
const LONGEST = 8;

export class ChartJudge implements Judge {
  readonly #options: ChartOptions;
  #baseline: Baseline | undefined;
  #learned: number[] = [];
  /** Distances from the centre in σ, newest last. */
  #recent: number[] = [];
  /** Of the distances, so that its process in control is standard normal. */
  #ewma: Ewma;

  /** @throws GateError `RULE_INVALID` */
  constructor(options: ChartOptions) {
    const { baseline } = options;
    if ('learn' in baseline) {
      if (!(Number.isInteger(baseline.learn) && baseline.learn >= 10 && baseline.learn <= 1000)) {
        throw new GateError('RULE_INVALID', 'a control chart learns from 10 to 1000 values');
      }
    } else if (!(baseline.sigma > 0)) {
      throw new GateError('RULE_INVALID', 'the standard deviation of a control chart must be above 0');
    } else {
      this.#baseline = baseline;
    }
    this.#options = options;
    this.#ewma = newEwma(options);
  }

  get calibration(): string {
    return 'learn' in this.#options.baseline ? 'learned' : 'fixed';
  }

  /** Values that are still to be learned from. */
  get missing(): number {
    const { baseline } = this.#options;
    return this.#baseline === undefined && 'learn' in baseline ? baseline.learn - this.#learned.length : 0;
  }

  judge(value: unknown): Judgement | Doubt {
    const score = usable(value);
    if (score === undefined) return { doubt: 'no-score', score: null };
    if (this.#baseline === undefined) {
      this.#learn(score);
      return { doubt: 'learning', score };
    }
    const { centre, sigma } = this.#baseline;
    const distance = (score - centre) / sigma;
    const threshold = centre + Math.sign(distance || 1) * 3 * sigma;
    const chart = this.#options.chart === 'ewma' ? this.#moved(distance) : this.#pattern(distance);
    if (Math.abs(distance) > 3) return { decision: 'reject', reason: 'beyond-3-sigma', score, threshold };
    return chart === undefined
      ? { decision: 'accept', reason: 'in-control', score, threshold }
      : { decision: 'review', reason: chart, score, threshold };
  }

  state(): unknown {
    const [baseline, learned, recent] = [this.#baseline, this.#learned, this.#recent];
    return { baseline, learned, recent, ewma: this.#ewma.toJSON() };
  }

  restore(state: unknown): void {
    if ('learn' in this.#options.baseline) {
      const baseline = remembered(state, 'baseline');
      const [centre, sigma] = [usable(remembered(baseline, 'centre')), usable(remembered(baseline, 'sigma'))];
      if (centre !== undefined && sigma !== undefined && sigma > 0) this.#baseline = { centre, sigma };
      this.#learned = numbers(remembered(state, 'learned')).slice(0, this.#options.baseline.learn);
    }
    this.#recent = numbers(remembered(state, 'recent')).slice(-LONGEST);
    const ewma = remembered(state, 'ewma');
    const [value, count] = [usable(remembered(ewma, 'value')), usable(remembered(ewma, 'count'))];
    if (value !== undefined && count !== undefined) this.#ewma = newEwma(this.#options, { value, count });
  }

  /** A process that never varies has no σ yet: the learning goes on with its newest values. */
  #learn(value: number): void {
    const { baseline } = this.#options;
    if (!('learn' in baseline)) return;
    this.#learned = [...this.#learned, value].slice(-baseline.learn);
    if (this.#learned.length < baseline.learn) return;
    const learned = baselineOf(this.#learned);
    if (!(learned.sigma > 0)) return;
    this.#baseline = learned;
    this.#learned = [];
  }

  #pattern(distance: number): string | undefined {
    this.#recent = [...this.#recent, distance].slice(-LONGEST);
    const side = Math.sign(distance);
    return WESTERN_ELECTRIC.find(({ count, of, limit }) => {
      return this.#recent.slice(-of).filter((each) => each * side > limit).length >= count;
    })?.reason;
  }

  #moved(distance: number): string | undefined {
    return this.#ewma.update(distance) ? 'ewma-beyond-limit' : undefined;
  }
}

/** @throws GateError `RULE_INVALID` */
function newEwma({ lambda = 0.2, width = 3 }: ChartOptions, state?: { value: number; count: number }): Ewma {
  if (!(lambda > 0 && lambda <= 1 && width > 0)) {
    throw new GateError('RULE_INVALID', 'λ must be above 0 and at most 1, the width above 0');
  }
  return new Ewma({ mean: 0, deviation: 1, weight: lambda, limit: width }, state);
}

function numbers(value: unknown): number[] {
  return (Array.isArray(value) ? value : []).map(usable).filter((each) => each !== undefined);
}
