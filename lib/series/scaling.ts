/** Brings sensors of different units side by side, without letting single outliers set the scale. */

/** The values of all features at one moment, in the model's order. */
export type Row = readonly number[];

export interface Scaling {
  centre: number[];
  scale: number[];
}

/** Makes the median absolute deviation of normal values their standard deviation (1 / Φ⁻¹(¾)). */
const MAD_TO_DEVIATION = 1.4826;
/**
 * A quantised or mostly resting signal has a tiny MAD; then its rare moves are normal too. On SKAB
 * scales below a third of the standard deviation made single quanta look like faults.
 */
const LEAST_SHARE_OF_DEVIATION = 1 / 3;
/** What never moved: one unit is this share of its value, or 1 where that is zero. */
const CONSTANT_SHARE = 0.01;

/** Median, and a robust standard deviation that is never zero, of each column. */
export function fitScaling(rows: readonly Row[]): Scaling {
  const columns = rows[0]?.length ?? 0;
  const centre: number[] = [];
  const scale: number[] = [];
  for (let column = 0; column < columns; column += 1) {
    const values = rows.map((row) => row[column] ?? NaN);
    const middle = median(values);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    const robust = MAD_TO_DEVIATION * median(values.map((value) => Math.abs(value - middle)));
    const width = Math.max(robust, LEAST_SHARE_OF_DEVIATION * deviation);
    // Rounding leaves a little deviation of a constant: 0.1 summed up is not 0.1 times the count.
    const constant = width <= Math.abs(middle) * 1e-12;
    centre.push(middle);
    scale.push(constant ? CONSTANT_SHARE * Math.abs(middle) || 1 : width);
  }
  return { centre, scale };
}

/** A row in robust standard deviations from the median. */
export function scaled({ centre, scale }: Scaling, row: Row): number[] {
  return row.map((value, column) => (value - (centre[column] ?? 0)) / (scale[column] ?? 1));
}

export function median(values: readonly number[]): number {
  const ascending = Float64Array.from(values).sort();
  const half = ascending.length >> 1;
  const upper = ascending[half] ?? NaN;
  return ascending.length % 2 === 1 ? upper : ((ascending[half - 1] ?? NaN) + upper) / 2;
}
