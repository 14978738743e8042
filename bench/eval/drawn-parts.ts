/**
 * The drawn line without its machines: parts as the plant plans and paints them, and a model that was
 * taught on them, by which each picture is looked at in this process.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { openSession } from '../../lib/anomaly/backbone.ts';
import type { AnomalyModel } from '../../lib/anomaly/model.ts';
import { teach, type TeachOptions } from '../../lib/anomaly/teach.ts';
import { Frame } from '../../lib/frame/frame.ts';
import { preparePicture } from '../../lib/inference/graph/prepare.ts';
import { Line, type PartPlan } from '../../plant/line.ts';
import { drawPart } from '../../plant/part-image.ts';
import type { Picture } from './drift-scenarios.ts';

/** Larger than the model sees, so that shrinking is part of it; small, so that thousands can be drawn. */
const SIZE = { width: 320, height: 240 };
const RESOLUTION = 224;

export interface Look {
  score: number;
  /** Mean feature vector. */
  embedding: Float32Array;
}

export class DrawnLine {
  readonly #line: Line;

  /** The first `goodParts` have no defect; after them 3 % have one, and now and then three in a row. */
  constructor(seed: number, goodParts: number) {
    this.#line = new Line({ seed, goodParts });
  }

  plan(sequence: number): PartPlan {
    return this.#line.plan(sequence);
  }

  draw({ seed, defect, defectSeed }: PartPlan): Picture {
    return drawPart({ seed, defect, defectSeed, ...SIZE });
  }
}

export function frameOf({ rgb, width, height }: Picture): Frame {
  return new Frame(rgb, { width, height, format: 'rgb', source: 'drawn line' });
}

function* firstParts(line: DrawnLine, count: number): Generator<Frame> {
  for (let sequence = 1; sequence <= count; sequence += 1) yield frameOf(line.draw(line.plan(sequence)));
}

/** A model taught by the teaching process on the first parts of the line. */
export class DrawnModel {
  readonly model: AnomalyModel;
  readonly #session: ort.InferenceSession;
  readonly #folder: string;

  private constructor(model: AnomalyModel, session: ort.InferenceSession, folder: string) {
    this.model = model;
    this.#session = session;
    this.#folder = folder;
  }

  static async teach(
    line: DrawnLine,
    { parts, method, seed }: { parts: number; method: NonNullable<TeachOptions['method']>; seed: number },
  ): Promise<DrawnModel> {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-eval-'));
    try {
      const frames = firstParts(line, parts);
      const model = await teach({ frames, folder, name: 'drawn', method, seed, leaveOut: [] });
      return new DrawnModel(model, await openSession(await readFile(model.graph)), folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async look({ rgb, width, height }: Picture): Promise<Look> {
    const recipe = { width: RESOLUTION, height: RESOLUTION, fit: 'stretch' } as const;
    const { data } = await preparePicture({ data: rgb, width, height }, recipe);
    const image = new ort.Tensor('uint8', data, [1, RESOLUTION, RESOLUTION, 3]);
    const { score, embedding } = await this.#session.run({ image }, ['score', 'embedding']);
    return { score: Number(score?.data[0]), embedding: Float32Array.from(embedding?.data as Float32Array) };
  }

  /** Embeddings of the parts it was taught from, row after row. */
  async taughtEmbeddings(): Promise<Float32Array> {
    const bytes = await readFile(join(this.model.path, 'embeddings.bin'));
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  }

  async close(): Promise<void> {
    await this.#session.release();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
