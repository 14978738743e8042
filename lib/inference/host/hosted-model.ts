/**
 * One model of a host: the frames that wait for it, and the graph that serves them, which can be
 * replaced while they wait. Every frame ends in exactly one outcome.
 */
import { holdingPixels, type Frame } from '../../frame/frame.ts';
import type { Box, ModelReference } from '../../inspection/inspection.ts';
import { ChildEnded, type HostChild, type Question } from './child.ts';
import { InferenceError } from '../errors.ts';
import type { HostCore, Hosted } from './host-core.ts';
import type { HostedGraph } from './hosted-graph.ts';
import {
  noFrames,
  type CropsResult,
  type FrameCounts,
  type InferenceResult,
  type InferenceTimings,
} from './inference-result.ts';
import type { LoadOptions } from './load-options.ts';
import type { ModelSource } from '../model/model.ts';
import type { GraphInfo } from './protocol.ts';
import { FrameQueue } from './queue.ts';
import { unpackResults, type EncodedResult } from './results.ts';

/** A part with more things to look at than this is not one part. */
const MAX_CROPS = 256;

export interface RunOptions {
  signal?: AbortSignal | undefined;
}

export type ModelInfo = { model: ModelReference; warmMs: number } & GraphInfo;

/** The answer for a frame: one result, or one for each crop. */
interface Answer {
  model: ModelReference;
  provider: string;
  timings: InferenceTimings;
  results: EncodedResult[];
}

class WaitingFrame {
  readonly frame: Frame;
  readonly crops: readonly Box[] | undefined;
  readonly enqueuedAt = performance.now();
  readonly answer: Promise<Answer>;
  isSettled = false;
  #resolve!: (answer: Answer) => void;
  #reject!: (error: Error) => void;

  constructor(frame: Frame, crops: readonly Box[] | undefined) {
    this.frame = frame;
    this.crops = crops;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(answer: Answer): void {
    this.isSettled = true;
    this.#resolve(answer);
  }

  reject(error: Error): void {
    this.isSettled = true;
    this.#reject(error);
  }
}

function noResult(cause: ChildEnded): InferenceError {
  return new InferenceError('NO_RESULT', cause.message, {
    hint: 'This part was not inspected. The host starts again by itself; if it repeats, check the model.',
    cause,
  });
}

function checkCrops(boxes: readonly Box[]): void {
  if (boxes.length > MAX_CROPS) {
    throw new InferenceError('CROP_INVALID', `${boxes.length} boxes are more than ${MAX_CROPS}`, {
      hint: 'Let the detector keep fewer objects, or look at those of one label only.',
    });
  }
  const box = boxes.find((sides) => !sides.every(Number.isFinite));
  if (box !== undefined) throw new InferenceError('CROP_INVALID', `${box.join(', ')} is no box`);
}

export class HostedModel implements Hosted {
  readonly counts: FrameCounts = noFrames();
  graph: HostedGraph;
  readonly #core: HostCore;
  readonly #queue: FrameQueue<WaitingFrame>;
  readonly #underWay = new Set<WaitingFrame>();
  /** The last swap and all before it; never rejects. */
  #swapped: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  private constructor(core: HostCore, graph: HostedGraph) {
    this.#core = core;
    this.graph = graph;
    const { queue, queueLimit } = graph.options;
    this.#queue = new FrameQueue<WaitingFrame>(queue, queueLimit);
  }

  /** `check` throws when nobody wants the model any more. */
  static async load(
    core: HostCore,
    source: ModelSource,
    options: LoadOptions,
    check: () => void,
  ): Promise<HostedModel> {
    const model = new HostedModel(core, await core.open(source, options, check));
    core.add(model);
    return model;
  }

  get info(): ModelInfo {
    const { reference, info, warmMs } = this.graph;
    return { model: reference, ...info, warmMs };
  }

  get hasFrames(): boolean {
    return this.#queue.length > 0;
  }

  async run(frame: Frame, options: RunOptions = {}): Promise<InferenceResult> {
    const { results, ...inspected } = await this.#ask(new WaitingFrame(frame, undefined), options);
    return { ...inspected, ...(results[0] as EncodedResult) };
  }

