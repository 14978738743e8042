/**
 * When does a health score reach its limit? A robust straight line through what was measured, carried
 * on to the limit, with an interval that says how little may be known.
 */
import { median } from './scaling.ts';
import { SeriesError } from './errors.ts';

export interface Trend {
  /** Units of the score per unit of time: Theil–Sen, the median of all slopes between two points. */
  slope: number;
  /** Two-sided interval of the slope at the confidence asked for. */
  slopeInterval: readonly [lower: number, upper: number];
  /** The line's value at the newest point. */
  level: number;
}

export interface RemainingLife {
  trend: Trend;
  /** Time from the newest point until the line meets the limit; 0 when it has; null when it moves away or not at all. */
  remaining: number | null;
  /** The soonest and latest the slope's interval allows; null: never, as far as can be told. */
  interval: readonly [soonest: number | null, latest: number | null];
}

/** Fewer points say nothing about a slope's interval. */
const LEAST_POINTS = 5;
/** All pairs of so many points are 125 000 slopes and take about 20 ms; of more, the newest are used. */
const MOST_POINTS = 500;

/**
 * Slope after P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379–1389; its interval from Kendall's S under
 * normality, variance n(n − 1)(2n + 5)/18 (ibid. §4; R. O. Gilbert 1987, §16.5). Up to 29 % of wild points
 * do not move it. The interval takes the points for independent: of scores that were smoothed,
 * give every n-th. `times` ascending, in any unit; throws `SERIES_TOO_SHORT`, `SERIES_UNREADABLE`.
 */
export function trendOf(times: readonly number[], scores: readonly number[], confidence = 0.95): Trend {
  const newest = Math.max(0, times.length - MOST_POINTS);
  const [t, y] = [times.slice(newest), scores.slice(newest)];
  if (t.length < LEAST_POINTS || t.length !== y.length) {
    throw new SeriesError('SERIES_TOO_SHORT', `${t.length} points make no trend`, {
      hint: `A trend needs ${LEAST_POINTS} points or more, each with its time.`,
    });
  }
  if (![...t, ...y].every(Number.isFinite) || t.some((time, at) => at > 0 && time <= (t[at - 1] ?? NaN))) {
    throw new SeriesError('SERIES_UNREADABLE', 'a trend needs numbers at times that go up');
  }
  const slopes: number[] = [];
  for (let i = 0; i < t.length; i += 1) {
    for (let j = i + 1; j < t.length; j += 1) {
      slopes.push(((y[j] ?? 0) - (y[i] ?? 0)) / ((t[j] ?? 0) - (t[i] ?? 0)));
    }
  }
  const sorted = Float64Array.from(slopes).sort();
  const n = t.length;
  const reach = normalQuantile(0.5 + confidence / 2) * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (rank: number): number => sorted[Math.min(Math.max(rank, 0), sorted.length - 1)] ?? NaN;
  const slope = median(slopes);
  const now = t[n - 1] ?? NaN;
  return {
    slope,
    slopeInterval: [
      at(Math.floor((sorted.length - reach) / 2) - 1),
      at(Math.ceil((sorted.length + reach) / 2)),
    ],
    level: median(y.map((value, index) => value + slope * (now - (t[index] ?? NaN)))),
  };
}

/** Remaining life of a score that gets worse towards `limit`, from above or below. Throws what {@link trendOf} throws. */
export function remainingLife(
  times: readonly number[],
  scores: readonly number[],
  {
    limit,
    worse = 'higher',
    confidence = 0.95,
  }: { limit: number; worse?: 'higher' | 'lower'; confidence?: number },
): RemainingLife {
  const trend = trendOf(times, scores, confidence);
  const sign = worse === 'higher' ? 1 : -1;
  const missing = sign * (limit - trend.level);
  const until = (slope: number): number | null => {
    if (missing <= 0) return 0;
    return sign * slope > 0 ? missing / (sign * slope) : null;
  };
  const [lower, upper] = trend.slopeInterval;
  const [steepest, flattest] = worse === 'higher' ? [upper, lower] : [lower, upper];
  return { trend, remaining: until(trend.slope), interval: [until(steepest), until(flattest)] };
}

/** P. J. Acklam's rational approximation of Φ⁻¹, relative error below 1.2 · 10⁻⁹, in its middle and upper part. */
function normalQuantile(p: number): number {
  if (p > 0.97575) {
    const q = Math.sqrt(-2 * Math.log(1 - p));
    const c = [
      -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
      2.938163982698783,
    ];
    const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
    return -horner(c, q) / (horner(d, q) * q + 1);
  }
  const a = [
    -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
    2.506628277459239,
  ];
  const b = [
    -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572,
  ];
  const q = p - 0.5;
  return (horner(a, q * q) * q) / (horner(b, q * q) * q * q + 1);
}

function horner(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}
