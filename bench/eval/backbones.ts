/**
 * Our backbone beside others on the same pictures, through the same head: what it is worth to ship one
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
  type Normalisation,
  type Size,
} from '../../lib/anomaly/backbone.ts';
import { teachFromFeatures } from '../../lib/anomaly/teaching.ts';
import { auroc } from '../../lib/statistics/auroc.ts';
import { shared } from '../../test/support/shared.ts';
import { quantile, type Figure } from '../figures.ts';
import type { ImageSet } from './image-sets.ts';
import { each, type PreparedPictures } from './prepared-pictures.ts';

/** Pictures the time is measured on, after as many to warm up. */
const TIMED = 40;
const CORESET_SIZE = 1000;

const OTHERS: readonly { name: string; file: string; normalise: Normalisation }[] = [
  { name: 'resnet18', file: 'resnet18_l123_features.onnx', normalise: 'imagenet' },
  { name: 'mobilenetv1', file: 'mobilenetv1_100_features.onnx', normalise: 'symmetric' },
];

/** Our own first; the others where their files are. */
export async function contestants(): Promise<Backbone[]> {
  const backbones = [await readBackbone()];
  for (const { name, file, normalise } of OTHERS) {
    const path = shared('data', 'models', file);
    if (existsSync(path)) backbones.push({ ...(await readBackbone(path, { normalise })), name });
  }
  return backbones;
}

/** A picture in, the score out: backbone and head in one graph. */
export class TaughtGraph {
  readonly #session: ort.InferenceSession;
  readonly #size: Size;

  private constructor(session: ort.InferenceSession, size: Size) {
    this.#session = session;
    this.#size = size;
  }

  static async open(graph: Buffer, size: Size, threads?: number): Promise<TaughtGraph> {
    return new TaughtGraph(await openSession(graph, threads === undefined ? {} : { threads }), size);
  }

  async score(pixels: Uint8Array): Promise<number> {
    const { width, height } = this.#size;
    const image = new ort.Tensor('uint8', pixels, [1, height, width, 3]);
    const { score } = await this.#session.run({ image }, ['score']);
    return Number(score?.data[0]);
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

/** The graph of nearest neighbours taught from these pictures. */
export async function teachGraph(
  backbone: Backbone,
  paths: readonly string[],
  pictures: PreparedPictures,
  seed: number,
): Promise<Buffer> {
  const { size } = pictures;
  const session = await openSession(backbone.bytes);
  const features = await each(paths, async (path) =>
    extractFeatures(session, backbone, await pictures.pixels(path), size),
  );
  await session.release();
  const { graph } = await teachFromFeatures({
    features,
    grid: gridOf(backbone, size),
    backbone,
    method: 'patch-nn',
    seed,
    coresetSize: CORESET_SIZE,
    onProgress: () => undefined,
  });
  return graph;
}

async function scoresOf(
  graph: TaughtGraph,
  paths: readonly string[],
  pictures: PreparedPictures,
): Promise<number[]> {
  return each(paths, async (path) => graph.score(await pictures.pixels(path)));
}

/** AUROC of a graph on the test pictures of a set. */
export async function aurocOf(
  graph: Buffer,
  { test_good: good, test_bad: bad }: Pick<ImageSet, 'test_good' | 'test_bad'>,
  pictures: PreparedPictures,
): Promise<number> {
  const opened = await TaughtGraph.open(graph, pictures.size);
  try {
    return auroc(await scoresOf(opened, good, pictures), await scoresOf(opened, bad, pictures));
  } finally {
    await opened.close();
  }
}

/** Milliseconds of a score, the picture decoded and resized, for half of all. */
async function medianMs(
  graph: Buffer,
  paths: readonly string[],
  pictures: PreparedPictures,
  threads: number,
): Promise<number> {
  const opened = await TaughtGraph.open(graph, pictures.size, threads);
  const times: number[] = [];
  for (let run = 0; run < 2 * TIMED; run += 1) {
    const pixels = await pictures.pixels(paths[run % paths.length] ?? '');
    const startedAt = performance.now();
    await opened.score(pixels);
    if (run >= TIMED) times.push(performance.now() - startedAt);
  }
  await opened.close();
  return quantile(times, 0.5);
}

const DETAIL = 'graph alone: picture decoded and resized; nearest neighbours, bank of 1000';

/** AUROC of each backbone on each set, its time on one and two threads, and its size. */
export async function compareBackbones(
  sets: readonly ImageSet[],
  pictures: PreparedPictures,
  seed: number,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const backbone of await contestants()) {
    const { name, channels, stride, bytes } = backbone;
    let graph: Buffer = Buffer.alloc(0);
    for (const set of sets) {
      graph = await teachGraph(backbone, set.train_good, pictures, seed);
      figures.push({
        id: `auroc.${set.name}.${name}`,
        value: await aurocOf(graph, set, pictures),
        unit: '',
        goal: null,
        better: 'higher',
        detail: `${channels} features for each ${stride}×${stride} pixels, nearest neighbours, bank of 1000`,
      });
    }
    for (const threads of [1, 2]) {
      figures.push({
        id: `score.ms.p50.${name}.threads${threads}`,
        value: await medianMs(graph, sets.at(-1)?.test_good ?? [], pictures, threads),
        unit: 'ms',
        goal: null,
        better: 'lower',
        detail: DETAIL,
      });
    }
    figures.push({
      id: `backbone.mb.${name}`,
      value: bytes.length / 1e6,
      unit: 'MB',
      goal: name === 'jidoka' ? 2 : null,
      better: 'lower',
      detail: name === 'jidoka' ? 'shipped in the package' : 'up to its features, float32',
    });
  }
  return figures;
}
