/**
 * Where a machine's score is heading: means over stretches of time, the newest hundred of them, and the
 * robust line through them carried on to a limit. The means keep it cheap (a hundred points take a
 * millisecond, once a stretch), and their errors are as good as independent, which the interval asks for.
 */
import { remainingLife } from './trend.ts';

/** Plain JSON, as it stands in the envelope. Hours; null: never, as far as can be told. */
export interface HealthTrendSection {
  slopePerHour: number;
  /** Until the line meets the limit; 0 when it has. */
  remainingHours: number | null;
  /** Soonest and latest that the slope's 95 % interval allows. */
  low: number | null;
  high: number | null;
}

export interface HealthTrendOptions {
  /** The score that counts as worn out. */
  limit: number;
  /** What is older is forgotten. */
  hours: number;
}

const POINTS = 100;
const LEAST_POINTS = 5;
const HOUR_MS = 3_600_000;

export class HealthTrend {
  readonly #limit: number;
  readonly #stretchMs: number;
  /** Hours since the first score, and the mean of the stretch. */
  #points: { hours: number; score: number }[] = [];
  #originMs = 0;
  #stretch = { fromMs: 0, newestMs: 0, sum: 0, sumMs: 0, count: 0 };
  #section: HealthTrendSection | undefined;

  constructor({ limit, hours }: HealthTrendOptions) {
    this.#limit = limit;
    this.#stretchMs = (hours * HOUR_MS) / POINTS;
  }

  /** `atMs` of any clock; where it goes back, the trend begins anew. Undefined until five stretches are full. */
  add(atMs: number, score: number): HealthTrendSection | undefined {
    if (this.#stretch.count > 0 && atMs < this.#stretch.newestMs) this.#begin();
    if (this.#stretch.count > 0 && atMs >= this.#stretch.fromMs + this.#stretchMs) this.#settle();
    const stretch = this.#stretch;
    if (stretch.count === 0) {
      stretch.fromMs = atMs;
      if (this.#points.length === 0) this.#originMs = atMs;
    }
    stretch.newestMs = atMs;
    stretch.sum += score;
    stretch.sumMs += atMs - this.#originMs;
    stretch.count += 1;
    return this.#section;
  }

  #begin(): void {
    this.#points = [];
    this.#section = undefined;
    this.#stretch = { fromMs: 0, newestMs: 0, sum: 0, sumMs: 0, count: 0 };
  }

  /** Makes a point of the stretch, and the line anew. */
  #settle(): void {
    const { sum, sumMs, count } = this.#stretch;
    const hours = sumMs / count / HOUR_MS;
    const oldest = hours - (POINTS * this.#stretchMs) / HOUR_MS;
    this.#points = [...this.#points.filter((point) => point.hours > oldest), { hours, score: sum / count }];
    this.#stretch = { fromMs: 0, newestMs: 0, sum: 0, sumMs: 0, count: 0 };
    this.#section = this.#points.length < LEAST_POINTS ? undefined : this.#trend();
  }

  #trend(): HealthTrendSection {
    const { trend, remaining, interval } = remainingLife(
      this.#points.map(({ hours }) => hours),
      this.#points.map(({ score }) => score),
      { limit: this.#limit },
    );
    const [low, high] = interval;
    return { slopePerHour: trend.slope, remainingHours: remaining, low, high };
  }
}
