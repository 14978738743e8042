/**
 * Two heads together: each sees what the other misses. Their distances are added in units of the
 * standard deviation that the scores of good parts they have not seen have. The means, which a sum of
 * z-scores would take away, are the same for every part and are left in, so that a score stays ≥ 0.
 */
import { HIGHEST_PATCHES, type Distances, type HeadScore } from './head.ts';

/** Standard deviation of scores; never so small that it could not divide. */
export function spreadOf(scores: readonly number[]): number {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length;
  return Math.max(Math.sqrt(variance), Math.abs(mean) * 1e-3, 1e-6);
}

/** What the graph of {@link sumDistances} answers, from the answers of both heads. */
export function sumScore(one: HeadScore, other: HeadScore, spreads: readonly [number, number]): HeadScore {
  const map = one.map.map((value, patch) => value / spreads[0] + (other.map[patch] as number) / spreads[1]);
  const highest = Float32Array.from(map).sort().subarray(-HIGHEST_PATCHES);
  return { score: highest.reduce((sum, value) => sum + value, 0) / highest.length, map };
}

export function sumDistances(
  one: Distances,
  other: Distances,
  spreads: readonly [number, number],
): Distances {
  return {
    nodes: [
      ...one.nodes,
      ...other.nodes,
      { operator: 'Mul', inputs: [one.output, 'sum_one'], outputs: ['sum_first'] },
      { operator: 'Mul', inputs: [other.output, 'sum_other'], outputs: ['sum_second'] },
      { operator: 'Add', inputs: ['sum_first', 'sum_second'], outputs: ['sum_distance'] },
    ],
    constants: [
      ...one.constants,
      ...other.constants,
      { name: 'sum_one', shape: [1], data: Float32Array.of(1 / spreads[0]) },
      { name: 'sum_other', shape: [1], data: Float32Array.of(1 / spreads[1]) },
    ],
    output: 'sum_distance',
  };
}
