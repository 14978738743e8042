/**
 * Runs models in a child process, one per device and shared by everybody in this process.
 *
 * `session.run()` of ONNX Runtime holds the event loop for the whole inference, and a hostile or
 * broken graph takes its process down, even from a worker thread. Here it costs one run: a run
 * that crashes the child or outlasts its watchdog ends in `NO_RESULT`, the child is started again
 * with its models, and the waiting runs go on. Every run ends in exactly one outcome.
 */
import { holdingPixels, type Frame } from '../frame/frame.ts';
import type { ModelReference } from '../inspection/inspection.ts';
import { ChildEnded, HostChild, type Question } from './child.ts';
import { InferenceError } from './errors.ts';
import type { GraphOutputs, HeadOptions } from './heads/head.ts';
import type { InputRecipe } from './input.ts';
import { checkModel, type ModelSource } from './model.ts';
import type { GraphInfo } from './protocol.ts';
import { FrameQueue, type QueuePolicy } from './queue.ts';
import { unpackResults, type EncodedPicture, type EncodedResult } from './results.ts';

export interface HostOptions {
  /** Limit of the child's data segment on the CPU device, where `prlimit` exists. Default 3 GiB. */
  memoryLimitBytes?: number;
  /** Crashes within `crashWindowMs` that trip the host. Default 3 in ten minutes. */
  crashLimit?: number;
  crashWindowMs?: number;
}

export interface LoadOptions {
  /** Execution providers in the order in which they are tried. */
  providers: readonly string[];
  /** Refuse a provider that would leave part of the graph to the CPU. */
  strict?: boolean;
  head: HeadOptions;
  input?: Partial<InputRecipe>;
  /** What an earlier load learned about the graph's values; the load is quicker for it. */
  graph?: GraphOutputs;
  queue?: QueuePolicy;
  queueLimit?: number;
  /** Longest run before the child is ended. Default: ten times the slowest warm run, at least 1 s. */
  watchdogMs?: number;
  /** Longest load, warm-up included. Default 10 s, a minute for an accelerator, ten for TensorRT. */
  loadTimeoutMs?: number;
}

/** Milliseconds by stage. `queue` is the wait here, `total` the whole way there and back. */
export interface InferenceTimings {
  queue: number;
  decode: number;
  resize: number;
  run: number;
  head: number;
  total: number;
}

export interface InferenceResult {
  model: ModelReference;
  /** The execution provider that really ran the graph. */
  provider: string;
  timings: InferenceTimings;
  /** Plain JSON of the head. */
  prediction: Record<string, unknown>;
  /** The few small ones a head hands on: the anomaly map, raw outputs. Never for a wire. */
  tensors: Record<string, { dims: number[]; data: Float32Array }>;
  /** What is for looking at, such as a mask. */
  pictures: Record<string, EncodedPicture>;
}

type ModelInfo = { model: ModelReference } & GraphInfo & { warmMs: number };

export interface LoadedModel {
  readonly info: ModelInfo;
  /**
   * Queues a frame and resolves with what the model says about it. An aborted `signal` rejects at
   * once with its reason.
   *
   * @throws InferenceError `FRAME_DROPPED`, `QUEUE_FULL`, `NO_RESULT`, `RUN_FAILED`,
   *   `SCORE_NOT_FINITE`, `OUTPUT_TOO_LARGE`, `HOST_TRIPPED`, `HOST_UNAVAILABLE`, `MODEL_CLOSED`;
   *   DecodeError
   */
  run(frame: Frame, options?: { signal?: AbortSignal }): Promise<InferenceResult>;
  /** Takes no more frames, finishes those it has, releases the session. */
  close(): Promise<void>;
}

export interface InferenceHost {
  readonly device: string;
  readonly state: HostState;
  readonly counts: Readonly<HostCounts>;
  /** The process that runs the models now; undefined while there is none. */
  readonly pid: number | undefined;
  /**
   * Loads and warms up a model; also what brings a tripped host back.
   *
   * @throws InferenceError `MODEL_TOO_LARGE`, `MODEL_INVALID`, `MODEL_INPUT_UNSUPPORTED`,
   *   `MODEL_OUTPUT_UNSUPPORTED`, `MODEL_LOAD_TIMEOUT`, `PROVIDER_UNKNOWN`,
   *   `PROVIDER_UNAVAILABLE`, `HOST_UNAVAILABLE`, `HOST_CLOSED`
   */
  load(source: ModelSource, options: LoadOptions): Promise<LoadedModel>;
  /** Closes what was loaded through this handle; the last handle ends the process. */
  release(): Promise<void>;
}

type HostState = 'idle' | 'starting' | 'ready' | 'tripped' | 'closed';

interface HostCounts {
  results: number;
  dropped: number;
  /** Runs that ended in `NO_RESULT`. */
  lost: number;
  /** Ends of the child that nobody asked for, the watchdog's included. */
  crashes: number;
}

