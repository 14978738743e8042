/**
 * Our backbone beside others on the same pictures, through the same heads: what it is worth to ship one
 * of our own, and what a user's network costs and brings.
 */
import { existsSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import {
  extractFeatures,
  gridOf,
  openSession,
  readBackbone,
  type Backbone,
  type Features,
  type Normalisation,
} from '../../lib/anomaly/backbone.ts';
import { headOf, scoreFeatures, type HeadShape } from '../../lib/anomaly/heads/head.ts';
import { distancesOf, fitHeads, type BaseMethod } from '../../lib/anomaly/heads/memory.ts';
import { appendToModel } from '../../lib/anomaly/onnx-graph.ts';
import { auroc } from '../../lib/statistics/auroc.ts';
import { seededRandom, shuffledIndices } from '../../lib/statistics/random.ts';
import { shared } from '../../test/support/shared.ts';
import { quantile, type Figure } from '../figures.ts';
import type { ImageSet } from './image-sets.ts';
import { each, type PreparedPictures } from './prepared-pictures.ts';

/** Runs the time is measured on, after half as many to warm up. */
const TIMED = 40;
const BANK_SIZE = 1000;
const METHODS: readonly BaseMethod[] = ['patch-nn', 'padim'];
/** Good parts of a first day, and draws of them on each set. */
const FEW = 20;
const DRAWS = 3;
const FEW_GOAL = 0.93;

const OTHERS: readonly { name: string; file: string; normalise: Normalisation }[] = [
  { name: 'resnet18', file: 'resnet18_l123_features.onnx', normalise: 'imagenet' },
  { name: 'mobilenetv1', file: 'mobilenetv1_100_features.onnx', normalise: 'symmetric' },
];

/** Our own first; the others where their files are. */
async function contestants(): Promise<Backbone[]> {
  const backbones = [await readBackbone()];
  for (const { name, file, normalise } of OTHERS) {
    const path = shared('data', 'models', file);
    if (existsSync(path)) backbones.push({ ...(await readBackbone(path, { normalise })), name });
  }
  return backbones;
}

/** The pictures of a set as a backbone sees them. */
interface SeenSet {
  shape: HeadShape;
  train: Features[];
  good: Features[];
  bad: Features[];
}

async function seenBy(backbone: Backbone, set: ImageSet, pictures: PreparedPictures): Promise<SeenSet> {
  const { size } = pictures;
  const session = await openSession(backbone.bytes);
  const features = (paths: readonly string[]): Promise<Features[]> =>
    each(paths, async (path) => extractFeatures(session, backbone, await pictures.pixels(path), size));
  const seen = {
    shape: { channels: backbone.channels, grid: gridOf(backbone, size) },
    train: await features(set.train_good),
    good: await features(set.test_good),
    bad: await features(set.test_bad),
  };
  await session.release();
  return seen;
}

async function aurocOf(
  { shape, train, good, bad }: SeenSet,
  method: BaseMethod,
  seed: number,
): Promise<number> {
  const options = { size: BANK_SIZE, seed };
  const heads = await fitHeads({ ...shape, parts: train }, [method], options);
  const distances = distancesOf(shape, method, heads, options);
  const scores = await scoreFeatures(shape, distances, [...good, ...bad]);
  const values = scores.map(({ score }) => score);
  return auroc(values.slice(0, good.length), values.slice(good.length));
}

/** Milliseconds of half of all scores, the picture decoded and resized, for each number of threads. */
async function medianMs(
  backbone: Backbone,
  { shape, train }: SeenSet,
  pixels: Buffer,
  pictures: PreparedPictures,
): Promise<[threads: number, ms: number][]> {
  const { width, height } = pictures.size;
  const options = { size: BANK_SIZE, seed: 1 };
  const heads = await fitHeads({ ...shape, parts: train.slice(0, FEW) }, ['patch-nn'], options);
  const head = headOf(shape, distancesOf(shape, 'patch-nn', heads, options));
  const graph = appendToModel(backbone.bytes, head);
  const image = new ort.Tensor('uint8', pixels, [1, height, width, 3]);
  return await each([1, 2], async (threads) => {
    const session = await openSession(graph, { threads });
    const times: number[] = [];
    for (let run = -TIMED / 2; run < TIMED; run += 1) {
      const startedAt = performance.now();
      await session.run({ image }, ['score', 'map']);
      if (run >= 0) times.push(performance.now() - startedAt);
    }
    await session.release();
    return [threads, quantile(times, 0.5)];
  });
}

/** What it is worth on the first day: taught from any few good parts, tested on all others. */
async function withFewParts(seen: SeenSet, seed: number): Promise<number[]> {
  const good = [...seen.train, ...seen.good];
  const draws = Array.from({ length: DRAWS }, (_, draw) => seed * 1000 + draw);
  return await each(draws, async (draw) => {
    const order = [...shuffledIndices(good.length, seededRandom(draw))].map(
      (index) => good[index] as Features,
    );
    const drawn = { ...seen, train: order.slice(0, FEW), good: order.slice(FEW) };
    return aurocOf(drawn, 'patch-nn', seed);
  });
}

function fewFigure(found: ReadonlyMap<string, readonly number[]>): Figure {
  const all = [...found.values()].flat();
  const details = [...found].map(([name, values]) => `${name} ${values.map((v) => v.toFixed(3)).join(' ')}`);
  return {
    id: `auroc.n${FEW}`,
    value: all.reduce((sum, value) => sum + value, 0) / all.length,
    unit: '',
    goal: FEW_GOAL,
    better: 'higher',
    detail: `mean of ${DRAWS} draws of ${FEW} good parts on each set: ${details.join(', ')}`,
  };
}

/**
 * AUROC of each backbone with each head on each set, its time on one and two threads, its size; and the
 * AUROC of our own with few parts, on sets that have more good ones than those.
 */
export async function compareBackbones(
  sets: readonly ImageSet[],
  pictures: PreparedPictures,
  seed: number,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [index, backbone] of (await contestants()).entries()) {
    const { name, channels, stride, bytes } = backbone;
    const isOwn = index === 0;
    const few = new Map<string, number[]>();
    for (const set of sets) {
      const seen = await seenBy(backbone, set, pictures);
      for (const method of METHODS) {
        figures.push({
          id: `auroc.${set.name}.${name}.${method}`,
          value: await aurocOf(seen, method, seed),
          unit: '',
          goal: null,
          better: 'higher',
          detail: `${channels} features for each ${stride}×${stride} pixels`,
        });
      }
      if (isOwn && seen.train.length + seen.good.length > FEW)
        few.set(set.name, await withFewParts(seen, seed));
      if (set !== sets[0]) continue;
      const pixels = await pictures.pixels(set.test_bad[0] ?? '');
      for (const [threads, value] of await medianMs(backbone, seen, pixels, pictures)) {
        figures.push({
          id: `score.ms.p50.${name}.threads${threads}`,
          value,
          unit: 'ms',
          goal: null,
          better: 'lower',
          detail: 'graph alone, picture decoded and resized; nearest neighbours, bank of 1000',
        });
      }
    }
    if (few.size > 0) figures.push(fewFigure(few));
    figures.push({
      id: `backbone.mb.${name}`,
      value: bytes.length / 1e6,
      unit: 'MB',
      goal: isOwn ? 2 : null,
      better: 'lower',
      detail: isOwn ? 'shipped in the package' : 'up to its features',
    });
  }
  return figures;
}
