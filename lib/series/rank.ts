/**
 * How unusual a score is among good ones, on a scale that all methods share: −log₁₀ of the conformal
 * p-value, so 2 is as unusual as one good row in a hundred. Between two good scores it is interpolated;
 * above the highest it goes on by how many times that one is exceeded, so that worse stays worse where
 * p-values end.
 */

/** `goodScores` ascending and not negative. Grows with the score; NaN for NaN. */
export function rankOf(goodScores: readonly number[], score: number): number {
  return rankAmong(goodScores, score, false);
}

/**
 * Of each row, the highest of its ranks by several methods: what a threshold for that highest rank comes from.
 * `scores[method][row]` are of good rows that the method had not seen. A row is ranked among the others:
 * among all it would never exceed the highest, as a fresh row does as soon as one method has it there (60
 * rows, four methods: 63 % of thresholds broke a budget that 5 % may break). Its neighbour below is left out
 * too: with the row alone left out still 7.5 % broke it, with both at most 1.5 %, for two to six methods. With one
 * method the order of the rows is all that counts, and that is the same either way.
 */
export function highestRanks(scores: readonly (readonly number[])[]): number[] {
  const ascending = scores.map((each) => Float64Array.from(each).sort());
  const isOneOfThem = scores.length > 1;
  return (scores[0] ?? []).map((_, row) =>
    Math.max(
      ...scores.map((each, method) => rankAmong(ascending[method] ?? [], each[row] ?? NaN, isOneOfThem)),
    ),
  );
}

/** One of the scores is ranked among the others, on the scale of a fresh one: n and itself are n + 1 either way. */
function rankAmong(ascending: ArrayLike<number>, score: number, isOneOfThem: boolean): number {
  const count = ascending.length;
  const others = isOneOfThem ? count - 1 : count;
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < score) low = middle + 1;
    else high = middle;
  }
  // `low` scores are below; how far the score has come from the last of them to the next.
  const below = ascending[isOneOfThem ? low - 2 : low - 1] ?? 0;
  if (low === others) return Math.log10(count + 1) + excess(score, below);
  const above = ascending[isOneOfThem ? low + 1 : low] ?? NaN;
  const share = above > below ? (score - below) / (above - below) : 1;
  return Math.log10((count + 1) / (1 + others - Math.max(low - 1 + share, 0)));
}

function excess(score: number, highest: number): number {
  return highest > 0 ? score / highest - 1 : score;
}
