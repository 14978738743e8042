/**
 * One number per part, watched for drift against the numbers of the good parts a model was taught from.
 *
 * A value is turned into its rank among the good ones. Ranks are uniform whatever the number's
 * distribution, so one set of thresholds fits every model; and they are capped: a part with a gross defect
 * is one part above all good ones and no more, so that a few of them are not drift.
 *
 * Four tests share the budget of false alarms, a part of `rate` each (Bonferroni, for they watch the same parts):
 * - Kolmogorov–Smirnov on the last 10, 15, 25, 50 and 200 parts against the good ones, exact p-values;
 * - PSI on the last 200 with frozen bins, threshold from its sampling noise;
 * - ADWIN and Page–Hinkley on the parts within the range of the good ones: what creeps.
 *
 * Out-of-fold values are not quite those of fresh parts, because the folds are taught from fewer: on a
 * hundred drawn parts their distributions were 0.23 apart, where chance explains 0.14. So the tests
 * against the good ones allow a difference that is no drift, on top of what chance may do.
 */
import { Adwin, type AdwinState } from '../statistics/adwin.ts';
import type { Direction } from '../statistics/detector.ts';
import { PageHinkley, type PageHinkleyState } from '../statistics/page-hinkley.ts';
import { populationStability, type FrozenBins } from '../statistics/psi.ts';
import {
  ADWIN_CLOCK,
  ADWIN_TOLERANCE,
  HINKLEY_TOLERANCE,
  LONGEST,
  PSI_STRIDE,
  WINDOWS,
  binsOf,
  type StreamLimits,
} from './limits.ts';

export type DriftTest = 'ks' | 'psi' | 'adwin' | 'page-hinkley';

export interface StreamAlarm {
  test: DriftTest;
  /** Parts ago that it began, as far as the test can say. */
  since: number;
  /** Of the parts since then, how they lie among the good ones: 0 lowest, 0.5 as usual, 1 above all. */
  level: number;
}

export interface StreamState {
  /** Ranks of the last parts, the newest last. */
  ranks: number[];
  /** Parts since the stream was begun. */
  count: number;
  adwin: AdwinState;
  pageHinkley: PageHinkleyState;
  /** Parts since each of Page–Hinkley's sums was last nothing. */
  rising: { high: number; low: number };
}

/** Good parts Page–Hinkley's running mean starts from, so that the chance of the first few parts is not its yardstick. */
const HINKLEY_HISTORY = 50;

const STILL: StreamState['rising'] = { high: 0, low: 0 };

/** Watches from the first value on; after an alarm it begins anew. Memory is bounded. */
export class DriftStream {
  readonly #good: Float64Array;
  readonly #direction: Direction;
  readonly #limits: StreamLimits;
  readonly #bins: FrozenBins | undefined;
  readonly #adwinOptions;
  readonly #hinkleyOptions;
  readonly #hinkleyStart: PageHinkleyState;
  #ranks: number[];
  #count: number;
  #adwin: Adwin;
  #pageHinkley: PageHinkley;
  #rising: StreamState['rising'];

