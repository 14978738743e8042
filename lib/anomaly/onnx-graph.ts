/**
 * Puts a scoring head on a backbone, so that teaching needs no Python and no ONNX library.
 *
 * The head is only ever appended. Protocol Buffers promise that the concatenation of two encoded
 * messages decodes as their merge: repeated fields are appended, embedded messages are merged,
 * of single fields the last wins (protobuf.dev, "Encoding", section "Last One Wins"). So the bytes
 * of a backbone followed by the bytes of a model that holds only further nodes, constants and
 * outputs are one valid model with the head attached to the backbone's output.
 */
import { encodeGraph, writeDocument, type Graph } from '../onnx/document.ts';
import { embedded, textField } from '../onnx/message.ts';
import { makeNode } from '../onnx/node.ts';
import { makeTensor, TYPE } from '../onnx/tensor.ts';
import { makeValue } from '../onnx/value.ts';

/** One operator with its named inputs and outputs, written as in opset 13. */
export interface GraphNode {
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** A constant of the graph. BigInt64Array for shapes and axes, Float32Array for weights. */
export interface GraphConstant {
  name: string;
  shape: readonly number[];
  data: Float32Array | BigInt64Array;
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

function graphOf({ nodes, constants, inputs = [], outputs }: GraphPart): Graph {
  const valueOf = ({ name, shape }: GraphValue): Graph['inputs'][number] =>
    makeValue(name, TYPE.float, shape);
  return {
    nodes: nodes.map((node) => makeNode(node)),
    initializers: constants.map(({ name, shape, data }) => makeTensor(name, shape, data)),
    inputs: inputs.map(valueOf),
    outputs: outputs.map(valueOf),
    values: [],
    rest: [],
  };
}

/** The model `backbone` with the nodes, constants and outputs of `head` appended to its graph. */
export function appendToModel(backbone: Uint8Array, head: GraphPart): Buffer {
  return Buffer.concat([backbone, ...embedded(7, encodeGraph(graphOf(head)))]);
}

/** A model of its own: IR version 7 and opset 13, those of our backbone. */
export function standaloneModel(part: GraphPart): Buffer {
  const graph = { ...graphOf(part), rest: textField(2, 'head') };
  return writeDocument({ irVersion: 7, opsets: [{ domain: '', version: 13, rest: [] }], graph, rest: [] });
}
