/**
 * Picks the patches of good parts that a model remembers: few, and spread over everything that was
 * seen, so that a rare but good look is kept where a random sample would lose it.
 *
 * Greedy k-centre selection (Gonzalez 1985; PatchCore, Roth et al., CVPR 2022, algorithm 1): each
 * step takes the patch farthest from all taken so far. Distances are compared in a random
 * projection, which keeps them up to a few percent (Johnson–Lindenstrauss) at half the cost.
 */
import { seededRandom, type Random } from '../statistics/random.ts';

export interface CoresetOptions {
  /** Numbers per row of `rows`. */
  dimensions: number;
  /** Rows to select; all that differ when there are fewer. */
  size: number;
  seed: number;
  /** Dimensions of the random projection. */
  projected?: number;
}

/**
 * Copy of the selected rows, in the order of selection. Deterministic by seed. Selecting 1 000 of
 * 20 000 rows of 128 numbers takes about 1 s.
 */
export function coreset(rows: Float32Array, options: CoresetOptions): Float32Array {
  const { dimensions, size, seed, projected = 64 } = options;
  const random = seededRandom(seed);
  const rowCount = rows.length / dimensions;
  const points = project(rows, dimensions, Math.min(projected, dimensions), random);
  const chosen = farthestPoints(points, rowCount, Math.min(size, rowCount));
  const selected = new Float32Array(chosen.length * dimensions);
  chosen.forEach((row, order) => {
    selected.set(rows.subarray(row * dimensions, (row + 1) * dimensions), order * dimensions);
  });
  return selected;
}

/** Gaussian random projection of every row. */
function project(rows: Float32Array, from: number, to: number, random: Random): Float32Array {
  const matrix = Float32Array.from({ length: to * from }, () => random.normal() / Math.sqrt(to));
  const rowCount = rows.length / from;
  const points = new Float32Array(rowCount * to);
  for (let row = 0; row < rowCount; row += 1) {
    for (let axis = 0; axis < to; axis += 1) {
      let sum = 0;
      for (let index = 0; index < from; index += 1) {
        sum += (rows[row * from + index] ?? 0) * (matrix[axis * from + index] ?? 0);
      }
      points[row * to + axis] = sum;
    }
  }
  return points;
}

/** Indices of `size` points, each the farthest from those before; fewer when only copies are left. */
function farthestPoints(points: Float32Array, count: number, size: number): number[] {
  const dimensions = points.length / count;
  const distance = new Float32Array(count).fill(Infinity);
  const chosen: number[] = [];
  let newest = 0;
  while (chosen.length < size) {
    chosen.push(newest);
    const centre = points.subarray(newest * dimensions, (newest + 1) * dimensions);
    let farthest = -1;
    let farthestDistance = 0;
    for (let point = 0, offset = 0; point < count; point += 1, offset += dimensions) {
      let sum = 0;
      for (let axis = 0; axis < dimensions; axis += 1) {
        const difference = (points[offset + axis] ?? 0) - (centre[axis] ?? 0);
        sum += difference * difference;
      }
      const nearest = Math.min(distance[point] ?? 0, sum);
      distance[point] = nearest;
      if (nearest > farthestDistance) {
        farthestDistance = nearest;
        farthest = point;
      }
    }
    if (farthest < 0) break;
    newest = farthest;
  }
  return chosen;
}
