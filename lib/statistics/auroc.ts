/** Area under the receiver operating characteristic: the chance that a bad part scores above a good one. */
export function auroc(good: readonly number[], bad: readonly number[]): number {
  let wins = 0;
  for (const b of bad) for (const g of good) wins += b > g ? 1 : b === g ? 0.5 : 0;
  return wins / (good.length * bad.length);
}
