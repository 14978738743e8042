/**
 * How well pictures are told apart: AUROC on real sets, of pixels too where masks are known, with few good
 * parts, beside other backbones; seconds of teaching, milliseconds of a score. Teaching and scoring of
 * the sets run as on the gateway: through the teaching process and the inference host.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { framesOf, readFrame } from '../../lib/anomaly/folder-frames.ts';
import type { Method } from '../../lib/anomaly/method.ts';
import { Scorer, type Scored } from '../../lib/anomaly/scorer.ts';
import { teach } from '../../lib/anomaly/teach.ts';
import { auroc } from '../../lib/statistics/auroc.ts';
import { shared } from '../../test/support/shared.ts';
import { quantile, type Figure, type Section } from '../figures.ts';
import { compareBackbones } from './backbones.ts';
import type { EvalChoice } from './choice.ts';
import { folderSet, sharedSet, SHARED_SETS, type ImageSet } from './image-sets.ts';
import { perRegionOverlap, pixelAuroc, type PixelTruth } from './pixel-metrics.ts';
import { PreparedPictures } from './prepared-pictures.ts';
import { pixelTruth } from './pixel-truth.ts';

/** What a newcomer gets, and what was the only method once. */
const ASKED = ['auto', 'patch-nn'] as const;
type Asked = (typeof ASKED)[number];

interface SetResult {
  auroc: number;
  /** That was chosen, where none was asked for. */
  method: Method;
  teachSeconds: number;
  scoreMs: number[];
  /** Of all test pictures, where the set has masks. */
  pixels: PixelTruth[];
}

const TEACH_GOAL_SECONDS = 60;
const PIXEL_GOALS: Readonly<Record<string, { auroc: number; overlap: number } | undefined>> = {
  cookies: { auroc: 0.96, overlap: 0.88 },
};

async function seconds<Value>(action: () => Promise<Value>): Promise<[value: Value, seconds: number]> {
  const startedAt = performance.now();
  const value = await action();
  return [value, (performance.now() - startedAt) / 1000];
}

async function evaluate(set: ImageSet, folder: string, seed: number, method: Asked): Promise<SetResult> {
  const [model, teachSeconds] = await seconds(() =>
    teach({ frames: framesOf(set.train_good), folder, name: `${set.name} ${method}`, seed, method }),
  );
  const scorer = await Scorer.open(model);
  try {
    const [scoreMs, pixels]: [number[], PixelTruth[]] = [[], []];
    const scored = async (path: string): Promise<Scored> => {
      const frame = await readFrame(path);
      const startedAt = performance.now();
      const answer = await scorer.score(frame);
      scoreMs.push(performance.now() - startedAt);
      if (set.masks.size > 0) {
        pixels.push(await pixelTruth(answer.map, model.input, frame, set.masks.get(path)));
      }
      return answer;
    };
    const scoresOf = async (paths: readonly string[]): Promise<number[]> => {
      const scores: number[] = [];
      for (const path of paths) scores.push((await scored(path)).section.score);
      return scores;
    };
    const good = await scoresOf(set.test_good);
    const bad = await scoresOf(set.test_bad);
    return { auroc: auroc(good, bad), method: model.method, teachSeconds, scoreMs, pixels };
  } finally {
    await scorer.close();
  }
}

/** Goals are of what the dialog offers first. */
const suffixOf = (asked: Asked): string => (asked === 'auto' ? '' : `.${asked}`);

function figuresOf(set: ImageSet, result: SetResult, asked: Asked, isShared: boolean): Figure[] {
  const { teachSeconds, scoreMs, pixels } = result;
  const hasGoal = isShared && asked === 'auto';
  const goals = hasGoal ? PIXEL_GOALS[set.name] : undefined;
  const higher = (id: string, value: number, goal: number | undefined, detail: string): Figure => {
    return {
      id: `${id}.${set.name}${suffixOf(asked)}`,
      value,
      unit: '',
      goal: goal ?? null,
      better: 'higher',
      detail,
    };
  };
  const figures = [
    higher(
      'auroc',
      result.auroc,
      hasGoal ? SHARED_SETS.find(({ name }) => name === set.name)?.goal : undefined,
      `${result.method}; taught from ${set.train_good.length} in ${teachSeconds.toFixed(1)} s; ` +
        `${set.test_good.length} good, ${set.test_bad.length} bad; score p50 ` +
        `${quantile(scoreMs, 0.5).toFixed(1)} ms, p99 ${quantile(scoreMs, 0.99).toFixed(1)} ms`,
    ),
  ];
  if (pixels.length === 0) return figures;
  const detail = `${pixels.length} pictures, ${set.masks.size} with defects; map enlarged linearly to the mask`;
  figures.push(
    higher('pixelAuroc', pixelAuroc(pixels), goals?.auroc, detail),
    higher('pro', perRegionOverlap(pixels), goals?.overlap, `up to 30 % false positives; ${detail}`),
  );
  return figures;
}

/** Sets of the shared pictures where no folder is given, else what is in that. */
export async function evaluateImages({ images: path, seed }: EvalChoice): Promise<Section> {
  const images = shared('data', 'images');
  const sets =
    path === undefined ? SHARED_SETS.map(({ name }) => sharedSet(images, name)) : [await folderSet(path)];
  const figures: Figure[] = [];
  const scoreMs: number[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-eval-'));
  try {
    for (const set of sets) {
      for (const asked of ASKED) {
        const result = await evaluate(set, folder, seed, asked);
        scoreMs.push(...result.scoreMs);
        figures.push(...figuresOf(set, result, asked, path === undefined));
      }
    }
    for (const asked of path === undefined ? ASKED : []) {
      figures.push(await teachHundred(images, folder, seed, asked));
    }
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
  const pictures = new PreparedPictures({ width: 224, height: 224 });
  figures.push(...(await compareBackbones(sets, pictures, seed)));
  return { title: 'Pictures', figures };
}

/** Time only: whether the set tests with these parts elsewhere does not matter here. */
async function teachHundred(images: string, folder: string, seed: number, method: Asked): Promise<Figure> {
  const { train_good: train, test_good: test } = sharedSet(images, 'cubes');
  const paths = [...train, ...test].slice(0, 100);
  const [, teachSeconds] = await seconds(() =>
    teach({ frames: framesOf(paths), folder, name: `hundred ${method}`, seed, method }),
  );
  return {
    id: `teach.seconds.100${suffixOf(method)}`,
    value: teachSeconds,
    unit: 's',
    goal: method === 'auto' ? TEACH_GOAL_SECONDS : null,
    better: 'lower',
    detail: `${paths.length} JPEGs of 640×480, end to end`,
  };
}
