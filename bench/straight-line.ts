/**
 * The floor of inference: decode → resize → fill → run → head, one after the other in this process,
 * with the options and the codec of the product, and nothing around it.
 */
import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decodeRgb } from '../lib/frame/decode.ts';
import { resizeRgb } from '../lib/frame/resize.ts';
import type { ChosenHead, Head, OutputTensor } from '../lib/inference/heads/head.ts';
import { planHead } from '../lib/inference/heads/plan.ts';
import {
  fillInput,
  inputBuffer,
  inputDimensions,
  inputTables,
  resolveInput,
  type InputData,
  type InputRecipe,
  type InputTables,
} from '../lib/inference/graph/input.ts';
import type { ValueDescription } from '../lib/inference/host/protocol.ts';

export interface StraightResult {
  prediction: Record<string, unknown>;
  /** Milliseconds of the graph alone. */
  run: number;
}

function describe(metadata: readonly InferenceSession.ValueMetadata[]): ValueDescription[] {
  return metadata.map((value) => ({
    name: value.name,
    type: value.isTensor ? value.type : 'not a tensor',
    shape: value.isTensor ? [...value.shape] : [],
  }));
}

export class StraightLine {
  readonly #session: InferenceSession;
  readonly #recipe: InputRecipe;
  readonly #head: Head;
  readonly #tables: InputTables;
  /** Kept from picture to picture, as the inference host keeps them. */
  readonly #input: InputData;
  #decoded: Buffer | undefined;
  #resized: Buffer | undefined;

  private constructor(session: InferenceSession, head: ChosenHead, side: number) {
    const inputs = describe(session.inputMetadata);
    const plan = planHead(head, { inputs, outputs: describe(session.outputMetadata) });
    this.#session = session;
    this.#recipe = resolveInput(inputs, { width: side, height: side }, plan.input);
    this.#head = plan.bind(this.#recipe);
    this.#tables = inputTables(this.#recipe);
    this.#input = inputBuffer(this.#recipe);
  }

  static async load(model: string | Uint8Array, head: ChosenHead, side: number): Promise<StraightLine> {
    const options: InferenceSession.SessionOptions = {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      intraOpNumThreads: Math.max(1, availableParallelism() - 1),
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    };
    const session =
      typeof model === 'string'
        ? await InferenceSession.create(model, options)
        : await InferenceSession.create(model, options);
    return new StraightLine(session, head, side);
  }

  async run(jpeg: Buffer): Promise<StraightResult> {
    const image = await decodeRgb(jpeg, 'jpeg', undefined, undefined, this.#decoded);
    this.#decoded = image.data;
    const resized = resizeRgb(image, this.#recipe, this.#resized);
    this.#resized = resized.data;
    fillInput(resized.data, this.#recipe, this.#tables, this.#input);
    const dimensions = inputDimensions(this.#recipe);
    const input =
      this.#input instanceof Float32Array
        ? new Tensor('float32', this.#input, dimensions)
        : new Tensor('uint8', this.#input, dimensions);
    const startedAt = performance.now();
    const name = this.#session.inputNames[0] as string;
    const values = await this.#session.run({ [name]: input }, this.#head.outputs);
    const run = performance.now() - startedAt;
    const outputs = this.#head.outputs.map((output): [string, OutputTensor] => {
      const { dims, data } = values[output] as Tensor;
      return [output, { dims, data: data as Float32Array }];
    });
    const { prediction } = this.#head.read(Object.fromEntries(outputs), {
      scaleX: resized.scaleX,
      scaleY: resized.scaleY,
      frameWidth: image.width,
      frameHeight: image.height,
    });
    return { prediction, run };
  }
}
