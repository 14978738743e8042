/**
 * Normal operation, learnt from rows of features that were measured while all was well: one or more
 * methods side by side, each calibrated on rows it had not seen, and the most alarmed one speaks.
 */
import { methodOf, type MethodName } from './methods/methods.ts';
import type { Detector } from './methods/method.ts';
import { highestRanks, rankOf } from './rank.ts';
import { fitScaling, scaled, type Row, type Scaling } from './scaling.ts';
import { SeriesError } from './errors.ts';

export interface Member {
  method: MethodName;
  /** What the method learnt from all rows; plain JSON, read by the same method only. */
  learnt: unknown;
  /** Ascending; smoothed scores of each row by a detector that had not seen it. */
  goodScores: number[];
}

export interface Normal {
  /** Names of the features, in the order of every row. */
  columns: string[];
  scaling: Scaling;
  /** Scores are averaged over so many rows. */
  smoothing: number;
  members: Member[];
  /** Ascending; of each row, out of fold: what the gate calibrates with. */
  goodScores: number[];
}

export interface LearnOptions {
  columns: readonly string[];
  rows: readonly Row[];
  methods: readonly MethodName[];
  smoothing?: number;
  onProgress?: (done: number, total: number) => void;
}

export interface Judgement {
  /** The highest rank of any method: 2 is as unusual as one good row in a hundred. */
  score: number;
  method: MethodName;
  /** Share of each feature in that, in the order of the columns; adds up to 1 (or 0 where nothing is off). */
  shares: number[];
}

/** Fewer rows than this say too little about what is normal. */
export const LEAST_ROWS = 30;
export const MOST_ROWS = 20_000;
/** Blocks of consecutive rows: neighbours in time resemble each other, so a random fold has seen its part. */
const FOLDS = 5;

/**
 * Learns and calibrates. Nothing in it is left to chance. 400 rows of 8 features take about 0.2 s a method on one core,
 * so call it from a process of its own. Throws `SERIES_TOO_SHORT`, `FEATURES_INVALID`, `SERIES_CONSTANT`.
 */
export async function learnNormal(options: LearnOptions): Promise<Normal> {
  const { columns, rows, methods, smoothing = 1, onProgress } = options;
  requireRows(columns, rows);
  const scaling = fitScaling(rows);
  const all = rows.map((row) => scaled(scaling, row));
  const total = methods.length * (FOLDS + 1);
  let done = 0;
  const tick = async (): Promise<void> => {
    onProgress?.((done += 1), total);
    await Promise.resolve();
  };
  const members: Member[] = [];
  const outOfFold: number[][] = [];
  for (const method of methods) {
    const scores: number[] = [];
    for (let fold = 0; fold < FOLDS; fold += 1) {
      scores.push(...(await scoresOfFold(method, rows, fold, smoothing)));
      await tick();
    }
    outOfFold.push(scores);
    const learnt = await methodOf(method).learn(all);
    members.push({ method, learnt, goodScores: ascending(scores) });
    await tick();
  }
  return {
    columns: [...columns],
    scaling,
    smoothing,
    members,
    goodScores: ascending(highestRanks(outOfFold)),
  };
}

async function scoresOfFold(
  name: MethodName,
  rows: readonly Row[],
  fold: number,
  smoothing: number,
): Promise<number[]> {
  const method = methodOf(name);
  const from = Math.floor((fold * rows.length) / FOLDS);
  const to = Math.floor(((fold + 1) * rows.length) / FOLDS);
  // What overlaps the block in a detector's memory would have been seen.
  const rest = rows.filter((_, row) => row < from - method.memory || row >= to + method.memory);
  const scaling = fitScaling(rest);
  const detector = method.open(await method.learn(rest.map((row) => scaled(scaling, row))));
  const mean = movingMean(smoothing);
  return rows.slice(from, to).map((row) => mean(detector.step(scaled(scaling, row)).score));
}

/** Judges rows in the order they were measured. */
export class Watch {
  readonly #normal: Normal;
  readonly #detectors: { member: Member; detector: Detector; mean: (value: number) => number }[] = [];

