/**
 * Area under the receiver operating characteristic: the chance that a random bad part scores above
 * a random good one, ties counting half (Mann–Whitney U; Hanley & McNeil, Radiology 143, 1982).
 * NaN when either list is empty.
 */
export function auroc(good: readonly number[], bad: readonly number[]): number {
  let wins = 0;
  for (const badScore of bad) {
    for (const goodScore of good) wins += badScore > goodScore ? 1 : badScore === goodScore ? 0.5 : 0;
  }
  return wins / (good.length * bad.length);
}
