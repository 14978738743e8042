/**
 * How unusual a score is among good ones, on a scale that all methods share: −log₁₀ of the conformal
 * p-value, so 2 is as unusual as one good row in a hundred. Between two good scores it is interpolated;
 * above the highest it goes on by how many times that one is exceeded, so that worse stays worse where
 * p-values end.
 */

/** `goodScores` ascending and not negative. Grows with the score; NaN for NaN. */
export function rankOf(goodScores: readonly number[], score: number): number {
  const count = goodScores.length;
  const highest = goodScores[count - 1] ?? 0;
  if (score > highest) return Math.log10(count + 1) + excess(score, highest);
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((goodScores[middle] ?? 0) < score) low = middle + 1;
    else high = middle;
  }
  // `low` good scores are below; how far the score has come from the last of them to the next.
  const below = low === 0 ? 0 : (goodScores[low - 1] ?? 0);
  const above = goodScores[low] ?? highest;
  const share = above > below ? (score - below) / (above - below) : 1;
  return Math.log10((count + 1) / (1 + count - Math.max(low - 1 + share, 0)));
}

function excess(score: number, highest: number): number {
  return highest > 0 ? score / highest - 1 : score;
}
