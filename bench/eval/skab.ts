/**
 * SKAB (Skoltech Anomaly Benchmark v0.9) by its own protocol: each file is one experiment; its first 400
 * rows are normal and all there is to learn from; every later row is judged; hits and misses of
 * all files are counted together. F1 of the anomalous rows, FAR = FP/(FP + TN), MAR = FN/(FN + TP).
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { conformalThreshold } from '../../lib/anomaly/p-value.ts';
import type { MethodName } from '../../lib/series/methods/methods.ts';
import { learnNormal, Watch } from '../../lib/series/normal.ts';
import { readTable } from '../../lib/series/table.ts';
import type { Figure } from '../figures.ts';

const TRAINING_ROWS = 400;
const GOAL = 0.78;

/** Share of normal rows that may alarm, from the training rows alone: the only threshold there is. */
const ALPHAS = [0.05, 0.02, 0.01, 0.005];
/** What anomaly-score does unless told otherwise. */
const PRODUCT: Setting = { methods: ['nearest'], smoothing: 5 };
const PRODUCT_ALPHA = 0.01;

interface Setting {
  methods: readonly MethodName[];
  smoothing: number;
}

const SETTINGS: readonly Setting[] = [
  PRODUCT,
  ...(
    [
      ['similarity'],
      ['pca'],
      ['ewma'],
      ['cusum'],
      ['page-hinkley'],
      ['nearest', 'similarity', 'pca'],
    ] as const
  ).map((methods) => ({ methods, smoothing: 5 })),
  { methods: ['nearest'], smoothing: 1 },
  { methods: ['nearest'], smoothing: 20 },
];

/**
 * Outlier detection over all 34 files: README of github.com/waico/SKAB (the v0.9 table, judged
 * on the rows after the first 400), F1 / FAR % / MAR %.
 */
const PUBLISHED: readonly (readonly [name: string, f1: number, far: number, mar: number])[] = [
  ['Conv-AE', 0.78, 13.55, 28.02],
  ['MSET', 0.78, 39.73, 14.13],
  ['T-squared+Q (PCA)', 0.76, 26.62, 24.92],
  ['LSTM-AE', 0.74, 29.96, 25.92],
  ['T-squared', 0.66, 19.21, 42.6],
  ['LSTM-VAE', 0.56, 9.13, 55.03],
  ['Vanilla LSTM', 0.54, 12.54, 59.53],
  ['Isolation forest', 0.29, 2.56, 82.89],
];

interface Counts {
  tp: number;
  fp: number;
  fn: number;
  tn: number;
}

const NOTHING: Counts = { tp: 0, fp: 0, fn: 0, tn: 0 };

/** Rates of all counts together, in SKAB's words; the shares in per cent. */
export function ratesOf(counts: readonly Counts[]): { f1: number; far: number; mar: number } {
  const { tp, fp, fn, tn } = counts.reduce(
    (sum, each) => ({
      tp: sum.tp + each.tp,
      fp: sum.fp + each.fp,
      fn: sum.fn + each.fn,
      tn: sum.tn + each.tn,
    }),
    NOTHING,
  );
  return { f1: (2 * tp) / (2 * tp + fp + fn), far: (100 * fp) / (fp + tn), mar: (100 * fn) / (fn + tp) };
}

export function countsOf(labels: readonly number[], alarms: readonly boolean[]): Counts {
  const counts = { ...NOTHING };
  labels.forEach((label, row) => {
    const alarm = alarms[row] === true;
    counts[label === 1 ? (alarm ? 'tp' : 'fn') : alarm ? 'fp' : 'tn'] += 1;
  });
  return counts;
}

interface Experiment {
  columns: string[];
  rows: number[][];
  labels: number[];
}

/** Every file of the folders `valve1`, `valve2` and `other` that is there. */
async function experimentsIn(folder: string): Promise<Experiment[]> {
  const files = ['valve1', 'valve2', 'other'].flatMap((group) => {
    try {
      return readdirSync(join(folder, group))
        .filter((name) => name.endsWith('.csv'))
        .sort()
        .map((name) => join(folder, group, name));
    } catch {
      return [];
    }
  });
  return Promise.all(
    files.map(async (file) => {
      const { columns, rows } = await readTable(file);
      const label = columns.indexOf('anomaly');
      const sensors = columns.filter((name) => name !== 'anomaly' && name !== 'changepoint');
      return {
        columns: sensors,
        rows: rows.map((row) => sensors.map((name) => row[columns.indexOf(name)] ?? NaN)),
        labels: rows.slice(TRAINING_ROWS).map((row) => row[label] ?? NaN),
      };
    }),
  );
}

