/**
 * A few rows that stand for all: spread over everything that was seen, so that a rare look is kept
 * where a random sample would lose it. Greedy k-centre selection (T. Gonzalez, "Clustering to minimize
 * the maximum intercluster distance", 1985): each step takes the row farthest from all taken so far.
 */

/** Indices of at most `size` rows, in the order of selection, from the first; fewer when only copies are left. */
export function farthestPoints(rows: readonly (readonly number[])[], size: number): number[] {
  const nearest = new Float64Array(rows.length).fill(Infinity);
  const chosen: number[] = [];
  let newest: number | undefined = rows.length > 0 ? 0 : undefined;
  while (newest !== undefined && chosen.length < size) {
    chosen.push(newest);
    const centre = rows[newest] ?? [];
    let farthest: number | undefined;
    for (const [index, row] of rows.entries()) {
      const distance = Math.min(nearest[index] ?? 0, squaredDistance(row, centre));
      nearest[index] = distance;
      if (distance > (farthest === undefined ? 0 : (nearest[farthest] ?? 0))) farthest = index;
    }
    newest = farthest;
  }
  return chosen;
}

function squaredDistance(one: readonly number[], other: readonly number[]): number {
  let sum = 0;
  for (let axis = 0; axis < one.length; axis += 1) sum += ((one[axis] ?? 0) - (other[axis] ?? 0)) ** 2;
  return sum;
}
