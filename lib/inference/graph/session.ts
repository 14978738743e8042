/**
 * One loaded graph, from the pixels of a frame to predictions. Runs where the caller runs and blocks
 * it for the whole inference (ONNX Runtime's `run` is synchronous under its promise), which is why
 * the product calls it in the host process only.
 */
import type { InferenceSession } from 'onnxruntime-node';
import type { RgbImage } from '../../frame/decode.ts';
import { encode } from '../../frame/encode.ts';
import type { Box } from '../../inspection/inspection.ts';
import { cropOf, shiftPrediction, type Crop } from './crop.ts';
import { InferenceError } from '../errors.ts';
import type { Head, HeadResult, Outputs, OutputTensor } from '../heads/head.ts';
import { InputFeed, recipeDigest, type InputData } from './input.ts';
import { messageOf, openGraph, type OpenedGraph, type Runtime, type SessionRequest } from './open-graph.ts';
import { preparePicture, referenceOf } from './prepare.ts';
import { inputTensor, outputTensor } from './tensors.ts';
import { profiled } from './profile.ts';
import { asItCame } from './unalign.ts';
import { checkReplySize, type ChildTimings, type GraphInfo, type ProviderShare } from '../host/protocol.ts';
import { payloadBytes, type EncodedPicture, type EncodedResult } from '../host/results.ts';

export interface RunOutcome {
  /** One of the whole picture, or one for each crop. */
  results: EncodedResult[];
  timings: Omit<ChildTimings, 'decode'>;
}

/** Before the run that is profiled: the first compiles and pages in. */
const RUNS_BEFORE_PROFILE = 2;

/** Pictures of a head leave losslessly encoded, by threads of their own. */
async function encoded({ prediction, tensors, pictures = {} }: HeadResult): Promise<EncodedResult> {
  const upright = { rotate: 0, flip: 'none' } as const;
  const entries = Object.entries(pictures).map(
    async ([name, { data, width, height }]): Promise<[string, EncodedPicture]> => {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      const gray = { data: bytes, width, height, channels: 1 } as const;
      const png = await encode(gray, [0, 0, width, height], upright, { format: 'png' });
      return [name, { width, height, format: 'png', bytes: png.data }];
    },
  );
  return { prediction, tensors, pictures: Object.fromEntries(await Promise.all(entries)) };
}

export class GraphSession {
  readonly info: GraphInfo;
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  readonly #head: Head;
  readonly #inputName: string;
  readonly #feed: InputFeed;
  #hasRun = false;
  #prepared: Buffer | undefined;

  private constructor(runtime: Runtime, opened: OpenedGraph) {
    const { session, provider, refused, graph, plan, recipe, folded, createMs } = opened;
    this.#runtime = runtime;
    this.#session = session;
    this.#head = plan.bind(recipe);
    this.#inputName = (graph.inputs[0] as { name: string }).name;
    this.#feed = new InputFeed(recipe, folded);
    this.info = {
      provider,
      refused,
      inputs: [...graph.inputs],
      outputs: [...graph.outputs],
      input: recipe,
      recipe: recipeDigest(recipe),
      folded,
      head: plan.head,
      ...(plan.why === undefined ? {} : { why: plan.why }),
      createMs,
    };
  }

  /**
   * Creates the session and checks input and head against the graph; runs nothing.
   *
   * @throws InferenceError `PROVIDER_UNKNOWN`, `PROVIDER_UNAVAILABLE`, `MODEL_INVALID`,
   *   `MODEL_INPUT_UNSUPPORTED`, `MODEL_OUTPUT_UNSUPPORTED`, `ALIGN_INVALID`
   */
  static async load(
    bytes: Uint8Array,
    request: SessionRequest,
    device: string,
    profiling?: Parameters<typeof openGraph>[4],
  ): Promise<GraphSession> {
    const runtime = await import('onnxruntime-node');
    const opened = await openGraph(runtime, bytes, request, device, profiling);
    try {
      // a reference that cannot be read is a reason against the model, not against each part
      await referenceOf(opened.recipe);
      return new GraphSession(runtime, opened);
    } catch (error) {
      await opened.session.release();
      throw error;
    }
  }

  /**
   * Runs the graph on a black picture under the profiler: which provider did what of the last run. The
   * runtime writes into `folder`, which is empty.
   *
   * @throws InferenceError as `load`, and `MODEL_INVALID`, `OUTPUT_TOO_LARGE`
   */
  static profile(
    bytes: Uint8Array,
    request: SessionRequest,
    { device, folder }: { device: string; folder: string },
  ): Promise<ProviderShare[]> {
    return profiled(folder, async (profiling) => {
      const graph = await GraphSession.load(bytes, request, device, profiling);
      try {
        await graph.warmUp(RUNS_BEFORE_PROFILE + 1);
        graph.#session.endProfiling();
      } finally {
        await graph.release();
      }
    });
  }

