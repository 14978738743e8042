/**
 * A Gaussian for vectors with more features than there are examples: each feature scaled to unit
 * variance, full variances along the few directions in which the examples vary most, one variance for
 * all the rest. Source: M. Tipping, C. Bishop, "Probabilistic principal component analysis",
 * J. R. Stat. Soc. B 61 (1999) 611–622. Plain JSON: a few thousand numbers.
 */
import { requireOption } from './detector.ts';
import { seededRandom, shuffledIndices } from './random.ts';

export interface LowRankGaussian {
  mean: number[];
  /** Standard deviation of each feature. */
  scale: number[];
  /** Unit vectors in the scaled space, the widest direction first. */
  components: number[][];
  /** Variance along each of them. */
  variances: number[];
  /** Variance along every other direction. */
  residual: number;
}

/** Directions kept at most; four examples each are needed to say how wide one is. */
const MAX_RANK = 16;
const EXAMPLES_PER_DIRECTION = 4;
const FOLDS = 10;
const ITERATIONS = 30;
/** Of the largest scale: features that never vary must not become infinitely telling. */
const LEAST_SCALE = 1e-3;

/** Fits `rows`, one example each, all of one length. Throws `OPTION_INVALID` for fewer than 5 and unequal ones. */
export function fitLowRankGaussian(rows: readonly ArrayLike<number>[]): LowRankGaussian {
  const [first] = rows;
  const features = first?.length ?? 0;
  requireOption(
    rows.length >= 5 && features > 0 && rows.every((row) => row.length === features),
    `${rows.length} examples cannot tell what is usual`,
  );
  const mean = Array.from({ length: features }, (_, c) => average(rows, (row) => row[c] ?? 0));
  const deviation = mean.map((centre, c) => Math.sqrt(average(rows, (row) => ((row[c] ?? 0) - centre) ** 2)));
  const least = Math.max(...deviation) * LEAST_SCALE || 1;
  const scale = deviation.map((value) => Math.max(value, least));
  const scaled = rows.map((row) => scaledTo(row, mean, scale));
  const rank = Math.min(MAX_RANK, features - 1, Math.floor(rows.length / EXAMPLES_PER_DIRECTION));
  const components = principalDirections(scaled, rank);
  // Unbiased: of n examples, one degree of freedom went into the mean.
  const bias = rows.length / (rows.length - 1);
  const variances = components.map((direction) => bias * average(scaled, (row) => dot(row, direction) ** 2));
  const total = bias * average(scaled, (row) => dot(row, row));
  const explained = variances.reduce((sum, variance) => sum + variance, 0);
  const residual = Math.max((total - explained) / (features - rank), LEAST_SCALE);
  return { mean, scale, components, variances, residual };
}

/** Mahalanobis distance of `row`, divided by √features: about 1 for another example of the same kind. */
export function distanceFrom(gaussian: LowRankGaussian, row: ArrayLike<number>): number {
  const scaled = scaledTo(row, gaussian.mean, gaussian.scale);
  let rest = dot(scaled, scaled);
  let sum = 0;
  gaussian.components.forEach((direction, index) => {
    const along = dot(scaled, direction) ** 2;
    rest -= along;
    sum += along / Math.max(gaussian.variances[index] ?? 0, gaussian.residual);
  });
  return Math.sqrt((sum + Math.max(0, rest) / gaussian.residual) / scaled.length);
}

/**
 * Distance of each row from a Gaussian of other rows (ten folds, by seed): what a fresh one would have.
 * Distances from the Gaussian a row helped to fit are too small.
 */
export function outOfFoldDistances(rows: readonly ArrayLike<number>[], seed: number): number[] {
  const order = shuffledIndices(rows.length, seededRandom(seed));
  const distances = new Array<number>(rows.length).fill(0);
  for (let fold = 0; fold < FOLDS; fold += 1) {
    const inFold = (index: number): boolean => (order[index] ?? 0) % FOLDS === fold;
    const gaussian = fitLowRankGaussian(rows.filter((_, index) => !inFold(index)));
    rows.forEach((row, index) => {
      if (inFold(index)) distances[index] = distanceFrom(gaussian, row);
    });
  }
  return distances;
}

/** Subspace iteration on the covariance, without forming it: widest first, deterministic. */
function principalDirections(rows: readonly Float64Array[], rank: number): number[][] {
  const features = rows[0]?.length ?? 0;
  const random = seededRandom(1);
  const directions = Array.from({ length: rank }, () =>
    Float64Array.from({ length: features }, () => random.normal()),
  );
  orthonormalise(directions);
  for (let iteration = 0; iteration < ITERATIONS; iteration += 1) {
    for (const direction of directions) {
      const next = new Float64Array(features);
      for (const row of rows) {
        const along = dot(row, direction);
        for (let c = 0; c < features; c += 1) next[c] = (next[c] ?? 0) + along * (row[c] ?? 0);
      }
      direction.set(next);
    }
    orthonormalise(directions);
  }
  return directions.map((direction) => [...direction]);
}

/** Gram–Schmidt, in place. A direction in which nothing varies becomes zero and counts for nothing. */
function orthonormalise(directions: readonly Float64Array[]): void {
  directions.forEach((direction, index) => {
    const before = Math.sqrt(dot(direction, direction));
    for (const earlier of directions.slice(0, index)) {
      const along = dot(direction, earlier);
      for (let c = 0; c < direction.length; c += 1) {
        direction[c] = (direction[c] ?? 0) - along * (earlier[c] ?? 0);
      }
    }
    const length = Math.sqrt(dot(direction, direction));
    const factor = length > before * 1e-9 ? 1 / length : 0;
    for (let c = 0; c < direction.length; c += 1) direction[c] = (direction[c] ?? 0) * factor;
  });
}

function scaledTo(row: ArrayLike<number>, mean: readonly number[], scale: readonly number[]): Float64Array {
  return Float64Array.from(mean, (centre, c) => ((row[c] ?? 0) - centre) / (scale[c] ?? 1));
}

function dot(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let sum = 0;
  for (let c = 0; c < one.length; c += 1) sum += (one[c] as number) * (other[c] as number);
  return sum;
}

function average<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0) / items.length;
}
