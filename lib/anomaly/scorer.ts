/**
 * Scores frames with a taught model in the inference host: how unusual a part is, how sure that
 * is, and where.
 */
import type { Frame } from '../frame/frame.ts';
import type { InferenceTimings } from '../inference/host/host.ts';
import { readModel as readGraph } from '../inference/model/model.ts';
import { openModel, type Opening, type OpenModel } from '../inference/open-model.ts';
import type { QueuePolicy } from '../inference/host/queue.ts';
import type { AnomalySection } from '../inspection/inspection.ts';
import { boxesAbove } from './boxes.ts';
import { AnomalyError } from './errors.ts';
import { referenceOf, type AnomalyModel } from './model.ts';
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
  /** Distance from normal per patch, a square, row by row. Never for a wire. */
  map: Float32Array;
  /** Mean feature vector of the picture, for watching drift; absent for a model that gives none. */
  embedding?: ArrayLike<number>;
  /** True when fewer than 5 % of good parts score as high. */
  suspicious: boolean;
  timings: InferenceTimings;
}

export class Scorer {
  readonly model: AnomalyModel;
  /** Score below which 95 % of good parts are; patches above it are shown. */
  readonly normalLevel: number;
  readonly #opened: OpenModel;

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
    const { width, height } = model.input;
    const head = { task: 'anomaly-map' } as const;
    return new Scorer(
      model,
      await openModel(source, { providers, head, input: { width, height }, ...queue }, opening),
    );
  }

  /** Throws what the inference host throws: `FRAME_DROPPED`, `QUEUE_FULL`, `NO_RESULT`, … */
  async score(frame: Frame, options: { signal?: AbortSignal } = {}): Promise<Scored> {
    const { prediction, tensors, provider, timings } = await this.#opened.run(frame, options);
    const { score } = prediction;
    const map = tensors['map']?.data;
    const embedding = tensors['embedding']?.data;
    if (typeof score !== 'number' || map === undefined) {
      throw new AnomalyError('SCORE_MAP_INVALID', 'the model gave no score and map');
    }
    const { goodScores } = this.model;
    const { width, height } = frame;
    return {
      section: {
        score,
        pValue: conformalPValue(goodScores, score),
        method: this.model.method,
        model: referenceOf(this.model),
        provider,
        boxes: boxesAbove(map, { level: this.normalLevel, width, height }),
      },
      map,
      ...(embedding === undefined ? {} : { embedding }),
      suspicious: score > this.normalLevel,
      timings,
    };
  }

  /** Finishes the frames it has and gives the host back. */
  async close(): Promise<void> {
    await this.#opened.close();
  }
}
