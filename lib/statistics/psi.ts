/**
 * Population stability index: how far the histogram of recent values has moved from that of a
 * baseline. The bins are frozen: quantiles of the baseline, never of what is compared with it.
 *
 * Without any change PSI is not 0 but about (1/n + 1/m) · χ²_{B−1} for n baseline values, m recent ones
 * and B bins, so the usual limits 0.1 and 0.25 alarm always on small windows (ten bins, n = m = 100:
 * mean 0.18). The threshold here is that distribution's quantile.
 * Source: B. Yurdakul, J. Naranjo, Journal of Risk Model Validation 14 (2020) 89–100; Yurdakul,
 * "Statistical properties of population stability index", dissertation, 2018.
 */
import { finite, requireOption } from './detector.ts';
import { chiSquareQuantile } from './special.ts';

export interface FrozenBins {
  /** Upper ends of all bins but the last, ascending; a value equal to an end belongs below it. */
  edges: number[];
  /** Baseline values in each bin. */
  counts: number[];
}

/**
 * Bins with about as many baseline values each. Equal values stay together, so there may be fewer bins.
 * Throws `OPTION_INVALID` for a baseline of fewer than two values a bin, `NOT_FINITE`.
 */
export function frozenBins(baseline: readonly number[], bins = 10): FrozenBins {
  requireOption(
    Number.isInteger(bins) && bins >= 2 && baseline.length >= 2 * bins,
    `${baseline.length} values cannot fill ${bins} bins`,
  );
  const ascending = baseline.map(finite).sort((one, other) => one - other);
  const last = ascending.at(-1) ?? 0;
  const edges: number[] = [];
  for (let bin = 1; bin < bins; bin += 1) {
    const edge = ascending[Math.round((bin * ascending.length) / bins) - 1] ?? last;
    if (edge < last && edge > (edges.at(-1) ?? -Infinity)) edges.push(edge);
  }
  return { edges, counts: countsIn(edges, ascending) };
}

/**
 * Σ (a − e) ln(a/e) over the bins, e and a the shares of baseline and recent values. Each bin has half
 * a value added on both sides (Jeffreys), so that an empty one does not make it infinite.
 */
export function populationStability({ edges, counts }: FrozenBins, recent: readonly number[]): number {
  const now = countsIn(edges, recent);
  const total = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, values.length / 2);
  const [before, after] = [total(counts), total(now)];
  return counts.reduce((sum, count, bin) => {
    const expected = (count + 0.5) / before;
    const actual = ((now[bin] ?? 0) + 0.5) / after;
    return sum + (actual - expected) * Math.log(actual / expected);
  }, 0);
}

/** PSI that `recent` values of an unchanged process exceed with probability `level`. */
export function stabilityThreshold({ counts }: FrozenBins, recent: number, level: number): number {
  requireOption(level > 0 && level < 1 && recent > 0, `level ${level} for ${recent} values`);
  if (counts.length < 2) return Infinity;
  const baseline = counts.reduce((sum, count) => sum + count, 0);
  return (1 / baseline + 1 / recent) * chiSquareQuantile(level, counts.length - 1);
}

function countsIn(edges: readonly number[], values: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (const value of values) {
    const bin = edges.findIndex((edge) => finite(value) <= edge);
    const at = bin < 0 ? edges.length : bin;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}
