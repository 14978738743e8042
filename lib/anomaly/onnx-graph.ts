/**
 * Writes the few kinds of ONNX protobuf messages that a scoring head needs, so that teaching needs
 * no Python and no ONNX library.
 *
 * The writer only ever appends. Protocol Buffers promise that the concatenation of two encoded
 * messages decodes as their merge: repeated fields are appended, embedded messages are merged,
 * of single fields the last wins (protobuf.dev, "Encoding", section "Last One Wins"). So the bytes
 * of a backbone followed by the bytes of a model that holds only further nodes, constants and
 * outputs are one valid model with the head attached to the backbone's output.
 *
 * Field numbers are those of `onnx.proto` (IR version 8, github.com/onnx/onnx).
 */

import { bytesField, integerField } from '../protobuf.ts';

/** TensorProto.DataType of the element types we write. */
const FLOAT = 1;
const INT64 = 7;

/** AttributeProto.AttributeType of the attributes we write. */
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

/** NodeProto: one operator with its named inputs and outputs. */
interface GraphNode {
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** TensorProto: a constant of the graph. BigInt64Array for shapes and axes, Float32Array for weights. */
interface GraphConstant {
  name: string;
  shape: readonly number[];
  data: Float32Array | BigInt64Array;
}

/** ValueInfoProto of a float32 tensor that enters or leaves the graph. */
interface GraphValue {
  name: string;
  shape: readonly number[];
}

export interface GraphPart {
  nodes: readonly GraphNode[];
  constants: readonly GraphConstant[];
  inputs?: readonly GraphValue[];
  outputs: readonly GraphValue[];
}

function attribute(name: string, value: number | readonly number[]): Buffer {
  return typeof value === 'number'
    ? Buffer.concat([bytesField(1, name), integerField(3, value), integerField(20, ATTRIBUTE_INT)])
    : Buffer.concat([
        bytesField(1, name),
        ...value.map((item) => integerField(8, item)),
        integerField(20, ATTRIBUTE_INTS),
      ]);
}

function node({ operator, inputs, outputs, attributes = {} }: GraphNode): Buffer {
  return Buffer.concat([
    ...inputs.map((input) => bytesField(1, input)),
    ...outputs.map((output) => bytesField(2, output)),
    bytesField(4, operator),
    ...Object.entries(attributes).map(([name, value]) => bytesField(5, attribute(name, value))),
  ]);
}

/** Raw data is little-endian by definition of the format, as every machine we run on is. */
function constant({ name, shape, data }: GraphConstant): Buffer {
  return Buffer.concat([
    ...shape.map((dimension) => integerField(1, dimension)),
    integerField(2, data instanceof Float32Array ? FLOAT : INT64),
    bytesField(8, name),
    bytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]);
}

function value({ name, shape }: GraphValue): Buffer {
  const dimensions = shape.map((dimension) => bytesField(1, integerField(1, dimension)));
  const tensorType = Buffer.concat([integerField(1, FLOAT), bytesField(2, Buffer.concat(dimensions))]);
  return Buffer.concat([bytesField(1, name), bytesField(2, bytesField(1, tensorType))]);
}

function graph({ nodes, constants, inputs = [], outputs }: GraphPart): Buffer {
  return Buffer.concat([
    ...nodes.map((item) => bytesField(1, node(item))),
    ...constants.map((item) => bytesField(5, constant(item))),
    ...inputs.map((item) => bytesField(11, value(item))),
    ...outputs.map((item) => bytesField(12, value(item))),
  ]);
}

/** The model `backbone` with the nodes, constants and outputs of `head` appended to its graph. */
export function appendToModel(backbone: Uint8Array, head: GraphPart): Buffer {
  return Buffer.concat([backbone, bytesField(7, graph(head))]);
}

/** A model of its own: IR version 7 and opset 13, those of our backbone. */
export function standaloneModel(part: GraphPart): Buffer {
  const operatorSet = Buffer.concat([bytesField(1, ''), integerField(2, 13)]);
  return Buffer.concat([
    integerField(1, 7),
    bytesField(8, operatorSet),
    bytesField(7, Buffer.concat([bytesField(2, 'head'), graph(part)])),
  ]);
}