  constructor(normal: Normal) {
    this.#normal = normal;
    this.reset();
  }

  /** `row` in the order of the model's columns; see {@link rowOf}. Throws `SCORE_NOT_FINITE`. */
  judge(row: Row): Judgement {
    const values = scaled(this.#normal.scaling, row);
    let worst: Judgement | undefined;
    for (const { member, detector, mean } of this.#detectors) {
      const { score, contributions } = detector.step(values);
      const rank = rankOf(member.goodScores, mean(score));
      if (!Number.isFinite(rank)) throw notFinite(member.method);
      if (worst !== undefined && rank <= worst.score) continue;
      const total = contributions.reduce((sum, value) => sum + value, 0);
      const shares = contributions.map((value) => (total > 0 ? value / total : 0));
      worst = { score: rank, method: member.method, shares };
    }
    if (worst === undefined) throw new SeriesError('MODEL_INVALID', 'the model holds no method');
    return worst;
  }

  /** Forgets the rows before, as after a gap. */
  reset(): void {
    const { members, smoothing } = this.#normal;
    this.#detectors.splice(
      0,
      Infinity,
      ...members.map((member) => ({
        member,
        detector: methodOf(member.method).open(member.learnt),
        mean: movingMean(smoothing),
      })),
    );
  }
}

/**
 * The features in the model's order. Throws `FEATURE_MISSING`, `FEATURE_UNKNOWN`, `FEATURES_INVALID`: a
 * row that is not what was taught has no score, rather than one that means something else.
 */
export function rowOf(columns: readonly string[], features: unknown): number[] {
  const empty = typeof features !== 'object' || features === null || Array.isArray(features);
  if (empty || Object.keys(features).length === 0) {
    throw new SeriesError('FEATURES_INVALID', 'there are no features in the message', {
      hint: 'Send msg.payload = {features: {name: number}}, for example from a sensor-window node.',
    });
  }
  const given = features as Readonly<Record<string, unknown>>;
  const known = new Set(columns);
  const unknown = Object.keys(given).find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new SeriesError('FEATURE_UNKNOWN', `“${unknown}” was not there when the model was taught`, {
      hint: 'Teach again with the features there are now, or send only those that were taught.',
    });
  }
  return columns.map((name) => {
    const value = given[name];
    if (value === undefined) throw new SeriesError('FEATURE_MISSING', `“${name}” is missing`);
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new SeriesError('FEATURES_INVALID', `“${name}” is not a number`);
    }
    return value;
  });
}

function notFinite(method: MethodName): SeriesError {
  return new SeriesError('SCORE_NOT_FINITE', `the score of ${method} is no finite number`, {
    hint: 'The features are too far from those that were taught to be compared; look at the sensor.',
  });
}

function movingMean(count: number): (value: number) => number {
  let recent: number[] = [];
  return (value) => {
    recent = [...recent.slice(1 - count || recent.length), value];
    return recent.reduce((sum, each) => sum + each, 0) / recent.length;
  };
}

function ascending(scores: readonly number[]): number[] {
  return Array.from(Float64Array.from(scores).sort());
}

function requireRows(columns: readonly string[], rows: readonly Row[]): void {
  if (rows.length < LEAST_ROWS || rows.length > MOST_ROWS) {
    throw new SeriesError('SERIES_TOO_SHORT', `${rows.length} rows cannot teach what is normal`, {
      hint: `Teach with ${LEAST_ROWS} to ${MOST_ROWS} windows of normal operation; 300 or more are good.`,
    });
  }
  for (const row of rows) {
    if (row.length === columns.length && row.every(Number.isFinite)) continue;
    throw new SeriesError('FEATURES_INVALID', 'a row has a value that is missing or not a number');
  }
  const moving = columns.some((_, column) => rows.some((row) => row[column] !== rows[0]?.[column]));
  if (!moving) {
    throw new SeriesError('SERIES_CONSTANT', 'no feature ever changes: nothing can be learnt from that', {
      hint: 'Check that the sensors are connected.',
    });
  }
}
