/**
 * One loaded graph, from encoded frame to prediction. Runs where the caller runs and blocks it for
 * the whole inference (ONNX Runtime's `run` is synchronous under its promise), which is why the
 * product calls it in the host process only.
 */
import { availableParallelism } from 'node:os';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { FrameFormat } from '../frame/frame.ts';
import { decodeRgb, type RgbImage } from '../frame/decode.ts';
import { resizeRgb } from '../frame/resize.ts';
import { InferenceError } from './errors.ts';
import type { Head, HeadOptions, HeadResult, Outputs, OutputTensor } from './heads/head.ts';
import { planHead } from './heads/plan.ts';
import {
  fillInput,
  inputBuffer,
  inputDimensions,
  inputTables,
  resolveInput,
  type InputData,
  type InputRecipe,
  type InputTables,
} from './input.ts';
import type { ChildTimings, LoadedReply, ValueDescription } from './protocol.ts';
import { checkProviders, sessionOptions } from './providers.ts';

type Runtime = typeof import('onnxruntime-node');

/** Warm-up runs after the first, which compiles and pages in and is not counted. */
const WARM_RUNS = 7;
/** Slow graphs are not made to wait longer than this for their figures. */
const WARM_BUDGET_MS = 1000;

export interface SessionRequest {
  providers: readonly string[];
  strict: boolean;
  head: HeadOptions;
  input: Partial<InputRecipe>;
}

export type SessionInfo = Omit<LoadedReply, 'type' | 'id'>;

export interface RunOutcome extends HeadResult {
  timings: ChildTimings;
}

interface Opened {
  session: InferenceSession;
  provider: string;
  refused: SessionInfo['refused'];
}

/** ORT's messages run over several lines; ours go into a status, a log line, a table. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** Tries the providers one by one; the last word on a graph has the CPU, if it was asked. */
async function open(
  runtime: Runtime,
  bytes: Uint8Array,
  request: SessionRequest,
  device: string,
): Promise<Opened> {
  checkProviders(
    request.providers,
    runtime.listSupportedBackends().map(({ name }) => name),
  );
  const refused: SessionInfo['refused'] = [];
  for (const provider of request.providers) {
    try {
      const options = sessionOptions(provider, {
        strict: request.strict,
        device,
        cores: availableParallelism(),
      });
      return { session: await runtime.InferenceSession.create(bytes, options), provider, refused };
    } catch (error) {
      refused.push({ provider, message: messageOf(error) });
    }
  }
  const cpu = refused.find(({ provider }) => provider === 'cpu');
  if (cpu !== undefined) throw new InferenceError('MODEL_INVALID', cpu.message);
  const reasons = refused.map(({ provider, message }) => `${provider}: ${message}`).join('; ');
  throw new InferenceError('PROVIDER_UNAVAILABLE', reasons, {
    hint: 'Check the driver and the libraries of the provider, or add cpu at the end of the list.',
  });
}

function describe(metadata: readonly InferenceSession.ValueMetadata[]): ValueDescription[] {
  return metadata.map((value) =>
    value.isTensor
      ? { name: value.name, type: value.type, shape: [...value.shape] }
      : { name: value.name, type: 'not a tensor', shape: [] },
  );
}

/** Any numeric output as float32; integers above 2²⁴ lose their last digits. */
function asFloats(data: Tensor['data']): Float32Array {
  if (data instanceof Float32Array) return data;
  return Float32Array.from(data as ArrayLike<unknown>, Number);
}

export class GraphSession {
  readonly info: SessionInfo;
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  readonly #recipe: InputRecipe;
  readonly #head: Head;
  readonly #inputName: string;
  readonly #dimensions: number[];
  readonly #tables: InputTables;
  readonly #input: InputData;
  #decoded: Buffer | undefined;
  #resized: Buffer | undefined;

