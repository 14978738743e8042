/**
 * An ONNX file as a document that can be changed: nodes, constants, inputs and outputs are plain
 * values to replace, add or remove; all that is not understood is kept as it was. Reading and writing
 * without a change gives an equivalent model. Weights are views of the file's bytes and are copied
 * once, when a file is written.
 *
 * Meant for files that passed `scanModel` of `lib/inference`. Of other bytes it promises only to end: with a
 * document or `ONNX_INVALID` or `ONNX_TOO_LARGE`, in time and memory bounded by the count of fields and packed numbers.
 *
 * Field numbers are those of `onnx.proto` (github.com/onnx/onnx, IR version 13).
 */
import { bytesField, integerField, type FieldReader } from '../protobuf.ts';
import { embedded, invalid, isDelimited, isVarint, Messages, reading, type Encoded } from './message.ts';
import { attributeOf, encodeNode, isStandard, readNode, type Node } from './node.ts';
import { encodeTensor, readTensor, type Tensor } from './tensor.ts';
import { readValue, type Value } from './value.ts';

interface Opset {
  /** '' or 'ai.onnx' is the standard's. */
  domain: string;
  version: number;
  rest: Encoded;
}

export interface Graph {
  nodes: Node[];
  initializers: Tensor[];
  /** Up to IR version 3 every initializer is listed here too: see {@link inputsOf}. */
  inputs: Value[];
  outputs: Value[];
  /** What is declared of values between. */
  values: Value[];
  rest: Encoded;
}

export interface OnnxDocument {
  irVersion: number;
  opsets: Opset[];
  graph: Graph;
  rest: Encoded;
}

function readOpset(messages: Messages, reader: FieldReader): Opset {
  const opset: Opset = { domain: '', version: 0, rest: [] };
  opset.rest = messages.fields(reader, (at) => {
    if (isDelimited(at, 1)) opset.domain = messages.text(at);
    else if (isVarint(at, 2)) opset.version = at.value;
    else return false;
    return true;
  });
  return opset;
}

/** A graph may stand in pieces, since that is how a head is put on a backbone: they add up. */
function readGraph(messages: Messages, reader: FieldReader, graph: Graph): void {
  const value = (at: FieldReader): Value => readValue(messages, messages.message(at), messages.view(at));
  const rest = messages.fields(reader, (at) => {
    if (isDelimited(at, 1)) graph.nodes.push(readNode(messages, messages.message(at)));
    else if (isDelimited(at, 5)) graph.initializers.push(readTensor(messages, messages.message(at)));
    else if (isDelimited(at, 11)) graph.inputs.push(value(at));
    else if (isDelimited(at, 12)) graph.outputs.push(value(at));
    else if (isDelimited(at, 13)) graph.values.push(value(at));
    else return false;
    return true;
  });
  graph.rest = [...graph.rest, ...rest];
}

/**
 * Reads an ONNX file in place: `bytes` must not change while the document is used.
 *
 * @throws OnnxError `ONNX_INVALID`, `ONNX_TOO_LARGE`
 */
export function readDocument(bytes: Uint8Array): OnnxDocument {
  return reading(() => {
    const messages = new Messages(bytes);
    const graph: Graph = { nodes: [], initializers: [], inputs: [], outputs: [], values: [], rest: [] };
    const document: OnnxDocument = { irVersion: 0, opsets: [], graph, rest: [] };
    let pieces = 0;
    document.rest = messages.fields(messages.whole(), (at) => {
      if (isVarint(at, 1)) document.irVersion = at.value;
      else if (isDelimited(at, 7)) {
        pieces += 1;
        readGraph(messages, messages.message(at), graph);
      } else if (isDelimited(at, 8)) document.opsets.push(readOpset(messages, messages.message(at)));
      else return false;
      return true;
    });
    if (pieces === 0) throw invalid('the file is not an ONNX model: it holds no graph');
    return document;
  });
}

export function encodeGraph({ nodes, initializers, inputs, outputs, values, rest }: Graph): Encoded {
  return [
    ...nodes.flatMap((node) => embedded(1, encodeNode(node))),
    ...initializers.flatMap((tensor) => embedded(5, encodeTensor(tensor))),
    ...inputs.flatMap(({ encoded }) => embedded(11, encoded)),
    ...outputs.flatMap(({ encoded }) => embedded(12, encoded)),
    ...values.flatMap(({ encoded }) => embedded(13, encoded)),
    ...rest,
  ];
}

function encodeOpset(domain: string, version: number, rest: Encoded = []): Encoded {
  // the empty domain is written, as the exporters do
  return embedded(8, [bytesField(1, domain), integerField(2, version), ...rest]);
}

/** The file of a document in pieces, for who writes a large one bit by bit. */
export function encodeDocument({ irVersion, opsets, graph, rest }: OnnxDocument): Encoded {
  return [
    integerField(1, irVersion),
    ...opsets.flatMap((opset) => encodeOpset(opset.domain, opset.version, opset.rest)),
    ...embedded(7, encodeGraph(graph)),
    ...rest,
  ];
}

/** The file of a document. */
export function writeDocument(document: OnnxDocument): Buffer {
  return Buffer.concat(encodeDocument(document));
}

/** The inputs somebody has to feed. */
export function inputsOf({ initializers, inputs }: Graph): Value[] {
  const constants = new Set(initializers.map(({ name }) => name));
  return inputs.filter(({ name }) => !constants.has(name));
}

/** All constants by name: initializers, and Constant nodes that hold a tensor. */
export function constantsOf({ initializers, nodes }: Graph): Map<string, Tensor> {
  const constants = new Map(initializers.map((tensor) => [tensor.name, tensor]));
  for (const node of nodes) {
    if (node.operator !== 'Constant' || !isStandard(node)) continue;
    const tensor = attributeOf(node, 'value')?.tensor;
    const [name] = node.outputs;
    if (tensor !== undefined && name !== undefined) constants.set(name, { ...tensor, name });
  }
  return constants;
}

/** Makes names nothing in the graph has. */
export function freshNames({ nodes, initializers, inputs, values }: Graph): (wanted: string) => string {
  const taken = new Set([
    ...nodes.flatMap((node) => [...node.inputs, ...node.outputs]),
    ...[...initializers, ...inputs, ...values].map(({ name }) => name),
  ]);
  return (wanted) => {
    let name = wanted;
    for (let count = 2; taken.has(name); count += 1) name = `${wanted}_${count}`;
    taken.add(name);
    return name;
  };
}

/** Version of the standard's operators; 0 where the file names none. */
export function opsetOf({ opsets }: OnnxDocument): number {
  return opsets.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 0;
}
