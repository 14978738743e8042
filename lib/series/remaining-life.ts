/**
 * How long will it last, given machines that ran until they failed? The newest stretch of measurements is
 * compared with every stretch of every history; the lives that were left after the most similar
 * ones are the answer, and their spread is its interval.
 *
 * Source: similarity-based prediction, T. Wang et al., Int. Conf. on Prognostics and Health Management
 * 2008 (winner of that year's challenge on C-MAPSS); life capped where nothing shows yet: F. Heimes, ibid.
 */
import { SeriesError } from './errors.ts';
import { median, type Row } from './scaling.ts';

export interface LifeOptions {
  /** Rows looked at: the newest so many. */
  stretch?: number;
  /** Longer lives count as this: a machine that is well shows nothing of when it will fail. */
  cap?: number;
  neighbours?: number;
}

export interface Life {
  /** In rows; 0 to the cap. */
  remaining: number;
  /** Between the lives of the 5 % of neighbours that failed first and last. */
  interval: readonly [soonest: number, latest: number];
}

const SHORT = 10;

export class LifeTable {
  readonly #options: Required<LifeOptions>;
  readonly #mean: number[];
  /** 0 for a column that never moved. */
  readonly #weight: number[];
  readonly #points: Float64Array;
  readonly #lives: number[] = [];
  readonly #dimensions: number;
  /** Of each number that describes a stretch. */
  readonly #scale: number[];

  /**
   * `histories`: rows of each machine from good until it failed with its last row. Defaults were chosen
   * by cross-validation over the machines of C-MAPSS FD001's training file. Throws `SERIES_TOO_SHORT`.
   */
  constructor(histories: readonly (readonly Row[])[], options: LifeOptions = {}) {
    this.#options = { stretch: 30, cap: 125, neighbours: 60, ...options };
    const { stretch, cap } = this.#options;
    const rows = histories.flat();
    const columns = rows[0]?.length ?? 0;
    this.#mean = Array.from({ length: columns }, (_, column) =>
      median(rows.map((row) => row[column] ?? NaN)),
    );
    this.#weight = this.#mean.map((mean, column) => {
      const squares = rows.reduce((sum, row) => sum + ((row[column] ?? NaN) - mean) ** 2, 0) / rows.length;
      return squares > (1e-9 * mean) ** 2 ? 1 / Math.sqrt(squares) : 0;
    });
    const described: number[][] = [];
    for (const history of histories) {
      for (let end = stretch; end <= history.length; end += 1) {
        described.push(this.#describe(history.slice(end - stretch, end)));
        this.#lives.push(Math.min(history.length - end, cap));
      }
    }
    if (described.length === 0) throw tooShort(stretch);
    this.#dimensions = described[0]?.length ?? 0;
    // Means and slopes of one sensor differ in size: each feature in its own standard deviations.
    const scale = Array.from({ length: this.#dimensions }, (_, feature) => {
      const mean = described.reduce((sum, point) => sum + (point[feature] ?? 0), 0) / described.length;
      return (
        Math.sqrt(
          described.reduce((sum, point) => sum + ((point[feature] ?? 0) - mean) ** 2, 0) / described.length,
        ) || 1
      );
    });
    this.#scale = scale;
    this.#points = Float64Array.from(
      described.flatMap((point) => point.map((value, at) => value / (scale[at] ?? 1))),
    );
  }

  /** Remaining life after the last of `rows`. Throws `SERIES_TOO_SHORT` for fewer than a stretch. */
  predict(rows: readonly Row[]): Life {
    const { stretch, neighbours } = this.#options;
    if (rows.length < stretch) throw tooShort(stretch);
    const point = this.#describe(rows.slice(-stretch)).map((value, at) => value / (this.#scale[at] ?? 1));
    const nearest = this.#lives
      .map((life, index) => {
        let distance = 0;
        const offset = index * this.#dimensions;
        for (let at = 0; at < point.length; at += 1) {
          distance += ((point[at] ?? 0) - (this.#points[offset + at] ?? 0)) ** 2;
        }
        return { life, distance };
      })
      .sort((one, other) => one.distance - other.distance)
      .slice(0, neighbours)
      .map(({ life }) => life)
      .sort((one, other) => one - other);
    const share = (part: number): number => nearest[Math.round(part * (nearest.length - 1))] ?? NaN;
    return {
      remaining: nearest.reduce((sum, life) => sum + life, 0) / nearest.length,
      interval: [share(0.05), share(0.95)],
    };
  }

  /** Of each column: its mean over the stretch, over the newest rows, and its slope (least squares). */
  #describe(stretch: readonly Row[]): number[] {
    const count = stretch.length;
    const short = Math.min(SHORT, count);
    return this.#weight.flatMap((weight, column) => {
      if (weight === 0) return [];
      let [long, recent, tilt] = [0, 0, 0];
      stretch.forEach((row, at) => {
        const value = weight * ((row[column] ?? NaN) - (this.#mean[column] ?? 0));
        long += value / count;
        if (at >= count - short) recent += value / short;
        tilt += value * (at - (count - 1) / 2);
      });
      return [long, recent, tilt];
    });
  }
}

function tooShort(stretch: number): SeriesError {
  return new SeriesError('SERIES_TOO_SHORT', `remaining life needs ${stretch} rows of one machine`);
}
