/**
 * The scorer of the Numenta Anomaly Benchmark, written anew from its paper and checked against its
 * published results: each labelled window earns at most once, the more the earlier it is found; each
 * alarm outside costs, less just behind a window; the first 15 % of a file are probation.
 * Source: A. Lavin, S. Ahmad, IEEE ICMLA 2015, §II; windows and weights from the NAB repository.
 */
export interface CostMatrix {
  tpWeight: number;
  fpWeight: number;
  fnWeight: number;
}

/** One file: when each row was measured and the first and last time of each window, both as in NAB's files. */
export interface Series {
  times: readonly string[];
  windows: readonly (readonly [from: string, to: string])[];
}

/** Rows at the start that are not scored: 15 %, of 5000 rows at most. */
export function probation(rows: number): number {
  return Math.min(Math.floor(0.15 * rows), 0.15 * 5000);
}

/** 2/(1 + e^{5x}) − 1: nearly 1 at the left edge of a window (−1), 0 at its right edge, −1 far behind it. */
function scaledSigmoid(position: number): number {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

interface Alarm {
  row: number;
  score: number;
}

/** A row's worth as an alarm, and the window it lies in. */
interface Worth {
  window: number | undefined;
  value: number;
}

/** What an alarm at each row would be worth under a profile. */
function worths({ times, windows }: Series, { tpWeight, fpWeight }: CostMatrix): Worth[] {
  const spans = windows.map(([from, to]) => [times.indexOf(from), times.indexOf(to)] as const);
  const best = scaledSigmoid(-1);
  return times.map((_, row) => {
    const inside = spans.findIndex(([first, last]) => row >= first && row <= last);
    if (inside >= 0) {
      const [first = 0, last = 0] = spans[inside] ?? [];
      const position = -(last - row + 1) / (last - first + 1);
      return { window: inside, value: (scaledSigmoid(position) * tpWeight) / best };
    }
    const before = spans.filter(([, last]) => last < row).at(-1);
    const position = before === undefined ? Infinity : (row - before[1]) / (before[1] - before[0]);
    return { window: undefined, value: scaledSigmoid(position) * fpWeight };
  });
}

/** Raw score of one file when every row whose score reaches the threshold is an alarm. */
export function nabScore(
  series: Series,
  scores: readonly number[],
  threshold: number,
  cost: CostMatrix,
): number {
  const alarms = scores.map((score, row) => ({ row, score })).filter(({ score }) => score >= threshold);
  return scoreOfAlarms(series, alarms, worths(series, cost), cost);
}

function scoreOfAlarms(
  { times, windows }: Series,
  alarms: readonly Alarm[],
  values: readonly Worth[],
  { fnWeight }: CostMatrix,
): number {
  const from = probation(times.length);
  const found = windows.map((_, window) => (scorable(window, values, from) ? -fnWeight : 0));
  let outside = 0;
  for (const { row } of alarms) {
    const worth = values[row];
    if (row < from || worth === undefined) continue;
    if (worth.window === undefined) outside += worth.value;
    else found[worth.window] = Math.max(found[worth.window] ?? -fnWeight, worth.value);
  }
  return outside + found.reduce((sum, value) => sum + value, 0);
}

function scorable(window: number, values: readonly Worth[], from: number): boolean {
  return values.some((worth, row) => worth.window === window && row >= from);
}

export interface Scored {
  series: Series;
  scores: readonly number[];
}

/**
 * NAB's own protocol: the one threshold for all files that is best for the profile, and the sum of
 * the files' scores there. Tries every score that was given.
 */
export function bestThreshold(
  files: readonly Scored[],
  cost: CostMatrix,
): { threshold: number; score: number } {
  const rows = files.flatMap(({ series, scores }, file) => {
    const values = worths(series, cost);
    const from = probation(series.times.length);
    return scores.flatMap((score, row) => {
      const worth = values[row];
      return row < from || worth === undefined ? [] : [{ score, file, ...worth }];
    });
  });
  rows.sort((one, other) => other.score - one.score);
  const found = new Map<string, number>();
  for (const { window, file } of rows)
    if (window !== undefined) found.set(`${file}|${window}`, -cost.fnWeight);
  let sum = [...found.values()].reduce((total, value) => total + value, 0);
  let best = { threshold: Infinity, score: sum };
  rows.forEach(({ score, file, window, value }, at) => {
    if (window === undefined) sum += value;
    else {
      const key = `${file}|${window}`;
      const had = found.get(key) ?? 0;
      if (value > had) {
        found.set(key, value);
        sum += value - had;
      }
    }
    // All rows of one score alarm together.
    if (rows[at + 1]?.score !== score && sum > best.score) best = { threshold: score, score: sum };
  });
  return best;
}

/** 0 for no alarm at all, 100 for every window found at its first row and nothing else. */
export function normalised(raw: number, windows: number, { tpWeight, fnWeight }: CostMatrix): number {
  return (100 * (raw + fnWeight * windows)) / (windows * (tpWeight + fnWeight));
}
