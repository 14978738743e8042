/**
 * A model that serves: what nodes use. It is tried first (`trial.ts`), then loaded into the shared
 * host of the device it was found to run on, and can be replaced by another while it serves, be that
 * on the same device or on another.
 */
import type { Frame } from '../frame/frame.ts';
import type { Box } from '../inspection/inspection.ts';
import { headOf } from './bundle/manifest.ts';
import { modelOptions } from './bundle/options.ts';
import { InferenceError } from './errors.ts';
import type { GoldenResult } from './trial/golden.ts';
import { acquireHost, type InferenceHost, type LoadedModel } from './host/host.ts';
import type { ModelInfo, RunOptions } from './host/hosted-model.ts';
import {
  noFrames,
  type CropsResult,
  type FrameCounts,
  type InferenceResult,
} from './host/inference-result.ts';
import type { LoadOptions } from './host/load-options.ts';
import type { ModelSource } from './model/model.ts';
import { profileOn, type Benchmark, type TrialOptions } from './trial/provider-trial.ts';
import type { ProviderShare } from './host/protocol.ts';
import { tryModel, type Refusal, type Trial } from './trial/trial.ts';

interface OpenModelInfo extends Omit<ModelInfo, 'refused'> {
  /** The host it runs in, shared with the other models of the device. */
  device: string;
  /** What the trial found about providers that would not do. */
  refused: readonly Refusal[];
  /** What the trial measured, the fastest first; more than one with `auto`. */
  benchmarks: readonly Benchmark[];
  /** Golden samples of the bundle, all of them passed; empty where it has none. */
  golden: readonly GoldenResult[];
}

export interface Opening {
  /** Ends the trial, or the load after it; the reason is thrown. */
  signal?: AbortSignal | undefined;
}

export interface OpenModel {
  /** Of what serves now. */
  readonly info: OpenModelInfo;
  /** Since it was opened, on whatever device. */
  readonly counts: Readonly<FrameCounts>;
  /** The process it runs in; undefined while there is none. */
  readonly pid: number | undefined;
  /** @throws as `LoadedModel.run` */
  run(frame: Frame, options?: RunOptions): Promise<InferenceResult>;
  /** @throws as `LoadedModel.runCrops` */
  runCrops(frame: Frame, boxes: readonly Box[], options?: RunOptions): Promise<CropsResult>;
  /**
   * Tries another model and lets it serve from the next frame on. Frames that wait are answered: on
   * the same device by the new one, else by the old one. Where it fails, what served goes on.
   *
   * @throws as `openModel`, `MODEL_CLOSED`
   */
  swap(source: ModelSource, options: LoadOptions, opening?: Opening): Promise<void>;
  /**
   * Runs the model once more, in a process of its own, to see which provider does what of it.
   *
   * @throws as `openModel`, `MODEL_CLOSED`
   */
  profile(): Promise<ProviderShare[]>;
  /** Takes no more frames, finishes those it has, gives up what it tries, gives the host back. */
  close(): Promise<void>;
}

/** A model that passed, in the host of its device. */
interface Serving {
  source: ModelSource;
  trial: Trial;
  host: InferenceHost;
  loaded: LoadedModel;
  options: LoadOptions;
}

/** What a passed trial has settled goes into the load, so that it settles the same at once. */
function servingOptions(options: LoadOptions, { providers, graph }: Trial): LoadOptions {
  const { head, input, inputs, outputs } = graph;
  return { ...options, providers, head, input, graph: { inputs, outputs } };
}

function trialOptions(source: ModelSource, options: LoadOptions): TrialOptions {
  if (source.bundle === undefined) return options;
  const { golden, manifest } = source.bundle;
  return { ...options, golden, goldenHead: headOf(manifest) };
}

function deviceOf({ graph }: Trial): string {
  return graph.provider;
}

async function passTrial(
  source: ModelSource,
  wanted: LoadOptions,
  opening: Opening,
): Promise<{ trial: Trial; options: LoadOptions }> {
  const asked = modelOptions(source, wanted);
  const trial = await tryModel(source, trialOptions(source, asked), opening);
  return { trial, options: servingOptions(asked, trial) };
}

