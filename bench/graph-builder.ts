/**
 * Builds an ONNX graph for a picture layer by layer, as exporters write it after folding batch
 * normalisation into the convolutions: float32, NCHW, opset 13. Keeps the shape of every tensor, so
 * that parameters and multiply-accumulates come out of the same list the graph comes from.
 */
import { seededRandom, type Random } from '../lib/anomaly/random.ts';
import { bytesField, integerField } from '../lib/protobuf.ts';

const FLOAT = 1;
const INT64 = 7;
/** AttributeProto.AttributeType */
const ATTRIBUTE = { int: 2, string: 3, ints: 7 } as const;

/** A tensor of the graph without its batch dimension of 1. */
export interface Values {
  name: string;
  shape: readonly number[];
}

type Attribute = number | string | readonly number[];

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

function message(field: number, ...parts: Buffer[]): Buffer {
  return bytesField(field, Buffer.concat(parts));
}

function attribute(name: string, content: Attribute): Buffer {
  const named = bytesField(1, name);
  if (typeof content === 'string') {
    return message(5, named, bytesField(4, content), integerField(20, ATTRIBUTE.string));
  }
  if (typeof content === 'number') {
    return message(5, named, integerField(3, content), integerField(20, ATTRIBUTE.int));
  }
  return message(
    5,
    named,
    ...content.map((entry) => integerField(8, entry)),
    integerField(20, ATTRIBUTE.ints),
  );
}

/** ValueInfoProto of a batch of one. */
function valueInfo(field: number, { name, shape }: Values): Buffer {
  const dimensions = [1, ...shape].map((length) => message(1, integerField(1, length)));
  const tensor = Buffer.concat([integerField(1, FLOAT), message(2, ...dimensions)]);
  return message(field, bytesField(1, name), message(2, bytesField(1, tensor)));
}

export class GraphBuilder {
  readonly input: Values;
  readonly #random: Random;
  readonly #nodes: Buffer[] = [];
  readonly #initializers: Buffer[] = [];
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
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Values {
    const output = { name: this.#name(operator), shape };
    this.#addNode(operator, inputs, [output], attributes);
    return output;
  }

  #addNode(
    operator: string,
    inputs: readonly (Values | string)[],
    outputs: readonly Values[],
    attributes: Readonly<Record<string, Attribute>>,
  ): void {
    this.#nodes.push(
      message(
        1,
        ...inputs.map((input) => bytesField(1, typeof input === 'string' ? input : input.name)),
        ...outputs.map(({ name }) => bytesField(2, name)),
        bytesField(4, operator),
        ...Object.entries(attributes).map(([name, content]) => attribute(name, content)),
      ),
    );
  }

  /** Adds a constant, batch dimension and all, and returns its name. */
  constant(shape: readonly number[], data: Float32Array | BigInt64Array): string {
    const name = this.#name('constant');
    this.#initializers.push(
      message(
        5,
        ...shape.map((length) => integerField(1, length)),
        integerField(2, data instanceof Float32Array ? FLOAT : INT64),
        bytesField(8, name),
        bytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ),
    );
    return name;
  }

  integers(...values: number[]): string {
    return this.constant([values.length], BigInt64Array.from(values, BigInt));
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
    this.#addNode('Split', [input, this.integers(...lengths)], parts, { axis: 1 });
    return parts;
  }

  reshape(input: Values, ...shape: number[]): Values {
    return this.node('Reshape', [input, this.integers(1, ...shape)], shape);
  }

  finish(output: Values): BuiltGraph {
    const renamed = { name: 'output0', shape: output.shape };
    this.#addNode('Identity', [output], [renamed], {});
    const graph = message(
      7,
      ...this.#nodes,
      bytesField(2, 'main_graph'),
      ...this.#initializers,
      valueInfo(11, this.input),
      valueInfo(12, renamed),
    );
    const operatorSet = message(8, bytesField(1, ''), integerField(2, 13));
    return {
      bytes: Buffer.concat([integerField(1, 8), operatorSet, graph]),
      parameters: this.#parameters,
      macs: this.#macs,
    };
  }
}
