/**
 * Scores frames with a taught model in the inference host: how unusual a part is, how sure that
 * is, and where.
 */
import type { Frame } from '../frame/frame.ts';
import {
  acquireHost,
  type InferenceHost,
  type InferenceTimings,
  type LoadedModel,
} from '../inference/host.ts';
import { readModel as readGraph } from '../inference/model.ts';
import { deviceFor } from '../inference/providers.ts';
import type { QueuePolicy } from '../inference/queue.ts';
import type { AnomalySection } from '../inspection/inspection.ts';
import { boxesAbove } from './boxes.ts';
import { AnomalyError } from './errors.ts';
import { METHOD, referenceOf, type AnomalyModel } from './model.ts';
import { conformalPValue, quantile } from './p-value.ts';

/** Share of good parts that score below the level from which boxes and heatmaps begin. */
const NORMAL_SHARE = 0.95;

export interface ScorerOptions {
  /** Execution providers in the order in which they are tried. */
  providers?: readonly string[];
  queue?: QueuePolicy;
  queueLimit?: number;
}

export interface Scored {
  section: AnomalySection;
  /** Distance from normal per patch, a square, row by row. Never for a wire. */
  map: Float32Array;
  /** True when fewer than 5 % of good parts score as high. */
  suspicious: boolean;
  timings: InferenceTimings;
}

export class Scorer {
  readonly model: AnomalyModel;
  /** Score below which 95 % of good parts are; patches above it are shown. */
  readonly normalLevel: number;
  readonly #host: InferenceHost;
  readonly #loaded: LoadedModel;

  private constructor(model: AnomalyModel, host: InferenceHost, loaded: LoadedModel) {
    this.model = model;
    this.normalLevel = quantile(model.goodScores, NORMAL_SHARE);
    this.#host = host;
    this.#loaded = loaded;
  }

  /** Throws `MODEL_DIGEST_MISMATCH` and what the inference host throws when it loads. */
  static async open(model: AnomalyModel, options: ScorerOptions = {}): Promise<Scorer> {
    const { providers = ['cpu'], ...queue } = options;
    const { name, version } = referenceOf(model);
    // Read and hashed once more: the bytes that run are the bytes that were checked.
    const source = await readGraph(model.graph, { name, version, digest: model.digest });
    const host = acquireHost(deviceFor(providers));
    try {
      const { width, height } = model.input;
      const loaded = await host.load(source, {
        providers,
        head: { task: 'anomaly-map' },
        input: { width, height },
        ...queue,
      });
      return new Scorer(model, host, loaded);
    } catch (error) {
      await host.release();
      throw error;
    }
  }

  /** Throws what the inference host throws: `FRAME_DROPPED`, `QUEUE_FULL`, `NO_RESULT`, … */
  async score(frame: Frame, options: { signal?: AbortSignal } = {}): Promise<Scored> {
    const { prediction, tensors, provider, timings } = await this.#loaded.run(frame, options);
    const { score } = prediction;
    const map = tensors['map']?.data;
    if (typeof score !== 'number' || map === undefined) {
      throw new AnomalyError('SCORE_MAP_INVALID', 'the model gave no score and map');
    }
    const { goodScores } = this.model;
    const { width, height } = frame;
    return {
      section: {
        score,
        pValue: conformalPValue(goodScores, score),
        method: METHOD,
        model: referenceOf(this.model),
        provider,
        boxes: boxesAbove(map, { level: this.normalLevel, width, height }),
      },
      map,
      suspicious: score > this.normalLevel,
      timings,
    };
  }

  /** Finishes the frames it has and gives the host back. */
  async close(): Promise<void> {
    await this.#host.release();
  }
}
