/**
 * How well pictures are told apart: AUROC on real sets, seconds of teaching, milliseconds of a score.
 * Teaching and scoring run as on the gateway: through the teaching process and the inference host.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { framesOf, readFrame } from '../../lib/anomaly/folder-frames.ts';
import { Scorer } from '../../lib/anomaly/scorer.ts';
import { teach } from '../../lib/anomaly/teach.ts';
import { auroc } from '../../lib/statistics/auroc.ts';
import { shared } from '../../test/support/shared.ts';
import { quantile, type Figure, type Section } from '../figures.ts';
import type { EvalChoice } from './choice.ts';
import { folderSet, sharedSet, SHARED_SETS, type ImageSet } from './image-sets.ts';

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
    return { auroc: auroc(good, bad), teachSeconds, scoreMs };
  } finally {
    await scorer.close();
  }
}

export async function evaluateImages({ images: path, seed }: EvalChoice): Promise<Section> {
  const images = shared('data', 'images');
  const sets =
    path === undefined ? SHARED_SETS.map(({ name }) => sharedSet(images, name)) : [await folderSet(path)];
  const figures: Figure[] = [];
  const scoreMs: number[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-eval-'));
  try {
    for (const set of sets) {
      const result = await evaluate(set, folder, seed);
      scoreMs.push(...result.scoreMs);
      figures.push({
        id: `auroc.${set.name}`,
        value: result.auroc,
        unit: '',
        goal: path === undefined ? goalOf(set.name) : null,
        better: 'higher',
        detail:
          `taught from ${set.train_good.length} in ${result.teachSeconds.toFixed(1)} s; ` +
          `${set.test_good.length} good, ${set.test_bad.length} bad; score p50 ` +
          `${quantile(result.scoreMs, 0.5).toFixed(1)} ms, p99 ${quantile(result.scoreMs, 0.99).toFixed(1)} ms`,
      });
    }
    if (path === undefined) figures.push(await teachHundred(images, folder, seed));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  for (const share of [50, 99]) {
    figures.push({
      id: `score.ms.p${share}`,
      value: quantile(scoreMs, share / 100),
      unit: 'ms',
      goal: null,
      better: 'lower',
      detail: 'encoded frame in; score, map and boxes out; through the inference host',
    });
  }
  return { title: 'Pictures', figures };
}

function goalOf(name: string): number | null {
  return SHARED_SETS.find((set) => set.name === name)?.goal ?? null;
}

/** Time only: whether the set tests with these parts elsewhere does not matter here. */
async function teachHundred(images: string, folder: string, seed: number): Promise<Figure> {
  const { train_good: train, test_good: test } = sharedSet(images, 'cubes');
  const paths = [...train, ...test].slice(0, 100);
  const [, teachSeconds] = await seconds(() =>
    teach({ frames: framesOf(paths), folder, name: 'hundred', seed }),
  );
  return {
    id: 'teach.seconds.100',
    value: teachSeconds,
    unit: 's',
    goal: TEACH_GOAL_SECONDS,
    better: 'lower',
    detail: `${paths.length} JPEGs of 640×480, end to end`,
  };
}
