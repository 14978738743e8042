/**
 * From collected parts to the files of a version: graph, what extending needs, embeddings. Runs in the
 * teaching process.
 */
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { RgbImage } from '../frame/decode.ts';
import {
  extractFeatures,
  gridOf,
  openSession,
  readBackbone,
  sha256,
  type Backbone,
  type Features,
  type Size,
} from './backbone.ts';
import { makeFolder, writeFlushed } from './durable.ts';
import { activePatches, type HeadShape } from './heads/head.ts';
import type { ModelInput } from './manifest.ts';
import { SIDE_FILES } from './model.ts';
import { patchMask } from './mask.ts';
import { paintParts } from './painted.ts';
import type { PartStore } from './parts.ts';
import { FeatureSample } from './sample.ts';
import type { Taught } from './teach-protocol.ts';
import { partsInMemory, teachFromFeatures, type Teaching, type TeachingProgress } from './teaching.ts';
import type { LessonSettings } from './unfinished.ts';

/** The backbone at work. */
export class FeatureReader {
  readonly backbone: Backbone;
  readonly shape: HeadShape;
  readonly #size: Size;
  readonly #session: ort.InferenceSession;

  private constructor(backbone: Backbone, settings: LessonSettings, session: ort.InferenceSession) {
    this.backbone = backbone;
    this.#size = { width: settings.width, height: settings.height };
    this.#session = session;
    const grid = gridOf(backbone, this.#size);
    const mask = patchMask(settings.mask, grid);
    this.shape = { channels: backbone.channels, grid, ...(mask === undefined ? {} : { mask }) };
  }

  static async open(settings: LessonSettings): Promise<FeatureReader> {
    const backbone = await readBackbone(settings.backbone, settings);
    return new FeatureReader(backbone, settings, await openSession(backbone.bytes));
  }

  /** An empty sample for features of this backbone. */
  sample(seed: number): FeatureSample {
    return new FeatureSample(partsInMemory(this.shape), seed);
  }

  read({ data }: RgbImage): Promise<Features> {
    return this.readPixels(data);
  }

  /** `pixels` of a picture of the size in the settings. */
  readPixels(pixels: Uint8Array): Promise<Features> {
    return extractFeatures(this.#session, this.backbone, pixels, this.#size);
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** Mean of the features of the patches that are looked at: what the graph gives as `embedding`. */
export function embeddingOf(shape: HeadShape, features: Features): Float32Array {
  const patches = activePatches(shape);
  const inPart = shape.grid.columns * shape.grid.rows;
  return Float32Array.from({ length: shape.channels }, (_, channel) => {
    const sum = patches.reduce((total, patch) => total + (features[channel * inPart + patch] as number), 0);
    return sum / Math.max(1, patches.length);
  });
}

/** How frames become pictures; alignment needs its reference by now. */
export function inputOf({ width, height, align }: LessonSettings): ModelInput {
  const reference = align?.reference;
  return {
    width,
    height,
    colour: 'rgb',
    fit: 'stretch',
    ...(align === undefined || reference === undefined
      ? {}
      : { align: { reference, maxShift: align.maxShift, maxAngle: align.maxAngle } }),
  };
}

/** What a model says of a picture. */
interface Look {
  score: number;
  embedding: Float32Array;
}

/** Looks at stored parts with a finished graph, one after the other. */
export async function lookAt(graph: Uint8Array, store: PartStore, ids: readonly string[]): Promise<Look[]> {
  if (ids.length === 0) return [];
  const session = await openSession(graph);
  try {
    const looks: Look[] = [];
    for (const id of ids) {
      const { image } = await store.read(id);
      const pixels = new ort.Tensor('uint8', image.data, [1, image.height, image.width, 3]);
      const { score, embedding } = await session.run({ image: pixels }, ['score', 'embedding']);
      looks.push({
        score: Number(score?.data[0]),
        embedding: Float32Array.from(embedding?.data as Float32Array),
      });
    }
    return looks;
  } finally {
    await session.release();
  }
}

function spreadOf(rows: readonly Float32Array[]): { mean: number[]; deviation: number[] } {
  const columns = Array.from({ length: rows[0]?.length ?? 0 }, (_, column) => column);
  const mean = columns.map(
    (column) => rows.reduce((sum, row) => sum + (row[column] as number), 0) / rows.length,
  );
  const deviation = columns.map((column) =>
    Math.sqrt(
      rows.reduce((sum, row) => sum + ((row[column] as number) - (mean[column] as number)) ** 2, 0) /
        Math.max(1, rows.length - 1),
    ),
  );
  return { mean, deviation };
}

function rowsOf(embeddings: readonly Float32Array[]): Buffer {
  return Buffer.concat(
    embeddings.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
}

/** What a version is made from, beside the teaching itself. */
export interface VersionSource {
  draft: string;
  store: PartStore;
  reader: FeatureReader;
  settings: LessonSettings;
  /** Embeddings of the memorised parts, in their order. */
  embeddings: readonly Float32Array[];
  /** Ids of the memorised parts, those learned from corrections last, and of those that only calibrate. */
  ids: readonly string[];
  rest: readonly string[];
  defects: readonly string[];
}

/**
 * Writes the files of a version. Parts that were not memorised are as fresh to the graph as any other, so their
 * scores calibrate as well as out-of-fold ones.
 *
 * @throws AnomalyError `MODELS_UNWRITABLE`, and as `PartStore.read`
 */
export async function writeVersion(
  teaching: Teaching,
  { draft, store, reader, settings, embeddings, ids, rest, defects }: VersionSource,
): Promise<Omit<Taught, 'findings' | 'skipped'>> {
  const { graph, method, why, candidates, bankSize, memory } = teaching;
  const looks = await lookAt(graph, store, [...rest, ...defects]);
  const all = [...embeddings, ...looks.slice(0, rest.length).map(({ embedding }) => embedding)];
  const rows = rowsOf(all);
  const { digest, name } = reader.backbone;
  const { backbone: path, normalise } = settings;
  await makeFolder(draft);
  await writeFlushed(join(draft, 'model.onnx'), graph);
  await writeFlushed(join(draft, SIDE_FILES.embeddings), rows);
  if (memory.length > 0) await writeFlushed(join(draft, SIDE_FILES.memory), memory);
  const scores = looks.map(({ score }) => score);
  return {
    digest: sha256(graph),
    method,
    why,
    candidates,
    input: inputOf(settings),
    backbone: {
      ...{ digest, name },
      ...(path === undefined ? {} : { path }),
      ...(normalise === undefined ? {} : { normalise }),
    },
    bankSize,
    parts: [...ids, ...rest],
    memorised: ids.length,
    learned: ids.slice(ids.length - teaching.learned),
    scores: [...teaching.scores, ...scores.slice(0, rest.length)],
    defects: [...defects],
    defectScores: scores.slice(rest.length),
    embedding: spreadOf(all),
    files: {
      embeddings: { digest: sha256(rows) },
      ...(memory.length > 0 ? { memory: { digest: sha256(memory) } } : {}),
    },
  };
}

/**
 * Teaches from a sample, and what was learned from corrections, and writes the files of the version.
 * Deterministic by seed and order of the parts.
 */
export async function train(
  reader: FeatureReader,
  sample: FeatureSample,
  settings: LessonSettings,
  version: Pick<VersionSource, 'draft' | 'store' | 'defects'> & { learned: FeatureSample },
  onProgress: (progress: TeachingProgress) => void,
): Promise<Omit<Taught, 'findings' | 'skipped'>> {
  const { backbone, shape } = reader;
  const { features, ids, rest } = sample;
  const { store, learned, ...made } = version;
  const painted =
    settings.method === 'auto'
      ? await paintParts({
          ...shape,
          width: settings.width,
          height: settings.height,
          parts: ids.length,
          seed: settings.seed,
          pixelsOf: async (part) => (await store.read(ids[part] ?? '')).image.data,
          featuresOf: (pixels) => reader.readPixels(pixels),
        })
      : [];
  const teaching = await teachFromFeatures({
    features,
    learned: learned.features,
    grid: shape.grid,
    backbone,
    method: settings.method,
    seed: settings.seed,
    coresetSize: settings.coresetSize,
    ...(shape.mask === undefined ? {} : { mask: shape.mask }),
    ...(settings.tiles === undefined ? {} : { tiles: settings.tiles }),
    painted,
    onProgress,
  });
  const embeddings = [...features, ...learned.features].map((part) => embeddingOf(shape, part));
  const all = [...ids, ...learned.ids];
  return writeVersion(teaching, { ...made, store, reader, settings, embeddings, ids: all, rest });
}
