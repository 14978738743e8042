/**
 * Rows that cover everything that was seen with few: greedy k-centre selection (T. Gonzalez, Theor.
 * Comput. Sci. 38 (1985) 293–306), each step taking the row farthest from all taken so far. The one for
 * pictures works on millions of patches in a runtime of its own; here are thousands of rows.
 */
import type { Row } from '../scaling.ts';

const MOST_ROWS = 500;

/** All rows while they are few; else {@link MOST_ROWS}, the first row first. 20 000 rows of 40 take about 1 s. */
export function spread(rows: readonly Row[]): number[][] {
  if (rows.length <= MOST_ROWS) return rows.map((row) => [...row]);
  const columns = rows[0]?.length ?? 0;
  // Side by side in memory: ten times as fast as rows of their own.
  const points = Float64Array.from(rows.flat());
  const away = new Float64Array(rows.length).fill(Infinity);
  const kept: number[][] = [];
  let newest = 0;
  while (kept.length < MOST_ROWS) {
    const centre = points.subarray(newest * columns, (newest + 1) * columns);
    kept.push(Array.from(centre));
    let farthest = 0;
    for (let row = 0, at = 0; row < rows.length; row += 1) {
      let squared = 0;
      for (let column = 0; column < columns; column += 1, at += 1) {
        squared += ((points[at] ?? 0) - (centre[column] ?? 0)) ** 2;
      }
      if (squared < (away[row] ?? 0)) away[row] = squared;
      if ((away[row] ?? 0) > (away[farthest] ?? 0)) farthest = row;
    }
    // The rest are copies of what is taken.
    if (away[farthest] === 0) break;
    newest = farthest;
  }
  return kept;
}

export function distance(one: Row, other: Row): number {
  let sum = 0;
  for (let column = 0; column < one.length; column += 1)
    sum += ((one[column] ?? 0) - (other[column] ?? 0)) ** 2;
  return Math.sqrt(sum);
}
