/**
 * Scores frames with a taught model in the inference host: how unusual a part is, how sure that
 * is, and where.
 */
import { dirname } from 'node:path';
import type { Frame } from '../frame/frame.ts';
import type { InferenceTimings } from '../inference/host/host.ts';
import { readModel as readGraph } from '../inference/model/model.ts';
import { openModel, type Opening, type OpenModel } from '../inference/open-model.ts';
import type { QueuePolicy } from '../inference/host/queue.ts';
import type { AnomalySection } from '../inspection/inspection.ts';
import { boxesAbove } from './boxes.ts';
import { AnomalyError } from './errors.ts';
import { referenceOf, type AnomalyModel } from './model.ts';
import { embeddingsOf, nearestRow } from './nearest.ts';
import { PartStore } from './parts.ts';
import { conformalPValue, quantile } from './p-value.ts';

/** Share of good parts that score below the level from which boxes and heatmaps begin. */
const NORMAL_SHARE = 0.95;

export interface ScorerOptions {
  /** Execution providers in the order in which they are tried, or `auto`. */
  providers?: readonly string[];
  queue?: QueuePolicy;
  queueLimit?: number;
}

export interface Scored {
  section: AnomalySection;
  /** Distance from normal per patch, row by row. Never for a wire. */
  map: Float32Array;
  /** Patches in a row of {@link map}. */
  columns: number;
  /** Mean of the features of the picture; of models that give it. Never for a wire. */
  embedding?: Float32Array;
  /** True when fewer than 5 % of good parts score as high. */
  suspicious: boolean;
  timings: InferenceTimings;
}

export interface NearestPart {
  id: string;
  picture: Buffer;
}

export class Scorer {
  readonly model: AnomalyModel;
  /** Score below which 95 % of good parts are; patches above it are shown. */
  readonly normalLevel: number;
  readonly #opened: OpenModel;
  #embeddings: Promise<Float32Array[]> | undefined;

  private constructor(model: AnomalyModel, opened: OpenModel) {
    this.model = model;
    this.normalLevel = quantile(model.goodScores, NORMAL_SHARE);
    this.#opened = opened;
  }

  /** An aborted signal ends it. Throws `MODEL_DIGEST_MISMATCH` and what `openModel` throws. */
  static async open(
    model: AnomalyModel,
    options: ScorerOptions = {},
    opening: Opening = {},
  ): Promise<Scorer> {
    const { providers = ['cpu'], ...queue } = options;
    const { name, version } = referenceOf(model);
    // Read and hashed once more: the bytes that run are the bytes that were checked.
    const source = await readGraph(model.graph, { name, version, digest: model.digest });
    const { width, height, align } = model.input;
    const input = { width, height, ...(align === undefined ? {} : { align }) };
    const head = { task: 'anomaly-map' } as const;
    return new Scorer(model, await openModel(source, { providers, head, input, ...queue }, opening));
  }

  /** Throws what the inference host throws: `FRAME_DROPPED`, `QUEUE_FULL`, `NO_RESULT`, … */
  async score(frame: Frame, options: { signal?: AbortSignal } = {}): Promise<Scored> {
    const { prediction, tensors, provider, timings, alignment } = await this.#opened.run(frame, options);
    const { score } = prediction;
    const { dims: [, columns] = [], data: map } = tensors['map'] ?? {};
    if (typeof score !== 'number' || map === undefined || columns === undefined) {
      throw new AnomalyError('SCORE_MAP_INVALID', 'the model gave no score and map');
    }
    const { goodScores } = this.model;
    const embedding = tensors['embedding']?.data;
    const { width, height } = frame;
    return {
      section: {
        score,
        pValue: conformalPValue(goodScores, score),
        method: this.model.method,
        model: referenceOf(this.model),
        provider,
        boxes: boxesAbove(map, { level: this.normalLevel, width, height, columns }),
        ...(alignment === undefined ? {} : { alignment }),
      },
      map,
      columns,
      ...(embedding === undefined ? {} : { embedding }),
      suspicious: score > this.normalLevel,
      timings,
    };
  }

  /**
   * Id of the good part that looks most like what was scored, and its picture (PNG, as the model sees it);
   * undefined where the model knows no parts.
   *
   * @throws AnomalyError `PART_MISSING`, `MODEL_DIGEST_MISMATCH`
   */
  async nearest({ embedding }: Pick<Scored, 'embedding'>): Promise<NearestPart | undefined> {
    if (embedding === undefined) return undefined;
    this.#embeddings ??= embeddingsOf(this.model);
    const id = this.model.parts[nearestRow(await this.#embeddings, embedding)];
    if (id === undefined) return undefined;
    const { name, path } = this.model;
    // versions lie in the model's folder, and that in the folder of all
    return { id, picture: await new PartStore(dirname(dirname(path)), name).picture(id) };
  }

  /** Finishes the frames it has and gives the host back. */
  async close(): Promise<void> {
    await this.#opened.close();
  }
}
