/** The runs of a graph that do not count yet, and what they tell of how long one takes. */

/** After the first, which compiles and pages in and is not counted. */
const RUNS = 8;
/** Slow graphs are not made to wait longer than this for their figures. */
const BUDGET_MS = 1000;

/** Durations of the runs after the first in ms, the shortest first; at least one. */
export async function warmUp(run: () => Promise<number>): Promise<number[]> {
  const begun = performance.now();
  await run();
  const durations = [await run()];
  while (durations.length < RUNS && performance.now() - begun < BUDGET_MS) durations.push(await run());
  return durations.sort((a, b) => a - b);
}
