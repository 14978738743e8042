/** A model as the commands use it: read and scanned like a deployed one, fed and read like one, on the CPU. */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { RgbImage } from '../lib/frame/decode.ts';
import { modelOptions } from '../lib/inference/bundle/options.ts';
import { InferenceError } from '../lib/inference/errors.ts';
import type { HeadOptions, HeadResult, OutputTensor, Placement } from '../lib/inference/heads/head.ts';
import { InputFeed, type InputRecipe } from '../lib/inference/graph/input.ts';
import type { LoadOptions } from '../lib/inference/host/load-options.ts';
import { readModel, type ModelSource } from '../lib/inference/model/model.ts';
import { openGraph, type OpenedGraph } from '../lib/inference/graph/open-graph.ts';
import { preparePicture } from '../lib/inference/graph/prepare.ts';
import { inputTensor, outputTensor } from '../lib/inference/graph/tensors.ts';
import { inputsOf, readDocument } from '../lib/onnx/document.ts';
import { TYPE } from '../lib/onnx/tensor.ts';
import { tensorTypeOf } from '../lib/onnx/value.ts';

/** What one picture made of the model. */
export interface Answer {
  /** Undefined where nobody reads the outputs as a prediction. */
  prediction: Record<string, unknown> | undefined;
  pictures: HeadResult['pictures'];
  outputs: Readonly<Record<string, OutputTensor>>;
  /** Of the graph alone. */
  runMs: number;
}

/** True where the graph takes bytes, which it normalises by itself. */
function takesBytes(bytes: Uint8Array): boolean {
  const [input] = inputsOf(readDocument(bytes).graph);
  return input !== undefined && tensorTypeOf(input)?.type === TYPE.uint8;
}

/** What was said of the floats a graph is fed does not hold for one that takes bytes; size and fit do. */
function fitting(input: Partial<InputRecipe>, bytes: Uint8Array): Partial<InputRecipe> {
  if (!takesBytes(bytes)) return input;
  const { width, height, fit } = input;
  return {
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(fit === undefined ? {} : { fit }),
  };
}

export class CliModel {
  readonly source: ModelSource;
  readonly #opened: OpenedGraph;
  readonly #feed: InputFeed;
  readonly #tensor: typeof Tensor;
  readonly #head: ReturnType<OpenedGraph['plan']['bind']>;
  #prepared: Buffer | undefined;

  private constructor(source: ModelSource, opened: OpenedGraph, tensor: typeof Tensor) {
    this.source = source;
    this.#opened = opened;
    this.#feed = new InputFeed(opened.recipe, opened.folded);
    this.#head = opened.plan.bind(opened.recipe);
    this.#tensor = tensor;
  }

  /** @throws InferenceError as `readModel` and `openGraph` */
  static async open(path: string, head: HeadOptions, input: Partial<InputRecipe>): Promise<CliModel> {
    const source = await readModel(path);
    const wanted: LoadOptions = { providers: ['cpu'], head, input: fitting(input, source.bytes) };
    return await CliModel.of(source, modelOptions(source, wanted));
  }

  static async of(source: ModelSource, options: LoadOptions): Promise<CliModel> {
    const runtime = await import('onnxruntime-node');
    const { providers, strict = false, head, input = {} } = options;
    const opened = await openGraph(runtime, source.bytes, { providers, strict, head, input }, 'cpu');
    return new CliModel(source, opened, runtime.Tensor);
  }

  get recipe(): InputRecipe {
    return this.#opened.recipe;
  }

  async run(picture: RgbImage): Promise<Answer> {
    const { session, recipe, graph } = this.#opened;
    const prepared = await preparePicture(picture, recipe, this.#prepared);
    if (prepared.data !== picture.data) this.#prepared = prepared.data;
    const input = this.#feed.fill(prepared.data);
    const dims = this.#feed.dimensions;
    const tensor = inputTensor(this.#tensor, input, dims);
    const started = performance.now();
    const results = await session.run({ [(graph.inputs[0] as { name: string }).name]: tensor });
    const runMs = performance.now() - started;
    const outputs = floats(results);
    const { scaleX, scaleY } = prepared;
    const placement = { scaleX, scaleY, frameWidth: picture.width, frameHeight: picture.height };
    const read = this.#read(outputs, placement);
    return { prediction: read?.prediction, pictures: read?.pictures, outputs, runMs };
  }

  /** Feature maps can be more than a flow may carry as a prediction; here the outputs will do. */
  #read(outputs: Answer['outputs'], placement: Placement): HeadResult | undefined {
    try {
      return this.#head.read(outputs, placement);
    } catch (error) {
      if (error instanceof InferenceError && error.code === 'OUTPUT_TOO_LARGE') return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#opened.session.release();
  }
}

function floats(results: InferenceSession.ReturnType): Record<string, OutputTensor> {
  return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, outputTensor(tensor)]));
}
