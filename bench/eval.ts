/**
 * What the shipped anomaly model is worth, on real pictures:
 *
 *     npm run eval -- [--images DIR] [--seed N] [--json FILE]
 *
 * For each set: teaches from `train_good` and scores the rest one after the other through the same
 * inference host the node uses. Without `--images` the three shared sets, else the one in DIR.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { framesOf, readFrame } from '../lib/anomaly/folder-frames.ts';
import { Scorer } from '../lib/anomaly/scorer.ts';
import { teach } from '../lib/anomaly/teach.ts';
import { shared } from '../test/support/shared.ts';
import { auroc } from './auroc.ts';
import { folderSet, sharedSet, SHARED_SETS, type ImageSet } from './image-sets.ts';

interface Figure {
  id: string;
  value: number;
  unit: string;
  goal: number | null;
  better: 'lower' | 'higher';
  detail: string;
}

interface SetResult {
  auroc: number;
  teachSeconds: number;
  scoreMs: number[];
}

const TEACH_GOAL_SECONDS = 60;

async function seconds<Value>(action: () => Promise<Value>): Promise<[value: Value, seconds: number]> {
  const startedAt = performance.now();
  const value = await action();
  return [value, (performance.now() - startedAt) / 1000];
}

async function evaluate(set: ImageSet, folder: string, seed: number): Promise<SetResult> {
  const [model, teachSeconds] = await seconds(() =>
    teach({ frames: framesOf(set.train_good), folder, name: set.name, seed }),
  );
  const scorer = await Scorer.open(model);
  try {
    const scoreMs: number[] = [];
    const scoresOf = async (paths: readonly string[]): Promise<number[]> => {
      const scores: number[] = [];
      for (const path of paths) {
        const frame = await readFrame(path);
        const startedAt = performance.now();
        scores.push((await scorer.score(frame)).section.score);
        scoreMs.push(performance.now() - startedAt);
      }
      return scores;
    };
    const good = await scoresOf(set.test_good);
    const bad = await scoresOf(set.test_bad);
    return { auroc: auroc(good, bad), teachSeconds, scoreMs: scoreMs.sort((one, other) => one - other) };
  } finally {
    await scorer.close();
  }
}

function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? NaN;
}

function print(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    console.log(row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      images: { type: 'string' },
      json: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  });
  const seed = Number(values.seed);
  const images = shared('data', 'images');
  const sets =
    values.images === undefined
      ? SHARED_SETS.map(({ name }) => sharedSet(images, name))
      : [await folderSet(values.images)];
  const figures: Figure[] = [];
  const scoreMs: number[] = [];
  const rows = [['set', 'taught', 'good', 'bad', 'AUROC', 'goal', 'teach s', 'score ms p50', 'p99']];
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-eval-'));
  try {
    for (const set of sets) {
      const result = await evaluate(set, folder, seed);
      const goal =
        values.images === undefined
          ? (SHARED_SETS.find(({ name }) => name === set.name)?.goal ?? null)
          : null;
      const counts = [set.train_good, set.test_good, set.test_bad].map(({ length }) => String(length));
      scoreMs.push(...result.scoreMs);
      rows.push([
        set.name,
        ...counts,
        result.auroc.toFixed(4),
        goal === null ? '–' : String(goal),
        result.teachSeconds.toFixed(1),
        percentile(result.scoreMs, 0.5).toFixed(1),
        percentile(result.scoreMs, 0.99).toFixed(1),
      ]);
      const detail = `taught from ${counts[0] ?? ''}, ${counts[1] ?? ''} good and ${counts[2] ?? ''} bad scored, seed ${seed}`;
      figures.push({
        id: `auroc.${set.name}`,
        value: result.auroc,
        unit: '',
        goal,
        better: 'higher',
        detail,
      });
    }
    if (values.images === undefined) {
      // Time only: the parts are those of the largest set, whether it tests with them or not.
      const { train_good: train, test_good: test } = sharedSet(images, 'cubes');
      const paths = [...train, ...test].slice(0, 100);
      const [, teachSeconds] = await seconds(() =>
        teach({ frames: framesOf(paths), folder, name: 'hundred', seed }),
      );
      const detail = `${paths.length} JPEGs of 640×480, end to end`;
      figures.push({
        id: 'teach.seconds.100',
        value: teachSeconds,
        unit: 's',
        goal: TEACH_GOAL_SECONDS,
        better: 'lower',
        detail,
      });
      rows.push(['100 parts', String(paths.length), '', '', '', '', teachSeconds.toFixed(1), '', '']);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  scoreMs.sort((one, other) => one - other);
  for (const share of [50, 99]) {
    figures.push({
      id: `score.ms.p${share}`,
      value: percentile(scoreMs, share / 100),
      unit: 'ms',
      goal: null,
      better: 'lower',
      detail: 'encoded frame in, score, map and boxes out, through the inference host',
    });
  }
  print(rows);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  if (
    figures.some(
      ({ value, goal, better }) => goal !== null && (better === 'higher' ? value < goal : value > goal),
    )
  ) {
    process.exitCode = 1;
  }
}

await main();