  /** `good`: ascending, of good parts unseen by what measured them. `limits`: of as many good parts. */
  constructor(good: readonly number[], limits: StreamLimits, state?: StreamState) {
    this.#good = Float64Array.from(good);
    this.#limits = limits;
    const { direction } = limits;
    this.#direction = direction;
    const n = good.length;
    this.#bins = binsOf(n);
    this.#adwinOptions = { delta: limits.adwin, clock: ADWIN_CLOCK, tolerance: ADWIN_TOLERANCE, direction };
    this.#hinkleyOptions = {
      tolerance: HINKLEY_TOLERANCE,
      threshold: limits.hinkley,
      forgetting: 1,
      minValues: 1,
      direction,
    };
    this.#hinkleyStart = { count: Math.min(n, HINKLEY_HISTORY), mean: 0.5, high: 0, low: 0 };
    this.#ranks = [...(state?.ranks ?? [])];
    this.#count = state?.count ?? 0;
    this.#adwin = new Adwin(this.#adwinOptions, state?.adwin);
    this.#pageHinkley = new PageHinkley(this.#hinkleyOptions, state?.pageHinkley ?? this.#hinkleyStart);
    this.#rising = { ...(state?.rising ?? STILL) };
  }

  /** Takes the next part's value, which is finite. */
  add(value: number): StreamAlarm | undefined {
    const rank = this.#rankOf(value);
    this.#ranks.push(rank);
    if (this.#ranks.length > LONGEST) this.#ranks.shift();
    this.#count += 1;
    const alarm = this.#windows() ?? this.#stabilityAlarm() ?? this.#creeping(rank);
    if (alarm === undefined) return undefined;
    const level = this.#levelOf(alarm.since);
    this.restart();
    return { ...alarm, level };
  }

  /** Forgets what it saw, not what is good. */
  restart(): void {
    this.#ranks = [];
    this.#count = 0;
    this.#rising = { ...STILL };
    this.#adwin = new Adwin(this.#adwinOptions);
    this.#pageHinkley = new PageHinkley(this.#hinkleyOptions, this.#hinkleyStart);
  }

  toJSON(): StreamState {
    return {
      ranks: [...this.#ranks],
      count: this.#count,
      adwin: this.#adwin.toJSON(),
      pageHinkley: this.#pageHinkley.toJSON(),
      rising: { ...this.#rising },
    };
  }

  #windows(): Omit<StreamAlarm, 'level'> | undefined {
    for (const [index, { length, stride }] of WINDOWS.entries()) {
      if (this.#count < length || this.#count % stride !== 0) continue;
      const threshold = this.#limits.distances[index] ?? Infinity;
      const distance = rankDistance(this.#ranks.slice(-length), this.#good.length, this.#direction);
      // Half a step of the distance, which is a multiple of 1/(n·m): the same comparison as in whole numbers.
      if (distance >= threshold - 0.5 / (this.#good.length * length)) return { test: 'ks', since: length };
    }
    return undefined;
  }

  #stabilityAlarm(): Omit<StreamAlarm, 'level'> | undefined {
    if (this.#bins === undefined || this.#count < LONGEST || this.#count % PSI_STRIDE !== 0) return undefined;
    // A value of rank r lies between the good ones number r − 1 and r.
    const index = populationStability(
      this.#bins,
      this.#ranks.map((rank) => rank - 0.5),
    );
    if (index <= (this.#limits.stability ?? Infinity)) return undefined;
    const towards = this.#levelOf(LONGEST) - 0.5;
    if ((this.#direction === 'up' && towards < 0) || (this.#direction === 'down' && towards > 0))
      return undefined;
    return { test: 'psi', since: LONGEST };
  }

  /** What lies above all good ones or below is for the windows: many defects must not look like creeping. */
  #creeping(rank: number): Omit<StreamAlarm, 'level'> | undefined {
    const n = this.#good.length;
    if (rank === 0 || rank === n) return undefined;
    const { high, low } = this.#pageHinkley.toJSON();
    this.#rising = {
      high: high === 0 ? 1 : this.#rising.high + 1,
      low: low === 0 ? 1 : this.#rising.low + 1,
    };
    const upwards = this.#direction !== 'down' && (this.#direction === 'up' || high >= low);
    const since = Math.min(upwards ? this.#rising.high : this.#rising.low, this.#ranks.length);
    const share = rank / n;
    // Both are told of every part, whatever the other says.
    const shifted = this.#pageHinkley.update(share);
    const cut = this.#adwin.update(share);
    if (shifted) return { test: 'page-hinkley', since };
    return cut ? { test: 'adwin', since: this.#ranks.length } : undefined;
  }

  #levelOf(since: number): number {
    const recent = this.#ranks.slice(-since);
    return recent.reduce((sum, rank) => sum + rank, 0) / recent.length / this.#good.length;
  }

  /** Good values below `value`: 0 … n. */
  #rankOf(value: number): number {
    let low = 0;
    let high = this.#good.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#good[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Kolmogorov–Smirnov distance of values given by their ranks among `n` good ones. */
export function rankDistance(ranks: readonly number[], n: number, direction: Direction): number {
  const ascending = Float64Array.from(ranks).sort();
  let above = 0;
  let below = 0;
  for (let i = 0; i < ascending.length; i += 1) {
    const share = (ascending[i] as number) / n;
    above = Math.max(above, share - i / ascending.length);
    below = Math.max(below, (i + 1) / ascending.length - share);
  }
  return direction === 'up' ? above : direction === 'down' ? below : Math.max(above, below);
}