/** Of which Node 24 reserves 1.2 GB before any model; 0.2 GB are resident with a small one. */
const DEFAULT_MEMORY_BYTES = 3 * 1024 ** 3;
const DEFAULT_CRASH_LIMIT = 3;
const DEFAULT_CRASH_WINDOW_MS = 600_000;
const MIN_WATCHDOG_MS = 1000;
const WATCHDOG_FACTOR = 10;
/** Starting Node and loading ONNX Runtime takes 0.15–0.3 s; a loaded gateway is given time. */
const START_TIMEOUT_MS = 15_000;
const QUIT_TIMEOUT_MS = 5000;
/** Warm-up runs after the first, which compiles and pages in and is not counted. */
const WARM_RUNS = 7;
/** Slow graphs are not made to wait longer than this for their figures. */
const WARM_BUDGET_MS = 1000;

interface Waiting {
  frame: Frame;
  enqueuedAt: number;
  resolve: (result: InferenceResult) => void;
  reject: (error: unknown) => void;
}

function loadTimeout({ providers, loadTimeoutMs }: LoadOptions): number {
  if (loadTimeoutMs !== undefined) return loadTimeoutMs;
  if (providers.includes('tensorrt')) return 600_000;
  return providers.every((provider) => provider === 'cpu') ? 10_000 : 60_000;
}

function referenceOf({ name, version, digest }: ModelSource): ModelReference {
  return { name, version, digest };
}

function infoOf(source: ModelSource, graph: GraphInfo, warmMs: number): ModelInfo {
  return { model: referenceOf(source), ...graph, warmMs };
}

/** One model of a host: its bytes for the next start of the child, its queue, its figures. */
class Model implements LoadedModel {
  readonly id: number;
  readonly source: ModelSource;
  readonly options: LoadOptions;
  readonly queue: FrameQueue<Waiting>;
  /** Why the last start of the child could not load it again. */
  failure: InferenceError | undefined;
  readonly #core: HostCore;
  readonly #underWay = new Set<Promise<InferenceResult>>();
  /** Median and highest of the warm runs. */
  warmMs = 0;
  warmMaxMs = 0;
  #loaded: GraphInfo | undefined;
  #closing: Promise<void> | undefined;

  constructor(core: HostCore, id: number, source: ModelSource, options: LoadOptions) {
    this.#core = core;
    this.id = id;
    this.source = source;
    this.options = options;
    this.queue = new FrameQueue<Waiting>(options.queue, options.queueLimit);
  }

  get info(): ModelInfo {
    return infoOf(this.source, this.loaded, this.warmMs);
  }

  get loaded(): GraphInfo {
    if (this.#loaded === undefined) throw new InferenceError('MODEL_CLOSED', 'the model is not loaded');
    return this.#loaded;
  }

  set loaded(reply: GraphInfo) {
    this.#loaded = reply;
  }

  get watchdogMs(): number {
    const { watchdogMs } = this.options;
    return watchdogMs ?? Math.max(MIN_WATCHDOG_MS, WATCHDOG_FACTOR * this.warmMaxMs);
  }

  run(frame: Frame, { signal }: { signal?: AbortSignal } = {}): Promise<InferenceResult> {
    let onAbort: (() => void) | undefined;
    const result = new Promise<InferenceResult>((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#closing !== undefined) throw new InferenceError('MODEL_CLOSED', 'the model was closed');
      const waiting: Waiting = { frame, enqueuedAt: performance.now(), resolve, reject };
      onAbort = () => {
        this.queue.remove(waiting);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort);
      this.#core.enqueue(this, waiting);
    });
    this.#underWay.add(result);
    const forget = (): void => {
      this.#underWay.delete(result);
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    };
    result.then(forget, forget);
    return result;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#underWay);
      await this.#core.unload(this);
    })();
    return this.#closing;
  }
}

type Task = () => Promise<void>;

/** The one per device behind all handles: the child, its models, and the order of what it does. */
class HostCore {
  readonly device: string;
  readonly counts: HostCounts = { results: 0, dropped: 0, lost: 0, crashes: 0 };
  readonly #options: HostOptions;
  readonly #models = new Map<number, Model>();
  /** Loads and unloads, which go before frames. */
  readonly #tasks: Task[] = [];
  #child: HostChild | undefined;
  /** The child that is loading a new graph: if it ends, the graph did it, and the host is sound. */
  #onTrial: HostChild | undefined;
  #state: HostState = 'idle';
  #crashedAt: number[] = [];
  #nextModel = 1;
  /** The model whose turn was last. */
  #turn = 0;
  #isWorking = false;

  constructor(device: string, options: HostOptions) {
    this.device = device;
    this.#options = options;
  }

