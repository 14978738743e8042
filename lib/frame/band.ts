/**
 * The band in which good frames lie, from the values of a few of them.
 *
 * Parts differ, often in kind: four colours have no single middle, and a median ± k · MAD would make
 * the band several times as wide as the kinds lie apart. So it is the range of the values, and two
 * spreads more at both ends, where the spread is Qn, which the distance between kinds does not touch
 * (Rousseeuw and Croux, "Alternatives to the median absolute deviation", 1993). Why two: of bands
 * from 20 values (3000 draws each) 0.13 % of further normal values lie outside, 0.8 % of Student's t
 * with five degrees of freedom; median ± 5 · 1.4826 · MAD has 0.11 and 0.7 %, and is wider by a fifth.
 */

/** Good frames lie in it, ends included; an open end is ±Infinity. */
export interface Band {
  low: number;
  high: number;
}

const SPREADS = 2;
/** A value this many spreads from the others is none of them. */
const OUTLIER_SPREADS = 10;
/** So large a share of outliers is no mishap: it is a kind of part, or a camera that wanders. */
export const KIND_SHARE = 0.1;
/** Qn → standard deviation of a normal distribution; 0.9 is its correction for about 20 values. */
const QN_TO_SIGMA = 2.2219 * 0.9;

export function isOutside(value: number, { low, high }: Band): boolean {
  return value < low || value > high;
}

/** Insertion sort: for the twenty values of a few frames it takes a third of what a typed array's own does. */
export function median(values: readonly number[]): number {
  const sorted = [...values];
  for (let i = 1; i < sorted.length; i += 1) {
    const value = sorted[i] as number;
    let at = i;
    for (; at > 0 && (sorted[at - 1] as number) > value; at -= 1) sorted[at] = sorted[at - 1] as number;
    sorted[at] = value;
  }
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

/** Scale by the closest quarter of all pairs of values. */
function spreadOf(values: readonly number[]): number {
  const distances = values.flatMap((value, i) => values.slice(i + 1).map((other) => Math.abs(other - value)));
  const half = Math.floor(values.length / 2) + 1;
  const quarter = (half * (half - 1)) / 2;
  return QN_TO_SIGMA * (Float64Array.from(distances).sort()[quarter - 1] ?? 0);
}

/** The band of values that are all good; it reaches at least `floor` to both sides of their median. */
export function bandOf(values: readonly number[], floor: number): Band {
  const middle = median(values);
  const margin = SPREADS * spreadOf(values);
  return {
    low: Math.min(middle - floor, Math.min(...values) - margin),
    high: Math.max(middle + floor, Math.max(...values) + margin),
  };
}

/** Outside of it lie values that do not belong to the others. */
export function outlierBand(values: readonly number[], floor: number): Band {
  const middle = median(values);
  const half = Math.max(2 * floor, OUTLIER_SPREADS * spreadOf(values));
  return { low: middle - half, high: middle + half };
}