async function serve(
  source: ModelSource,
  { trial, options }: { trial: Trial; options: LoadOptions },
  { signal }: Opening,
): Promise<Serving> {
  signal?.throwIfAborted();
  const host = acquireHost(deviceOf(trial));
  const abandon = (): void => void host.release();
  signal?.addEventListener('abort', abandon, { once: true });
  try {
    const loaded = await host.load(source, options);
    return { source, trial, host, loaded, options };
  } catch (error) {
    await host.release();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abandon);
  }
}

class Opened implements OpenModel {
  #serving: Serving;
  /** What was counted on devices it has left, where frames may still end. */
  readonly #left: Readonly<FrameCounts>[] = [];
  /** The last swap and all before it; never rejects. */
  #swapped: Promise<void> = Promise.resolve();
  /** Aborted when it is closed. */
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(serving: Serving) {
    this.#serving = serving;
  }

  get info(): OpenModelInfo {
    const { trial, host, loaded } = this.#serving;
    const { refused, benchmarks, golden, graph } = trial;
    const why = graph.why === undefined ? {} : { why: graph.why };
    return { ...loaded.info, ...why, device: host.device, refused, benchmarks, golden };
  }

  get counts(): Readonly<FrameCounts> {
    const sum = noFrames();
    for (const counts of [...this.#left, this.#serving.loaded.counts]) {
      for (const what of Object.keys(sum) as (keyof FrameCounts)[]) sum[what] += counts[what];
    }
    return sum;
  }

  get pid(): number | undefined {
    return this.#serving.host.pid;
  }

  async run(frame: Frame, options?: RunOptions): Promise<InferenceResult> {
    this.#closed.signal.throwIfAborted();
    return await this.#serving.loaded.run(frame, options);
  }

  async runCrops(frame: Frame, boxes: readonly Box[], options?: RunOptions): Promise<CropsResult> {
    this.#closed.signal.throwIfAborted();
    return await this.#serving.loaded.runCrops(frame, boxes, options);
  }

  /** One after the other. */
  swap(source: ModelSource, options: LoadOptions, { signal }: Opening = {}): Promise<void> {
    const signals = [this.#closed.signal, ...(signal === undefined ? [] : [signal])];
    const swapped = this.#swapped.then(() => this.#swap(source, options, AbortSignal.any(signals)));
    this.#swapped = swapped.catch(() => undefined);
    return swapped;
  }

  async #swap(source: ModelSource, wanted: LoadOptions, signal: AbortSignal): Promise<void> {
    const passed = await passTrial(source, wanted, { signal });
    signal.throwIfAborted();
    const before = this.#serving;
    if (deviceOf(passed.trial) === before.host.device) {
      await before.loaded.swap(source, passed.options, () => {
        this.#serving = { ...before, ...passed, source };
      });
      return;
    }
    this.#serving = await serve(source, passed, { signal });
    this.#left.push(before.loaded.counts, { ...noFrames(), swaps: 1 });
    // finishes the frames it has
    await before.host.release();
  }

  profile(): Promise<ProviderShare[]> {
    const { source, options, loaded } = this.#serving;
    return profileOn(loaded.info.provider, source, options, { signal: this.#closed.signal });
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closed.abort(new InferenceError('MODEL_CLOSED', 'the model was closed'));
      // a device that was left may still have frames
      this.#closing = Promise.all([this.#serving.host.release(), this.#swapped]).then(() => undefined);
    }
    return this.#closing;
  }
}

/**
 * Opens a model to serve frames: a trial in a process of its own, then the host of its device.
 *
 * @throws InferenceError what `tryModel`, `modelOptions` and the host's `load` throw; GoldenMismatch
 */
export async function openModel(
  source: ModelSource,
  options: LoadOptions,
  opening: Opening = {},
): Promise<OpenModel> {
  return new Opened(await serve(source, await passTrial(source, options, opening), opening));
}