  get state(): HostState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.hasEnded === false ? this.#child.pid : undefined;
  }

  // --- what callers ask for

  load(source: ModelSource, options: LoadOptions): Promise<Model> {
    return this.#task(async () => {
      checkModel(source);
      if (this.#state === 'closed')
        throw new InferenceError('HOST_CLOSED', 'the inference host was released');
      if (this.#state === 'tripped') this.#state = 'idle';
      this.#crashedAt = [];
      const child = await this.#running();
      const model = new Model(this, this.#nextModel++, source, options);
      this.#onTrial = child;
      try {
        await this.#loadInto(child, model);
        this.#onTrial = undefined;
      } catch (error) {
        if (!(error instanceof ChildEnded)) throw error;
        throw new InferenceError('MODEL_INVALID', `while loading the model ${error.message}`, {
          cause: error,
        });
      }
      this.#models.set(model.id, model);
      return model;
    });
  }

  enqueue(model: Model, waiting: Waiting): void {
    if (this.#state === 'tripped') throw this.#tripped();
    const dropped = model.queue.push(waiting);
    if (dropped !== undefined) {
      this.counts.dropped += 1;
      dropped.reject(new InferenceError('FRAME_DROPPED', 'a newer frame took the place of this one'));
    }
    void this.#work();
  }

  unload(model: Model): Promise<void> {
    return this.#task(async () => {
      if (!this.#models.delete(model.id)) return;
      const child = this.#child;
      if (child === undefined || child.hasEnded) return;
      await child.ask('unload', { model: model.id }).catch(() => undefined);
    });
  }

  /** Ends the child after whatever it does now. */
  quit(): Promise<void> {
    return this.#task(async () => {
      this.#state = 'closed';
      const child = this.#child;
      this.#child = undefined;
      if (child === undefined || child.hasEnded) return;
      const timer = setTimeout(() => child.kill('did not end when asked to'), QUIT_TIMEOUT_MS);
      await child.ask('quit', {}).catch(() => undefined);
      await child.ended;
      clearTimeout(timer);
    });
  }

  // --- one thing at a time

  #task<Result>(action: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#tasks.push(() => action().then(resolve, reject));
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let task = this.#next(); task !== undefined; task = this.#next()) await task();
    this.#isWorking = false;
  }

  #next(): Task | undefined {
    const task = this.#tasks.shift();
    if (task !== undefined) return task;
    // the model with a waiting frame that comes next after the one whose turn was last
    const ready = [...this.#models.values()].filter(({ queue }) => queue.length > 0);
    const model = ready.find(({ id }) => id > this.#turn) ?? ready[0];
    const waiting = model?.queue.shift();
    if (model === undefined || waiting === undefined) return undefined;
    this.#turn = model.id;
    return () => this.#run(model, waiting);
  }

  async #run(model: Model, waiting: Waiting): Promise<void> {
    const { frame, enqueuedAt } = waiting;
    let hasBegun = false;
    try {
      const child = await this.#running();
      if (model.failure !== undefined) throw model.failure;
      const startedAt = performance.now();
      const { format, width, height } = frame;
      const question: Question<'run'> = {
        model: model.id,
        frame: frame.id,
        format,
        width,
        height,
      };
      const limitMs = model.watchdogMs;
      hasBegun = true;
      const { header, payload } = await holdingPixels(frame, (pixels) =>
        Buffer.isBuffer(pixels)
          ? child.ask('run', question, { payload: pixels, limitMs })
          : child.ask('run', { ...question, file: pixels }, { limitMs }),
      );
      const [result] = unpackResults(header.results, payload, 1);
      this.counts.results += 1;
      waiting.resolve({
        model: referenceOf(model.source),
        provider: model.loaded.provider,
        timings: { queue: startedAt - enqueuedAt, ...header.timings, total: performance.now() - enqueuedAt },
        ...(result as EncodedResult),
      });
    } catch (error) {
      const isLost = hasBegun && error instanceof ChildEnded;
      if (isLost) this.counts.lost += 1;
      waiting.reject(isLost ? this.#noResult(error) : error);
    }
  }

  #noResult(cause: ChildEnded): InferenceError {
    return new InferenceError('NO_RESULT', cause.message, {
      hint: 'This part was not inspected. The host starts again by itself; if it repeats, check the model.',
      cause,
    });
  }

  async #loadInto(child: HostChild, model: Model): Promise<void> {
    const { providers, strict = false, head, input = {}, graph } = model.options;
    const limitMs = loadTimeout(model.options);
    const known = graph === undefined ? {} : { graph };
    const question = { model: model.id, providers, strict, head, input, ...known };
    const started = performance.now();
    try {
      const { header } = await child.ask('load', question, { payload: model.source.bytes, limitMs });
      const durations: number[] = [];
      for (let run = 0; run <= WARM_RUNS; run += 1) {
        const spentMs = performance.now() - started;
        if (durations.length > 0 && spentMs > WARM_BUDGET_MS) break;
        const left = { limitMs: Math.max(1, limitMs - spentMs) };
        const { header: warmed } = await child.ask('warm', { model: model.id, runs: 1 }, left);
        if (run > 0) durations.push(...warmed.ms);
      }
      durations.sort((a, b) => a - b);
      model.warmMs = durations[durations.length >> 1] ?? 0;
      model.warmMaxMs = durations.at(-1) ?? 0;
      model.loaded = header.info;
    } catch (error) {
      if (error instanceof ChildEnded && performance.now() - started >= limitMs) {
        throw new InferenceError('MODEL_LOAD_TIMEOUT', `the model was not ready within ${limitMs} ms`, {
          hint: 'The graph may never end. If it is only slow, give it a longer load time.',
          cause: error,
        });
      }
      throw error;
    }
  }

  // --- the child's life

  /** The child with all its models; started (again) where there is none. */
  async #running(): Promise<HostChild> {
    while (this.#child === undefined || this.#child.hasEnded) {
      if (this.#state === 'closed')
        throw new InferenceError('HOST_CLOSED', 'the inference host was released');
      if (this.#state === 'tripped') throw this.#tripped();
      const child = await this.#start();
      try {
        await this.#reload(child);
        this.#state = 'ready';
      } catch (error) {
        // ended while it loaded a model that had worked before: counted by its end, tried again
        if (!(error instanceof ChildEnded)) throw error;
      }
    }
    return this.#child;
  }

  async #start(): Promise<HostChild> {
    this.#state = 'starting';
    const { memoryLimitBytes = DEFAULT_MEMORY_BYTES } = this.#options;
    const isCpu = this.device === 'cpu';
    // drivers map far more than they use, so the limit is for the CPU alone
    const child = new HostChild({
      device: this.device,
      memoryLimitBytes: isCpu ? memoryLimitBytes : undefined,
    });
    const timer = setTimeout(() => child.kill('did not start in time'), START_TIMEOUT_MS);
    try {
      await child.hello;
    } catch (error) {
      this.#state = 'idle';
      throw new InferenceError('HOST_UNAVAILABLE', (error as Error).message, {
        hint: 'Check that onnxruntime-node is installed for this machine.',
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
    this.#child = child;
    void child.ended.then(() => this.#onEnd(child));
    return child;
  }

  async #reload(child: HostChild): Promise<void> {
    for (const model of this.#models.values()) {
      try {
        await this.#loadInto(child, model);
        model.failure = undefined;
      } catch (error) {
        if (!(error instanceof InferenceError)) throw error;
        model.failure = error;
      }
    }
  }

  #onEnd(child: HostChild): void {
    if (this.#child !== child) return;
    if (this.#onTrial !== child) this.#countCrash();
    // ready again before the next part comes
    if (this.#state === 'tripped' || this.#models.size === 0) return;
    void this.#task(() => this.#running()).catch(() => undefined);
  }

  #countCrash(): void {
    this.counts.crashes += 1;
    const { crashLimit = DEFAULT_CRASH_LIMIT, crashWindowMs = DEFAULT_CRASH_WINDOW_MS } = this.#options;
    const now = performance.now();
    this.#crashedAt = [...this.#crashedAt.filter((at) => now - at < crashWindowMs), now];
    if (this.#crashedAt.length >= crashLimit) this.#trip();
  }

  #trip(): void {
    this.#state = 'tripped';
    for (const { queue } of this.#models.values()) {
      for (const { reject } of queue.drain()) reject(this.#tripped());
    }
  }

  #tripped(): InferenceError {
    return new InferenceError(
      'HOST_TRIPPED',
      `the inference host ended ${this.#crashedAt.length} times in a short while`,
      {
        hint: 'It stays off until a model is loaded again: check the models on this device, then deploy.',
      },
    );
  }
}

interface Shared {
  core: HostCore;
  handles: number;
}

const hosts = new Map<string, Shared>();

class HostHandle implements InferenceHost {
  readonly #shared: Shared;
  readonly #models = new Set<Model>();
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
    return this.#shared.core.counts;
  }

  get pid(): number | undefined {
    return this.#shared.core.pid;
  }

  async load(source: ModelSource, options: LoadOptions): Promise<LoadedModel> {
    if (this.#released !== undefined)
      throw new InferenceError('HOST_CLOSED', 'the inference host was released');
    const model = await this.#shared.core.load(source, options);
    this.#models.add(model);
    return model;
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
export function acquireHost(device: string, options: HostOptions = {}): InferenceHost {
  let shared = hosts.get(device);
  if (shared === undefined) {
    shared = { core: new HostCore(device, options), handles: 0 };
    hosts.set(device, shared);
  }
  return new HostHandle(shared);
}
