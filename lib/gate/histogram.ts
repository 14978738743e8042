/** How scores are spread, coarse enough to be drawn. */

export interface Histogram {
  from: number;
  to: number;
  /** Of equal width from `from` to `to`; the last includes `to`. */
  counts: number[];
}

/** Undefined without scores. Scores that are all the same fall into one bar of width 0. */
export function histogram(scores: readonly number[], bars: number): Histogram | undefined {
  if (scores.length === 0) return undefined;
  const from = scores.reduce((least, score) => Math.min(least, score), Infinity);
  const to = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  if (from === to) return { from, to, counts: [scores.length] };
  const counts = new Array<number>(bars).fill(0);
  for (const score of scores) {
    const bar = Math.min(bars - 1, Math.floor(((score - from) / (to - from)) * bars));
    counts[bar] = (counts[bar] ?? 0) + 1;
  }
  return { from, to, counts };
}
