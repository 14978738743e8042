/**
 * One loaded graph, from encoded frame to prediction. Runs where the caller runs and blocks it for
 * the whole inference (ONNX Runtime's `run` is synchronous under its promise), which is why the
 * product calls it in the host process only.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { RgbImage } from '../frame/decode.ts';
import { encode } from '../frame/encode.ts';
import { resizeRgb } from '../frame/resize.ts';
import type { Box } from '../inspection/inspection.ts';
import { canonicalJson } from '../canonical.ts';
import { InferenceError } from './errors.ts';
import type { ChosenHead, Head, HeadOptions, HeadResult, Outputs, OutputTensor } from './heads/head.ts';
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
import type { ChildTimings, GraphInfo, ProviderShare, ValueDescription } from './protocol.ts';
import type { EncodedPicture, EncodedResult } from './results.ts';
import { checkProviders, sessionOptions } from './providers.ts';

type Runtime = typeof import('onnxruntime-node');

export interface SessionRequest {
  providers: readonly string[];
  strict: boolean;
  head: HeadOptions;
  input: Partial<InputRecipe>;
}

export interface RunOutcome {
  /** One of the whole picture, or one for each crop. */
  results: EncodedResult[];
  timings: Omit<ChildTimings, 'decode'>;
}

interface Opened {
  session: InferenceSession;
  provider: string;
  refused: GraphInfo['refused'];
  createMs: number;
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
  profile: Pick<InferenceSession.SessionOptions, 'enableProfiling' | 'profileFilePrefix'> = {},
): Promise<Opened> {
  checkProviders(
    request.providers,
    runtime.listSupportedBackends().map(({ name }) => name),
  );
  const refused: GraphInfo['refused'] = [];
  for (const provider of request.providers) {
    try {
      const options = sessionOptions(provider, {
        strict: request.strict,
        device,
        cores: availableParallelism(),
      });
      const begun = performance.now();
      const session = await runtime.InferenceSession.create(bytes, { ...options, ...profile });
      return { session, provider, refused, createMs: performance.now() - begun };
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
  readonly info: GraphInfo;
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  readonly #recipe: InputRecipe;
  readonly #head: Head;
  readonly #inputName: string;
  readonly #dimensions: number[];
  readonly #tables: InputTables;
  readonly #input: InputData;
  #hasRun = false;
  #resized: Buffer | undefined;

  private constructor(runtime: Runtime, opened: Opened, request: SessionRequest) {
    const { session, provider, refused, createMs } = opened;
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
    this.info = {
      provider,
      refused,
      inputs,
      outputs,
      input: this.#recipe,
      recipe: `sha256:${createHash('sha256').update(canonicalJson(this.#recipe)).digest('hex')}`,
      folded: false,
      head: request.head as ChosenHead,
      createMs,
    };
  }

  /**
   * Creates the session and checks input and head against the graph; runs nothing.
   *
   * @throws InferenceError `PROVIDER_UNKNOWN`, `PROVIDER_UNAVAILABLE`, `MODEL_INVALID`,
   *   `MODEL_INPUT_UNSUPPORTED`, `MODEL_OUTPUT_UNSUPPORTED`
   */
  static async load(
    bytes: Uint8Array,
    request: SessionRequest,
    device: string,
    profile: Pick<InferenceSession.SessionOptions, 'enableProfiling' | 'profileFilePrefix'> = {},
  ): Promise<GraphSession> {
    const runtime = await import('onnxruntime-node');
    const opened = await open(runtime, bytes, request, device, profile);
    try {
      return new GraphSession(runtime, opened, request);
    } catch (error) {
      await opened.session.release();
      throw error;
    }
  }

  /** One run under the profiler: which provider ran which nodes. */
  static async profile(bytes: Uint8Array, request: SessionRequest, device: string): Promise<ProviderShare[]> {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-profile-'));
    try {
      const profileFilePrefix = join(folder, 'run');
      const graph = await GraphSession.load(bytes, request, device, {
        enableProfiling: true,
        profileFilePrefix,
      });
      await graph.warmUp(1);
      graph.#session.endProfiling();
      await graph.release();
      const [file = ''] = await readdir(folder);
      return sharesOf(JSON.parse(await readFile(join(folder, file), 'utf8')) as ProfileEvent[]);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /**
   * Runs the graph on a black picture; the time of each run in ms, the graph alone.
   *
   * @throws InferenceError `MODEL_INVALID`, `OUTPUT_TOO_LARGE`
   */
  async warmUp(runs: number): Promise<number[]> {
    const durations: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const before = performance.now();
      const outputs = await this.#compute().catch((error: unknown) => {
        throw new InferenceError('MODEL_INVALID', `the graph does not run: ${messageOf(error)}`, {
          cause: error,
        });
      });
      durations.push(performance.now() - before);
      if (!this.#hasRun) this.#tryHead(outputs);
      this.#hasRun = true;
    }
    return durations;
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
   * Crop → resize → run → head. One at a time: the buffers are reused.
   *
   * @throws InferenceError `RUN_FAILED`, `SCORE_NOT_FINITE`, `OUTPUT_TOO_LARGE`
   */
  async run(picture: RgbImage, crops?: readonly Box[]): Promise<RunOutcome> {
    const timings = { resize: 0, run: 0, head: 0 };
    const results: EncodedResult[] = [];
    const whole: Box = [0, 0, picture.width, picture.height];
    for (const box of crops ?? [whole]) {
      const started = performance.now();
      const image = box === whole ? picture : cut(picture, box);
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
      results.push(await encoded(this.#head.read(outputs, placement)));
      timings.resize += filled - started;
      timings.run += computed - filled;
      timings.head += performance.now() - computed;
    }
    return { results, timings };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function cut({ data, width }: RgbImage, [left, top, cutWidth, cutHeight]: Box): RgbImage {
  const target = Buffer.allocUnsafe(cutWidth * cutHeight * 3);
  for (let y = 0; y < cutHeight; y += 1) {
    const start = ((top + y) * width + left) * 3;
    data.copy(target, y * cutWidth * 3, start, start + cutWidth * 3);
  }
  return { data: target, width: cutWidth, height: cutHeight };
}

async function encoded({ prediction, tensors, pictures = {} }: HeadResult): Promise<EncodedResult> {
  const entries = Object.entries(pictures).map(
    async ([name, { data, width, height }]): Promise<[string, EncodedPicture]> => {
      const gray = { data: Buffer.from(data), width, height, channels: 1 as const };
      const turn = { rotate: 0, flip: 'none' } as const;
      const { data: bytes } = await encode(gray, [0, 0, width, height], turn, { format: 'png' });
      return [name, { width, height, format: 'png', bytes }];
    },
  );
  return { prediction, tensors, pictures: Object.fromEntries(await Promise.all(entries)) };
}

interface ProfileEvent {
  cat: string;
  dur: number;
  args?: { provider?: string; op_name?: string };
}

function sharesOf(events: readonly ProfileEvent[]): ProviderShare[] {
  const shares = new Map<string, ProviderShare>();
  for (const { cat, dur, args } of events) {
    if (cat !== 'Node' || args?.provider === undefined || args.op_name === undefined) continue;
    const { provider, op_name: operator } = args;
    const share = shares.get(provider) ?? { provider, nodes: 0, ms: 0, operators: {} };
    shares.set(provider, share);
    share.nodes += 1;
    share.ms += dur / 1000;
    share.operators[operator] = (share.operators[operator] ?? 0) + 1;
  }
  return [...shares.values()];
}
