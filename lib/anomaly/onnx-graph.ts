/**
 * Puts a scoring head on a backbone, so that teaching needs no Python and no ONNX library.
 *
 * The head is only ever appended. Protocol Buffers promise that the concatenation of two encoded
 * messages decodes as their merge: repeated fields are appended, embedded messages are merged,
 * of single fields the last wins (protobuf.dev, "Encoding", section "Last One Wins"). So the bytes
 * of a backbone followed by the bytes of a model that holds only further nodes, constants and
 * outputs are one valid model with the head attached to the backbone's output.
 */
import { encodeGraph, opsetOf, readDocument, writeDocument, type Graph } from '../onnx/document.ts';
import { embedded, textField } from '../onnx/message.ts';
import { makeNode } from '../onnx/node.ts';
import { makeTensor, TYPE, type Tensor } from '../onnx/tensor.ts';
import { makeValue } from '../onnx/value.ts';

/** `TensorProto.DataType.FLOAT16`. */
const FLOAT16 = 10;

/** One operator with its named inputs and outputs, written as in opset 13. */
export interface GraphNode {
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** A constant of the graph. BigInt64Array for shapes and axes, Float32Array for weights, Uint16Array for their half-precision bits. */
export interface GraphConstant {
  name: string;
  shape: readonly number[];
  data: Float32Array | BigInt64Array | Uint16Array;
}

/** A float32 tensor that enters or leaves the graph. */
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

function tensorOf({ name, shape, data }: GraphConstant): Tensor {
  if (!(data instanceof Uint16Array)) return makeTensor(name, shape, data);
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, type: FLOAT16, dims: shape, raw, rest: [] };
}

function graphOf({ nodes, constants, inputs = [], outputs }: GraphPart): Graph {
  const valueOf = ({ name, shape }: GraphValue): Graph['inputs'][number] =>
    makeValue(name, TYPE.float, shape);
  return {
    nodes: nodes.map((node) => makeNode(node)),
    initializers: constants.map(tensorOf),
    inputs: inputs.map(valueOf),
    outputs: outputs.map(valueOf),
    values: [],
    rest: [],
  };
}

/** From this opset on the axes of a reduction are an input. */
const AXES_AS_INPUT = 18;

/** The same graph in the words of a later opset. */
function inOpset(part: GraphPart, opset: number): GraphPart {
  if (opset < AXES_AS_INPUT) return part;
  const constants = [...part.constants];
  const nodes = part.nodes.map((node) => {
    const { axes, ...attributes } = node.attributes ?? {};
    if (!Array.isArray(axes)) return node;
    const name = `${node.outputs[0] ?? ''}_axes`;
    constants.push({ name, shape: [axes.length], data: BigInt64Array.from(axes as number[], BigInt) });
    return { ...node, inputs: [...node.inputs, name], attributes };
  });
  return { ...part, nodes, constants };
}

/**
 * The model `backbone` with the nodes, constants and outputs of `head` appended to its graph.
 *
 * @throws OnnxError `ONNX_INVALID` where the backbone is no model
 */
export function appendToModel(backbone: Uint8Array, head: GraphPart): Buffer {
  const fitting = inOpset(head, opsetOf(readDocument(backbone)));
  return Buffer.concat([backbone, ...embedded(7, encodeGraph(graphOf(fitting)))]);
}

/** A model of its own: IR version 7 and opset 13, those of our backbone. */
export function standaloneModel(part: GraphPart): Buffer {
  const graph = { ...graphOf(part), rest: textField(2, 'head') };
  return writeDocument({ irVersion: 7, opsets: [{ domain: '', version: 13, rest: [] }], graph, rest: [] });
}