  async runCrops(frame: Frame, boxes: readonly Box[], options: RunOptions = {}): Promise<CropsResult> {
    checkCrops(boxes);
    if (boxes.length === 0) return this.#sawNothing();
    const { results, ...inspected } = await this.#ask(new WaitingFrame(frame, boxes), options);
    return {
      ...inspected,
      results: results.map((result, index) => ({ box: boxes[index] as Box, ...result })),
    };
  }

  /** No boxes, nothing to look at: what a detector that found nothing leads to. */
  #sawNothing(): CropsResult {
    this.#checkOpen();
    const { reference, info } = this.graph;
    const timings = { queue: 0, decode: 0, resize: 0, run: 0, head: 0, total: 0 };
    return { model: reference, provider: info.provider, timings, results: [] };
  }

  async #ask(waiting: WaitingFrame, { signal }: RunOptions): Promise<Answer> {
    signal?.throwIfAborted();
    this.#checkOpen();
    this.#core.check();
    const dropped = this.#queue.push(waiting);
    dropped?.reject(new InferenceError('FRAME_DROPPED', 'a newer frame took the place of this one'));
    if (dropped !== undefined) this.#count('dropped');
    const onAbort = (): void => {
      this.#queue.remove(waiting);
      waiting.reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort);
    this.#underWay.add(waiting);
    this.#core.wake();
    try {
      return await waiting.answer;
    } finally {
      this.#underWay.delete(waiting);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new InferenceError('MODEL_CLOSED', 'the model was closed');
  }

  #count(what: keyof FrameCounts): void {
    this.counts[what] += 1;
    this.#core.frames[what] += 1;
  }

  rejectFrames(error: Error): void {
    for (const waiting of this.#queue.drain()) waiting.reject(error);
  }

  async runNext(child: HostChild): Promise<void> {
    const waiting = this.#queue.shift();
    if (waiting === undefined) return;
    try {
      if (this.graph.failure !== undefined) throw this.graph.failure;
      const answer = await this.#inspect(child, waiting);
      // aborted meanwhile
      if (waiting.isSettled) return;
      this.#count('results');
      waiting.resolve(answer);
    } catch (error) {
      if (waiting.isSettled) return;
      const isLost = error instanceof ChildEnded;
      if (isLost) this.#count('lost');
      waiting.reject(isLost ? noResult(error) : (error as Error));
    }
  }

  async #inspect(child: HostChild, { frame, crops, enqueuedAt }: WaitingFrame): Promise<Answer> {
    const { graph } = this;
    const startedAt = performance.now();
    const { id, format, width, height } = frame;
    const question: Question<'run'> = { model: graph.id, frame: id, format, width, height };
    if (crops !== undefined) question.crops = crops;
    const count = crops?.length ?? 1;
    const limitMs = graph.watchdogMs * count;
    const { header, payload } = await holdingPixels(frame, (pixels) =>
      Buffer.isBuffer(pixels)
        ? child.ask('run', question, { payload: pixels, limitMs })
        : child.ask('run', { ...question, file: pixels }, { limitMs }),
    );
    const results = unpackResults(header.results, payload, count);
    const queue = startedAt - enqueuedAt;
    const total = performance.now() - enqueuedAt;
    const timings = { queue, ...header.timings, total };
    return { model: graph.reference, provider: graph.info.provider, timings, results };
  }

  /** One swap after the other. */
  swap(source: ModelSource, options: LoadOptions, onServing?: () => void): Promise<void> {
    const swapped = this.#swapped.then(() => this.#swap(source, options, onServing));
    this.#swapped = swapped.catch(() => undefined);
    return swapped;
  }

  async #swap(source: ModelSource, options: LoadOptions, onServing?: () => void): Promise<void> {
    const graph = await this.#core.open(source, options, () => this.#checkOpen());
    const before = this.graph;
    this.#core.serve(this, graph);
    this.#count('swaps');
    onServing?.();
    await this.#core.unload(before);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled([...this.#underWay].map(({ answer }) => answer));
      await this.#swapped;
      await this.#core.remove(this);
    })();
    return this.#closing;
  }
}