/** For each α, what was counted in one experiment. */
async function judge(
  { columns, rows, labels }: Experiment,
  { methods, smoothing }: Setting,
): Promise<Counts[]> {
  const training = rows.slice(0, TRAINING_ROWS);
  const normal = await learnNormal({ columns, rows: training, methods, smoothing });
  const watch = new Watch(normal);
  // The watch runs on from the training rows, as it would on a machine.
  for (const row of training) watch.judge(row);
  const scores = rows.slice(TRAINING_ROWS).map((row) => watch.judge(row).score);
  return ALPHAS.map((alpha) => {
    const threshold = conformalThreshold(normal.goodScores, alpha) ?? Infinity;
    return countsOf(
      labels,
      scores.map((score) => score > threshold),
    );
  });
}

const nameOf = ({ methods, smoothing }: Setting): string => `${methods.join('+')}.${smoothing}`;

export async function evaluateSkab(folder: string): Promise<Figure[]> {
  const experiments = await experimentsIn(folder);
  if (experiments.length === 0) return [];
  const rowCount = experiments.reduce((sum, { labels }) => sum + labels.length, 0);
  // counts[setting][experiment][alpha]
  const counts: Counts[][][] = [];
  for (const setting of SETTINGS) {
    const each: Counts[][] = [];
    for (const experiment of experiments) each.push(await judge(experiment, setting));
    counts.push(each);
  }
  const ratesAt = (setting: number, alpha: number): ReturnType<typeof ratesOf> =>
    ratesOf((counts[setting] ?? []).map((each) => each[alpha] ?? NOTHING));
  const alpha = ALPHAS.indexOf(PRODUCT_ALPHA);
  const chosen = ratesOf(chosenWithoutEach(counts));
  return [
    figure(
      'skab.f1',
      ratesAt(0, alpha),
      GOAL,
      `${experiments.length} files, ${rowCount} rows; one setting for all: nearest, mean of 5, α 1 %`,
    ),
    figure('skab.f1.chosen', chosen, GOAL, `method, smoothing and α chosen for each file on the others only`),
    ...SETTINGS.map((setting, at) => figure(`skab.f1.${nameOf(setting)}`, ratesAt(at, alpha), null, 'α 1 %')),
    figure(
      'skab.f1.always',
      ratesOf(
        experiments.map(({ labels }) =>
          countsOf(
            labels,
            labels.map(() => true),
          ),
        ),
      ),
      null,
      'an alarm in every row: what F1 is worth here',
    ),
    ...PUBLISHED.map(([name, f1, far, mar]) =>
      figure(`published.${name}`, { f1, far, mar }, null, 'all 34 files; SKAB README, v0.9'),
    ),
  ];
}

/** Nested: for each experiment the setting and α that are best on all the others. */
function chosenWithoutEach(counts: readonly Counts[][][]): Counts[] {
  const experiments = counts[0]?.length ?? 0;
  return Array.from({ length: experiments }, (_, left) => {
    let best = { f1: -1, counts: NOTHING };
    for (const setting of counts) {
      ALPHAS.forEach((__, alpha) => {
        const others = setting.filter((___, at) => at !== left).map((each) => each[alpha] ?? NOTHING);
        const { f1 } = ratesOf(others);
        if (f1 > best.f1) best = { f1, counts: setting[left]?.[alpha] ?? NOTHING };
      });
    }
    return best.counts;
  });
}

function figure(
  id: string,
  { f1, far, mar }: ReturnType<typeof ratesOf>,
  goal: number | null,
  detail: string,
): Figure {
  return {
    id,
    value: f1,
    unit: '',
    goal,
    better: 'higher',
    detail: `FAR ${far.toFixed(2)} %, MAR ${mar.toFixed(2)} %; ${detail}`,
  };
}