  private constructor(runtime: Runtime, opened: Opened, request: SessionRequest) {
    const { session, provider, refused } = opened;
    const inputs = describe(session.inputMetadata);
    const outputs = describe(session.outputMetadata);
    const plan = planHead(request.head, { inputs, outputs });
    this.#recipe = resolveInput(inputs, request.input, plan.input);
    this.#head = plan.bind(this.#recipe);
    this.#runtime = runtime;
    this.#session = session;
    this.#inputName = (inputs[0] as ValueDescription).name;
    this.#dimensions = inputDimensions(this.#recipe);
    this.#tables = inputTables(this.#recipe);
    this.#input = inputBuffer(this.#recipe);
    this.info = { provider, refused, inputs, outputs, input: this.#recipe, warmMs: 0, warmMaxMs: 0 };
  }

  /**
   * Creates the session, checks input and head against the graph and runs it a few times.
   *
   * @throws InferenceError `PROVIDER_UNKNOWN`, `PROVIDER_UNAVAILABLE`, `MODEL_INVALID`,
   *   `MODEL_INPUT_UNSUPPORTED`, `MODEL_OUTPUT_UNSUPPORTED`, `OUTPUT_TOO_LARGE`
   */
  static async load(bytes: Uint8Array, request: SessionRequest, device: string): Promise<GraphSession> {
    const runtime = await import('onnxruntime-node');
    const opened = await open(runtime, bytes, request, device);
    try {
      const graph = new GraphSession(runtime, opened, request);
      await graph.#warmUp();
      return graph;
    } catch (error) {
      await opened.session.release();
      throw error;
    }
  }

  async #warmUp(): Promise<void> {
    const durations: number[] = [];
    const begun = performance.now();
    for (let run = 0; run <= WARM_RUNS; run += 1) {
      const before = performance.now();
      const outputs = await this.#compute().catch((error: unknown) => {
        throw new InferenceError('MODEL_INVALID', `the graph does not run: ${messageOf(error)}`, {
          cause: error,
        });
      });
      if (run === 0) this.#tryHead(outputs);
      else durations.push(performance.now() - before);
      if (durations.length > 0 && performance.now() - begun > WARM_BUDGET_MS) break;
    }
    durations.sort((a, b) => a - b);
    this.info.warmMs = durations[durations.length >> 1] as number;
    this.info.warmMaxMs = durations.at(-1) as number;
  }

  /** A head that can never read this graph says so at load; that black scores oddly is no fault. */
  #tryHead(outputs: Outputs): void {
    const { width, height } = this.#recipe;
    try {
      this.#head.read(outputs, { scaleX: 1, scaleY: 1, frameWidth: width, frameHeight: height });
    } catch (error) {
      if (!(error instanceof InferenceError) || error.code !== 'SCORE_NOT_FINITE') throw error;
    }
  }

  async #compute(): Promise<Outputs> {
    const tensor =
      this.#input instanceof Float32Array
        ? new this.#runtime.Tensor('float32', this.#input, this.#dimensions)
        : new this.#runtime.Tensor('uint8', this.#input, this.#dimensions);
    const values = await this.#session.run({ [this.#inputName]: tensor }, this.#head.outputs);
    const outputs: Record<string, OutputTensor> = {};
    for (const name of this.#head.outputs) {
      const value = values[name];
      if (value === undefined) throw new InferenceError('RUN_FAILED', `the graph gave no output '${name}'`);
      outputs[name] = { dims: value.dims, data: asFloats(value.data) };
    }
    return outputs;
  }

  /**
   * Decode → resize → run → head. One at a time: the buffers are reused.
   *
   * @throws InferenceError `RUN_FAILED`, `SCORE_NOT_FINITE`, `OUTPUT_TOO_LARGE`; DecodeError
   */
  async run(bytes: Buffer, format: FrameFormat, width: number, height: number): Promise<RunOutcome> {
    const started = performance.now();
    const image = await decodeRgb(bytes, format, width, height, this.#decoded);
    if (image.data !== bytes) this.#decoded = wholeOf(image, this.#decoded);
    const decoded = performance.now();
    const resized = resizeRgb(image, this.#recipe, this.#resized);
    if (resized.data !== image.data) this.#resized = resized.data;
    fillInput(resized.data, this.#recipe, this.#tables, this.#input);
    const filled = performance.now();
    const outputs = await this.#compute().catch((error: unknown) => {
      if (error instanceof InferenceError) throw error;
      throw new InferenceError('RUN_FAILED', messageOf(error), { cause: error });
    });
    const computed = performance.now();
    const { scaleX, scaleY } = resized;
    const placement = { scaleX, scaleY, frameWidth: image.width, frameHeight: image.height };
    const result = this.#head.read(outputs, placement);
    const timings = {
      decode: decoded - started,
      resize: filled - decoded,
      run: computed - filled,
      head: performance.now() - computed,
    };
    return { ...result, timings };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** Keeps the larger buffer for the next picture. */
function wholeOf(image: RgbImage, kept: Buffer | undefined): Buffer {
  return kept !== undefined && kept.length >= image.data.length ? kept : image.data;
}