  /**
   * Runs the graph on a black picture; the time of each run in ms, the graph alone.
   *
   * @throws InferenceError `MODEL_INVALID`, `MODEL_OUTPUT_UNSUPPORTED`, `OUTPUT_TOO_LARGE`
   */
  async warmUp(runs: number): Promise<number[]> {
    const durations: number[] = [];
    const black = this.#feed.black();
    for (let run = 0; run < runs; run += 1) {
      const before = performance.now();
      const outputs = await this.#compute(black).catch((error: unknown) => {
        throw new InferenceError('MODEL_INVALID', `the graph does not run: ${messageOf(error)}`, {
          cause: error,
        });
      });
      durations.push(performance.now() - before);
      if (!this.#hasRun) await this.#tryHead(outputs);
      this.#hasRun = true;
    }
    return durations;
  }

  /**
   * A head that can never read this graph, or has more to say than one answer holds, says so at load;
   * that black scores oddly is no fault.
   */
  async #tryHead(outputs: Outputs): Promise<void> {
    const { width, height } = this.info.input;
    const placement = { scaleX: 1, scaleY: 1, frameWidth: width, frameHeight: height };
    try {
      const result = await encoded(this.#head.read(outputs, placement));
      checkReplySize(Buffer.byteLength(JSON.stringify(result.prediction)), payloadBytes(result));
    } catch (error) {
      if (!(error instanceof InferenceError) || error.code !== 'SCORE_NOT_FINITE') throw error;
    }
  }

  async #compute(input: InputData): Promise<Outputs> {
    const { dimensions } = this.#feed;
    const tensor = inputTensor(this.#runtime.Tensor, input, dimensions);
    const values = await this.#session.run({ [this.#inputName]: tensor }, this.#head.outputs);
    const outputs: Record<string, OutputTensor> = {};
    for (const name of this.#head.outputs) {
      const value = values[name];
      if (value === undefined) throw new InferenceError('RUN_FAILED', `the graph gave no output '${name}'`);
      outputs[name] = outputTensor(value);
    }
    return outputs;
  }

  /**
   * Crop → prepare → run → head, for the whole picture or for each crop. Boxes and polygons are in
   * pixels of the picture, pictures of a head show their crop. One at a time: the buffers are reused.
   *
   * @throws InferenceError `CROP_INVALID`, `RUN_FAILED`, `SCORE_NOT_FINITE`, `OUTPUT_TOO_LARGE`
   */
  async run(picture: RgbImage, crops?: readonly Box[]): Promise<RunOutcome> {
    const timings = { resize: 0, run: 0, head: 0 };
    const parts = crops?.map((box) => cropOf(picture, box)) ?? [{ window: picture, left: 0, top: 0 }];
    const results: EncodedResult[] = [];
    let bytes = 0;
    for (const part of parts) {
      const result = await this.#look(part, timings);
      // before the next crop: large maps of many crops are more than the process may hold
      bytes += payloadBytes(result);
      checkReplySize(0, bytes);
      results.push(result);
    }
    return { results, timings };
  }

  async #look({ window, left, top }: Crop, timings: RunOutcome['timings']): Promise<EncodedResult> {
    const started = performance.now();
    const prepared = await preparePicture(window, this.info.input, this.#prepared);
    if (prepared.data !== window.data) this.#prepared = prepared.data;
    const input = this.#feed.fill(prepared.data);
    const filled = performance.now();
    const outputs = await this.#compute(input).catch((error: unknown) => {
      if (error instanceof InferenceError) throw error;
      throw new InferenceError('RUN_FAILED', messageOf(error), { cause: error });
    });
    const computed = performance.now();
    const { scaleX, scaleY, alignment } = prepared;
    const placement = { scaleX, scaleY, frameWidth: window.width, frameHeight: window.height };
    // encoded before the next run: a head may use its buffers again
    const read = this.#head.read(outputs, placement);
    const result = await encoded(alignment === undefined ? read : asItCame(read, alignment, window));
    timings.resize += filled - started;
    timings.run += computed - filled;
    timings.head += performance.now() - computed;
    return {
      ...result,
      prediction: shiftPrediction(result.prediction, left, top),
      ...(alignment === undefined ? {} : { alignment }),
    };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
