/**
 * What should the sensors read, given rows like this one seen in normal operation? The auto-associative
 * kernel regression that similarity-based monitoring (MSET and its kin) rests on: the estimate is the
 * mean of remembered rows, weighted by how near they are; the score is how far the row is from it.
 * Source: J. Garvey, D. Garvey, R. Seibert, J. W. Hines, Ann. Nucl. Energy 34 (2007) 133–142;
 * MSET itself: R. Singer, K. Gross et al., 9th Intl. Conf. on Intelligent Systems Applications to Power Systems (1997).
 */
import { seededRandom } from '../../statistics/random.ts';
import type { Row } from '../scaling.ts';
import { median } from '../scaling.ts';
import type { Evidence, Method } from './method.ts';

export interface Remembered {
  rows: number[][];
  /** h of the Gaussian kernel exp(−d²/2h²), in scaled units. */
  bandwidth: number;
}

const MOST_ROWS = 500;

export const similarity: Method<Remembered> = {
  memory: 0,

  learn(rows, seed) {
    const kept = remember(rows, seed);
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

/**
 * Rows spread over everything that was seen; all of them while there are few. Each is the farthest from
 * those before it, the first chosen by the seed (Gonzalez, "Clustering to minimize the maximum
 * intercluster distance", 1985).
 */
export function remember(rows: readonly Row[], seed: number): number[][] {
  if (rows.length <= MOST_ROWS) return rows.map((row) => [...row]);
  const nearest = new Float64Array(rows.length).fill(Infinity);
  let newest = seededRandom(seed).below(rows.length);
  const kept: number[][] = [];
  while (kept.length < MOST_ROWS && (nearest[newest] as number) > 0) {
    const centre = rows[newest] as Row;
    kept.push([...centre]);
    rows.forEach((row, index) => {
      nearest[index] = Math.min(nearest[index] as number, distance(row, centre));
    });
    newest = nearest.reduce((best, value, index) => (value > (nearest[best] as number) ? index : best), 0);
  }
  return kept;
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
