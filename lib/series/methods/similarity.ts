/**
 * What should the sensors read, given rows like this one seen in normal operation? The auto-associative
 * kernel regression that similarity-based monitoring (MSET and its kin) rests on: the estimate is the
 * mean of remembered rows, weighted by how near they are; the score is how far the row is from it.
 * Source: J. Garvey, D. Garvey, R. Seibert, J. W. Hines, Ann. Nucl. Energy 34 (2007) 133–142;
 * MSET itself: R. Singer, K. Gross et al., 9th Intl. Conf. on Intelligent Systems Applications to Power Systems (1997).
 */
import { farthestPoints } from '../../statistics/farthest-points.ts';
import { median, type Row } from '../scaling.ts';
import type { Evidence, Method } from './method.ts';

export interface Remembered {
  rows: number[][];
  /** h of the Gaussian kernel exp(−d²/2h²), in scaled units. */
  bandwidth: number;
}

const MOST_ROWS = 500;

export const similarity: Method<Remembered> = {
  memory: 0,

  learn(rows) {
    const kept = remember(rows);
    const nearest = kept.map((row, index) =>
      kept.reduce(
        (least, other, at) => (at === index ? least : Math.min(least, distance(row, other))),
        Infinity,
      ),
    );
    const spacing = median(nearest.filter((value) => value < Infinity));
    return { rows: kept, bandwidth: spacing > 0 ? spacing : 1 };
  },

  open(remembered) {
    return { step: (row) => evidenceOf(remembered, row), reset: () => undefined };
  },
};

/** Rows spread over everything that was seen; all of them while there are few. */
export function remember(rows: readonly Row[]): number[][] {
  const kept =
    rows.length <= MOST_ROWS ? rows : farthestPoints(rows, MOST_ROWS).map((row) => rows[row] ?? []);
  return kept.map((row) => [...row]);
}

export function distance(one: Row, other: Row): number {
  let sum = 0;
  for (let column = 0; column < one.length; column += 1)
    sum += ((one[column] ?? 0) - (other[column] ?? 0)) ** 2;
  return Math.sqrt(sum);
}

function evidenceOf({ rows, bandwidth }: Remembered, row: Row): Evidence {
  const distances = rows.map((other) => distance(row, other));
  const least = Math.min(...distances);
  // Relative to the nearest: far from everything all weights would underflow to nothing.
  const weights = distances.map((value) => Math.exp((least ** 2 - value ** 2) / (2 * bandwidth ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const contributions = row.map((value, column) => {
    let estimate = 0;
    for (const [index, weight] of weights.entries())
      estimate += (weight / total) * (rows[index]?.[column] ?? 0);
    return (value - estimate) ** 2;
  });
  return { score: Math.sqrt(contributions.reduce((sum, value) => sum + value, 0)), contributions };
}
