/**
 * Runs models in a child process, one per device and shared by everybody in this process.
 *
 * `session.run()` of ONNX Runtime holds the event loop for the whole inference, and a hostile or
 * broken graph takes its process down, even from a worker thread. Here it costs one run: a run
 * that crashes the child or outlasts its watchdog ends in `NO_RESULT`, the child is started again
 * with its models, and the waiting runs go on. Every run ends in exactly one outcome.
 */
import type { Frame } from '../../frame/frame.ts';
import type { Box } from '../../inspection/inspection.ts';
import { InferenceError } from '../errors.ts';
import { HostCore } from './host-core.ts';
import { HostedModel, type ModelInfo, type RunOptions } from './hosted-model.ts';
import type { CropsResult, FrameCounts, InferenceResult } from './inference-result.ts';
import type { LoadOptions } from './load-options.ts';
import type { ModelSource } from '../model/model.ts';
import type { HostState, SupervisorOptions } from './supervisor.ts';

export type { InferenceResult, InferenceTimings } from './inference-result.ts';
export type { LoadOptions } from './load-options.ts';
export type { SupervisorOptions as HostOptions } from './supervisor.ts';

export interface LoadedModel {
  /** Of the graph that serves now. */
  readonly info: ModelInfo;
  readonly counts: Readonly<FrameCounts>;
  /**
   * Queues a frame and resolves with what the model says about it. An aborted `signal` rejects at
   * once with its reason.
   *
   * @throws InferenceError `FRAME_DROPPED`, `QUEUE_FULL`, `NO_RESULT`, `RUN_FAILED`,
   *   `SCORE_NOT_FINITE`, `OUTPUT_TOO_LARGE`, `HOST_TRIPPED`, `HOST_UNAVAILABLE`, `MODEL_CLOSED`,
   *   `PROTOCOL_VIOLATED`; DecodeError
   */
  run(frame: Frame, options?: RunOptions): Promise<InferenceResult>;
  /**
   * As `run`, but the model looks at each of the boxes (pixels of the frame) instead of at the
   * whole; what it finds there is in pixels of the whole frame. All of them are one turn.
   *
   * @throws InferenceError as `run`, `CROP_INVALID`
   */
  runCrops(frame: Frame, boxes: readonly Box[], options?: RunOptions): Promise<CropsResult>;
  /**
   * Loads and warms up another graph while this one serves, then lets it serve from the next frame
   * on. Waiting frames stay where they are, and so does how they queue. Where it fails, what served
   * before goes on. `onServing` is called in the step from which the new one serves.
   *
   * @throws InferenceError as `InferenceHost.load`, `MODEL_CLOSED`
   */
  swap(source: ModelSource, options: LoadOptions, onServing?: () => void): Promise<void>;
  /** Takes no more frames, finishes those it has, releases the session. */
  close(): Promise<void>;
}

interface HostCounts extends FrameCounts {
  /** Ends of the child that nobody asked for, the watchdog's included. */
  crashes: number;
}

export interface InferenceHost {
  readonly device: string;
  readonly state: HostState;
  /** Of all models since the first of the handles to this device. */
  readonly counts: Readonly<HostCounts>;
  /** The process that runs the models now; undefined while there is none. */
  readonly pid: number | undefined;
  /**
   * Loads and warms up a model; also what brings a tripped host back.
   *
   * @throws InferenceError `MODEL_TOO_LARGE`, `MODEL_INVALID`, `MODEL_INPUT_UNSUPPORTED`,
   *   `MODEL_OUTPUT_UNSUPPORTED`, `MODEL_LOAD_TIMEOUT`, `PROVIDER_UNKNOWN`,
   *   `PROVIDER_UNAVAILABLE`, `HOST_UNAVAILABLE`, `HOST_TRIPPED`, `HOST_CLOSED`
   */
  load(source: ModelSource, options: LoadOptions): Promise<LoadedModel>;
  /** Closes what was loaded through this handle; the last handle ends the process. */
  release(): Promise<void>;
}

interface Shared {
  core: HostCore;
  handles: number;
}

const hosts = new Map<string, Shared>();

class HostHandle implements InferenceHost {
  readonly #shared: Shared;
  readonly #models = new Set<HostedModel>();
  #released: Promise<void> | undefined;

  constructor(shared: Shared) {
    this.#shared = shared;
    shared.handles += 1;
  }

  get device(): string {
    return this.#shared.core.device;
  }

  get state(): HostState {
    return this.#shared.core.state;
  }

  get counts(): Readonly<HostCounts> {
    const { frames, crashes } = this.#shared.core;
    return { ...frames, crashes };
  }

  get pid(): number | undefined {
    return this.#shared.core.pid;
  }

  async load(source: ModelSource, options: LoadOptions): Promise<LoadedModel> {
    const model = await HostedModel.load(this.#shared.core, source, options, () => this.#check());
    for (const other of this.#models) if (other.isClosed) this.#models.delete(other);
    this.#models.add(model);
    if (this.#released !== undefined) await model.close();
    this.#check();
    return model;
  }

  #check(): void {
    if (this.#released === undefined) return;
    throw new InferenceError('HOST_CLOSED', 'the inference host was released');
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    const { core } = this.#shared;
    this.#shared.handles -= 1;
    const isLast = this.#shared.handles === 0;
    // whoever comes now gets a host of its own, not one on its way out
    if (isLast && hosts.get(core.device) === this.#shared) hosts.delete(core.device);
    await Promise.all([...this.#models].map((model) => model.close()));
    if (isLast) await core.quit();
  }
}

/**
 * The host of a device (`cpu`, `webgpu`, `cuda:0`, …), shared by all who ask for it in this
 * process. Its child is started by the first load. `options` count for the first who asks.
 */
export function acquireHost(device: string, options: SupervisorOptions = {}): InferenceHost {
  let shared = hosts.get(device);
  if (shared === undefined) {
    shared = { core: new HostCore(device, options), handles: 0 };
    hosts.set(device, shared);
  }
  return new HostHandle(shared);
}
