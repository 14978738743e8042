/** How unusual a score is among good parts, and which score belongs to a share of good parts. */

/** Number of ascending `goodScores` that are at least `score`. */
function countAtLeast(goodScores: readonly number[], score: number): number {
  let low = 0;
  let high = goodScores.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((goodScores[middle] ?? 0) < score) low = middle + 1;
    else high = middle;
  }
  return goodScores.length - low;
}

/**
 * Conformal p-value (1 + #{good ≥ s}) / (n + 1), in (0, 1]: for a fresh good part
 * P(p ≤ u) ≤ u for every u, whatever the distribution of scores (Vovk, Gammerman, Shafer:
 * Algorithmic Learning in a Random World, 2005, prop. 2.4; Bates et al., Ann. Statist. 51, 2023).
 * `goodScores` ascending, of good parts the model had not seen. A score that is no number is as unusual as
 * can be: nothing is known of that part.
 */
export function conformalPValue(goodScores: readonly number[], score: number): number {
  const atLeast = Number.isNaN(score) ? 0 : countAtLeast(goodScores, score);
  return (1 + atLeast) / (goodScores.length + 1);
}

/** Score that at most the share `alpha` of fresh good parts exceeds; null when too few scores say so. */
export function conformalThreshold(goodScores: readonly number[], alpha: number): number | null {
  // The slack undoes what 1 − alpha loses in binary: 0.95 × 20 must be 19, not 19.000000000000004.
  const rank = Math.ceil((goodScores.length + 1) * (1 - alpha) - 1e-9);
  return rank > goodScores.length ? null : (goodScores[Math.max(rank, 1) - 1] ?? null);
}

/** Empirical quantile of ascending scores (type 1: the smallest score with at least that share below or at it). */
export function quantile(ascending: readonly number[], share: number): number {
  const rank = Math.ceil(ascending.length * share - 1e-9);
  return ascending[Math.min(Math.max(rank, 1), ascending.length) - 1] ?? NaN;
}
