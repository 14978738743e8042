/**
 * Builds an ONNX graph for a picture layer by layer, as exporters write it after folding batch
 * normalisation into the convolutions: float32, NCHW, opset 13. Keeps the shape of every tensor, so
 * that parameters and multiply-accumulates come out of the same list the graph comes from.
 */
import { seededRandom, type Random } from '../lib/statistics/random.ts';
import { writeDocument } from '../lib/onnx/document.ts';
import { makeNode, type AttributeValue, type Node } from '../lib/onnx/node.ts';
import { makeIntegers, makeTensor, TYPE, type Tensor } from '../lib/onnx/tensor.ts';
import { makeValue, type Value } from '../lib/onnx/value.ts';

const IR_VERSION = 8;
const OPSET = 13;

/** A tensor of the graph without its batch dimension of 1. */
export interface Values {
  name: string;
  shape: readonly number[];
}

interface ConvOptions {
  channels: number;
  kernel: number;
  stride?: number;
  groups?: number;
  /** Factor on the standard deviation of He et al. 2015. */
  gain?: number;
  bias?: number;
}

/** A graph with one input and one output, and what it costs. */
export interface BuiltGraph {
  bytes: Buffer;
  /** Weights and biases; batch normalisation is folded in, so it is not counted. */
  parameters: number;
  /** Multiply-accumulates of the convolutions and fully connected layers for one picture. */
  macs: number;
}

function declared({ name, shape }: Values): Value {
  return makeValue(name, TYPE.float, [1, ...shape]);
}

export class GraphBuilder {
  readonly input: Values;
  readonly #random: Random;
  readonly #nodes: Node[] = [];
  readonly #initializers: Tensor[] = [];
  #names = 0;
  #parameters = 0;
  #macs = 0;

  constructor(side: number, seed: number) {
    this.input = { name: 'images', shape: [3, side, side] };
    this.#random = seededRandom(seed);
  }

  #name(kind: string): string {
    this.#names += 1;
    return `${kind.toLowerCase()}_${this.#names}`;
  }

  /** Adds one node and returns its output. */
  node(
    operator: string,
    inputs: readonly (Values | string)[],
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): Values {
    const output = { name: this.#name(operator), shape };
    this.#addNode(operator, inputs, [output], attributes);
    return output;
  }

  #addNode(
    operator: string,
    inputs: readonly (Values | string)[],
    outputs: readonly Values[],
    attributes: Readonly<Record<string, AttributeValue>>,
  ): void {
    const names = inputs.map((input) => (typeof input === 'string' ? input : input.name));
    const outputNames = outputs.map(({ name }) => name);
    this.#nodes.push(makeNode({ operator, inputs: names, outputs: outputNames, attributes }));
  }

  /** Adds a constant, batch dimension and all, and returns its name. */
  constant(shape: readonly number[], data: Float32Array): string {
    return this.#add(makeTensor(this.#name('constant'), shape, data));
  }

  #integers(...values: number[]): string {
    return this.#add(makeIntegers(this.#name('constant'), values));
  }

  #add(tensor: Tensor): string {
    this.#initializers.push(tensor);
    return tensor.name;
  }

  /** Uniform with the standard deviation √(2 / inputs) of He et al. 2015, "Delving Deep into Rectifiers". */
  #weights(shape: readonly number[], inputs: number, gain: number): string {
    const limit = gain * Math.sqrt(6 / inputs);
    const count = shape.reduce((product, length) => product * length, 1);
    const data = Float32Array.from({ length: count }, () => (2 * this.#random.uniform() - 1) * limit);
    this.#parameters += count;
    return this.constant(shape, data);
  }

  #bias(count: number, value: number): string {
    this.#parameters += count;
    return this.constant([count], new Float32Array(count).fill(value));
  }

  /** A convolution with bias, padded so that stride 1 keeps the size. */
  conv(input: Values, { channels, kernel, stride = 1, groups = 1, gain = 1, bias = 0 }: ConvOptions): Values {
    const [before, height, width] = input.shape as [number, number, number];
    const padding = kernel >> 1;
    const out = (length: number): number => Math.floor((length + 2 * padding - kernel) / stride) + 1;
    const shape = [channels, out(height), out(width)] as const;
    const inputs = (before / groups) * kernel * kernel;
    this.#macs += inputs * channels * shape[1] * shape[2];
    const weights = this.#weights([channels, before / groups, kernel, kernel], inputs, gain);
    return this.node('Conv', [input, weights, this.#bias(channels, bias)], shape, {
      dilations: [1, 1],
      group: groups,
      kernel_shape: [kernel, kernel],
      pads: [padding, padding, padding, padding],
      strides: [stride, stride],
    });
  }

  /** A fully connected layer on a flat tensor. */
  linear(input: Values, count: number): Values {
    const [before] = input.shape as [number];
    this.#macs += before * count;
    const weights = this.#weights([count, before], before, 1);
    return this.node('Gemm', [input, weights, this.#bias(count, 0)], [count], { transB: 1 });
  }

  maxPool(input: Values, kernel: number, stride: number): Values {
    const [channels, height, width] = input.shape as [number, number, number];
    const padding = kernel >> 1;
    const out = (length: number): number => Math.floor((length + 2 * padding - kernel) / stride) + 1;
    return this.node('MaxPool', [input], [channels, out(height), out(width)], {
      kernel_shape: [kernel, kernel],
      pads: [padding, padding, padding, padding],
      strides: [stride, stride],
    });
  }

  /** An element by element operation; the shape is that of the first operand. */
  each(operator: string, first: Values, ...others: (Values | string)[]): Values {
    return this.node(operator, [first, ...others], first.shape);
  }

  /** Along the first dimension after the batch, or another. */
  concat(parts: readonly Values[], axis = 1): Values {
    const shape = [...(parts[0] as Values).shape];
    shape[axis - 1] = parts.reduce((sum, part) => sum + (part.shape[axis - 1] as number), 0);
    return this.node('Concat', parts, shape, { axis });
  }

  /** Parts of the given lengths along the first dimension after the batch. */
  split(input: Values, ...lengths: number[]): Values[] {
    const parts = lengths.map((length) => ({
      name: this.#name('split'),
      shape: [length, ...input.shape.slice(1)],
    }));
    this.#addNode('Split', [input, this.#integers(...lengths)], parts, { axis: 1 });
    return parts;
  }

  reshape(input: Values, ...shape: number[]): Values {
    return this.node('Reshape', [input, this.#integers(1, ...shape)], shape);
  }

  finish(output: Values): BuiltGraph {
    const renamed = { name: 'output0', shape: output.shape };
    this.#addNode('Identity', [output], [renamed], {});
    const bytes = writeDocument({
      irVersion: IR_VERSION,
      opsets: [{ domain: '', version: OPSET, rest: [] }],
      graph: {
        nodes: this.#nodes,
        initializers: this.#initializers,
        inputs: [declared(this.input)],
        outputs: [declared(renamed)],
        values: [],
        rest: [],
      },
      rest: [],
    });
    return {
      bytes,
      parameters: this.#parameters,
      macs: this.#macs,
    };
  }
}
