/**
 * The structure of an ONNX file: its nodes, names, shapes and where its numbers lie, read in place
 * from the protobuf without a copy of the weights. What cannot be part of a model that we run is
 * refused on sight: data outside the file, functions, a tensor without the numbers it declares.
 *
 * Field numbers are those of `onnx.proto` (github.com/onnx/onnx, IR version 13). Protobuf decoders
 * merge a message that occurs twice. We read a graph in pieces, since that is how a head is put on
 * a backbone; anywhere else two pieces could hide a shape from us, so they are refused.
 */
import { FieldReader, ProtobufError, WIRE } from '../../protobuf.ts';
import type { InferenceError } from '../errors.ts';
import { invalid, ModelFields, quoted, refusal } from './fields.ts';
import { bytesOfElements, elementsOf, FEW, isElementType, TensorData } from './tensor-data.ts';

/** A constant, or what is declared of one: its numbers stay in the file. */
export interface Constant {
  /** `TensorProto.DataType`. */
  type: number;
  elements: number;
  /** The numbers themselves where they are few. */
  values: readonly number[] | undefined;
}

interface Attribute {
  /** Of `i`, `ints`, `f` or `floats`, whichever there is; cut after {@link FEW}. */
  values: number[];
  tensor?: Constant;
}

export interface Node {
  /** For messages: position, name and operator. */
  label: string;
  operator: string;
  /** '' is the standard's. */
  domain: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: ReadonlyMap<string, Attribute>;
}

export interface ModelGraph {
  irVersion: number;
  opsets: readonly { domain: string; version: number }[];
  nodes: readonly Node[];
  /** Initializers by name. */
  constants: ReadonlyMap<string, Constant>;
  inputs: readonly string[];
  outputs: readonly string[];
  /** Declared shapes of inputs, outputs and values between; an open dimension counts 1. */
  shapes: ReadonlyMap<string, readonly number[]>;
  /** True where an initializer has its numbers in another file, which only `externalData: 'kept'` lets pass. */
  hasExternalData: boolean;
}

export interface GraphLimits {
  /** The largest tensor a model may declare; the largest layer of VGG16 is 411 MB. */
  tensorBytes: number;
  /** Nodes; yolox_nano has 369. 20 000 take 30 MB to look at, once. */
  nodes: number;
  /** Fields read, which bounds the time: 1 000 000 take 0.02–0.15 s by what they are. yolox_nano has 12 055. */
  fields: number;
  /** Initializers; a quantised node has two or three. Each is taken apart where weights are brought in. */
  constants: number;
}

export const GRAPH_LIMITS: GraphLimits = {
  tensorBytes: 512 * 1024 ** 2,
  nodes: 20_000,
  fields: 1_000_000,
  constants: 60_000,
};

/** What becomes of an initializer whose numbers lie in another file: the model is refused, or goes on without them. */
type ExternalData = 'refused' | 'kept';

/** Owner of a tensor that is no node's. */
const INITIALIZER = 'initializer';
/** Most nodes have none. */
const NO_ATTRIBUTES = new Map<string, Attribute>();
/** A sequence of optional tensors is three levels. */
const TYPE_DEPTH = 4;

function externalData(where: string): InferenceError {
  return refusal(
    'MODEL_EXTERNAL_DATA',
    `${where} has its data in another file`,
    'Save the model as one file: onnx.save_model(model, path, save_as_external_data=False).',
  );
}

function subgraph(node: string): InferenceError {
  return refusal(
    'MODEL_OPERATOR_REFUSED',
    `${node} holds a graph of its own`,
    'Loops and branches are refused, since they may never end. Export the model without them.',
  );
}

/** Reads one model; every reader takes the bounds of its message and stays within them. */
class GraphReading {
  readonly #fields: ModelFields;
  readonly #limits: GraphLimits;
  readonly #externalData: ExternalData;
  irVersion = 0;
  hasGraph = false;
  hasExternalData = false;
  readonly opsets: { domain: string; version: number }[] = [];
  readonly nodes: Node[] = [];
  readonly constants = new Map<string, Constant>();
  readonly inputs: string[] = [];
  readonly outputs: string[] = [];
  readonly shapes = new Map<string, readonly number[]>();

  constructor(bytes: Buffer, limits: GraphLimits, externalData: ExternalData) {
    this.#fields = new ModelFields(bytes, limits.fields);
    this.#limits = limits;
    this.#externalData = externalData;
  }

  readModel(): void {
    this.#fields.each(new FieldReader(this.#fields.bytes), (at) => {
      if (at.field === 1) this.irVersion = this.#fields.integer(at);
      else if (at.field === 7) this.#readGraph(this.#fields.message(at));
      else if (at.field === 8) this.#readOpset(this.#fields.message(at));
      else if (at.field === 20) throw invalid('the model holds training steps', 'Export it for inference.');
      else if (at.field === 25) {
        throw refusal(
          'MODEL_OPERATOR_REFUSED',
          'the model defines functions of its own',
          'Inline them: onnx.inliner.inline_local_functions(model), or torch.onnx.export(…, dynamo=False).',
        );
      }
    });
  }

  #readOpset(message: FieldReader): void {
    const opset = { domain: '', version: 0 };
    this.#fields.each(message, (at) => {
      if (at.field === 1) opset.domain = this.#fields.name(at);
      else if (at.field === 2) opset.version = this.#fields.integer(at);
    });
    this.opsets.push(opset);
  }

  #readGraph(message: FieldReader): void {
    this.hasGraph = true;
    this.#fields.each(message, (at) => {
      if (at.field === 1) this.#readNode(this.#fields.message(at));
      else if (at.field === 2) this.#fields.name(at);
      else if (at.field === 5) this.#keep(this.#readTensor(this.#fields.message(at), INITIALIZER));
      else if (at.field === 11) this.inputs.push(this.#readValue(this.#fields.message(at), true));
      else if (at.field === 12) this.outputs.push(this.#readValue(this.#fields.message(at), true));
      else if (at.field === 13) this.#readValue(this.#fields.message(at), false);
      else if (at.field === 15) this.#keep(this.#readSparse(this.#fields.message(at), INITIALIZER));
    });
  }

  #keep({ name, constant }: { name: string; constant: Constant }): void {
    if (name === '' || this.constants.has(name)) {
      throw invalid(
        name === '' ? 'an initializer has no name' : `two initializers are named ${quoted(name)}`,
      );
    }
    if (this.constants.size >= this.#limits.constants) {
      throw refusal(
        'MODEL_TOO_LARGE',
        `the model has more than ${this.#limits.constants} initializers`,
        'Simplify it, for example with onnxsim.',
      );
    }
    this.constants.set(name, constant);
  }

  #readNode(message: FieldReader): void {
    const inputs: string[] = [];
    const outputs: string[] = [];
    const pieces: FieldReader[] = [];
    let [name, operator, domain] = ['', '', ''];
    this.#fields.each(message, (at) => {
      if (at.field === 1) inputs.push(this.#fields.name(at));
      else if (at.field === 2) outputs.push(this.#fields.name(at));
      else if (at.field === 3) name = this.#fields.name(at);
      else if (at.field === 4) operator = this.#fields.name(at);
      else if (at.field === 5) pieces.push(this.#fields.message(at));
      else if (at.field === 7) domain = this.#fields.name(at);
    });
    const label = `node ${this.nodes.length} ${quoted(name)} (${quoted(operator).slice(1, -1)})`;
    if (this.nodes.length >= this.#limits.nodes) {
      throw refusal(
        'MODEL_TOO_LARGE',
        `the model has more than ${this.#limits.nodes} nodes`,
        'Simplify it, for example with onnxsim.',
      );
    }
    const attributes = pieces.length === 0 ? NO_ATTRIBUTES : new Map<string, Attribute>();
    for (const piece of pieces) this.#readAttribute(piece, label, attributes);
    if (domain === 'ai.onnx') domain = '';
    this.nodes.push({ label, operator, domain, inputs, outputs, attributes });
  }

  #readAttribute(message: FieldReader, node: string, attributes: Map<string, Attribute>): void {
    const attribute: Attribute = { values: [] };
    const seen = new Set<number>();
    let name = '';
    this.#fields.each(message, (at) => {
      if (at.field === 1) name = this.#fields.name(at);
      else if (at.field === 2) this.#fields.floats(at, attribute.values);
      else if (at.field === 3 || at.field === 8) this.#fields.integers(at, attribute.values);
      else if (at.field === 5)
        attribute.tensor = this.#readTensor(this.#fields.only(at, seen), node).constant;
      else if (at.field === 7) this.#fields.floats(at, attribute.values);
      else if (at.field === 10) this.#readTensor(this.#fields.message(at), node);
      else if (at.field === 14) this.#readType(this.#fields.only(at, seen), TYPE_DEPTH);
      else if (at.field === 15) this.#readType(this.#fields.message(at), TYPE_DEPTH);
      else if (at.field === 22)
        attribute.tensor = this.#readSparse(this.#fields.only(at, seen), node).constant;
      else if (at.field === 23) this.#readSparse(this.#fields.message(at), node);
      else if (at.field === 6 || at.field === 11) throw subgraph(node);
      else if (at.field === 21) throw invalid(`${node} refers to an attribute of a function`);
    });
    if (attributes.has(name)) throw invalid(`${node} has the attribute ${quoted(name)} twice`);
    attributes.set(name, attribute);
  }

  #readTensor(message: FieldReader, owner: string): { name: string; constant: Constant } {
    const tensor = new TensorData();
    const dims: number[] = [];
    let name = '';
    const external = { isUsed: false };
    this.#fields.each(message, (at) => {
      if (at.field === 1) this.#fields.integers(at, dims);
      else if (at.field === 2) tensor.type = this.#fields.integer(at);
      else if (at.field === 3) throw invalid(`a tensor of ${owner} is only a segment`);
      else if (at.field === 8) name = this.#fields.name(at);
      else if (at.field === 13) external.isUsed = true;
      else if (at.field === 14) external.isUsed ||= this.#fields.integer(at) !== 0;
      else tensor.hold(at, this.#fields.bytes);
    });
    const label = name === '' ? `a tensor of ${owner}` : `${owner} ${quoted(name)}`;
    if (external.isUsed && (this.#externalData === 'refused' || owner !== INITIALIZER))
      throw externalData(label);
    this.#checkSize(label, tensor.type, dims);
    const elements = elementsOf(dims);
    if (external.isUsed) {
      this.hasExternalData = true;
      return { name, constant: { type: tensor.type, elements, values: undefined } };
    }
    const mismatch = tensor.mismatch(elements);
    if (mismatch !== undefined) throw invalid(`${label} ${mismatch}`);
    const values = elements <= FEW ? tensor.values(this.#fields.bytes, elements) : undefined;
    return { name, constant: { type: tensor.type, elements, values } };
  }

  /** Few numbers on file become many in memory: the declared size counts. */
  #readSparse(message: FieldReader, owner: string): { name: string; constant: Constant } {
    const seen = new Set<number>();
    const dims: number[] = [];
    let name = '';
    let type = 0;
    this.#fields.each(message, (at) => {
      if (at.field === 3) this.#fields.integers(at, dims);
      if (at.field !== 1 && at.field !== 2) return;
      const read = this.#readTensor(this.#fields.only(at, seen), `sparse ${owner}`);
      if (at.field === 1) [name, type] = [read.name, read.constant.type];
    });
    this.#checkSize(`sparse ${owner} ${quoted(name)}`, type, dims);
    return { name, constant: { type, elements: elementsOf(dims), values: undefined } };
  }

  #checkSize(label: string, type: number, dims: readonly number[]): void {
    if (!isElementType(type)) throw invalid(`${label} has the unknown element type ${type}`);
    if (dims.length > FEW || dims.some((dimension) => dimension < 0)) {
      throw invalid(
        `${label} has the impossible shape [${dims.slice(0, 8).join(', ')}${dims.length > 8 ? ', …' : ''}]`,
      );
    }
    const bytes = bytesOfElements(type, elementsOf(dims));
    if (bytes > this.#limits.tensorBytes) {
      throw refusal(
        'MODEL_TENSOR_TOO_LARGE',
        `${label} is declared as [${dims.join(', ')}]: ${bytes} bytes, the limit is ${this.#limits.tensorBytes}`,
        'Use a smaller model.',
      );
    }
  }

  /** ValueInfoProto. Inputs and outputs are allocated as declared; values between are only hints. */
  #readValue(message: FieldReader, isAllocated: boolean): string {
    const seen = new Set<number>();
    let name = '';
    let declared: DeclaredTensor | undefined;
    this.#fields.each(message, (at) => {
      if (at.field === 1) name = this.#fields.name(at);
      else if (at.field === 2) declared = this.#readType(this.#fields.only(at, seen), TYPE_DEPTH);
    });
    if (declared === undefined) return name;
    if (isAllocated) this.#checkSize(`the value ${quoted(name)}`, declared.type, declared.dims);
    this.shapes.set(name, declared.dims);
    return name;
  }

  /** TypeProto; what it says of a tensor. Types within types are followed `depth` deep. */
  #readType(message: FieldReader, depth: number): DeclaredTensor | undefined {
    if (depth === 0)
      throw invalid(`the type at byte ${message.start} is nested more than ${TYPE_DEPTH} deep`);
    const seen = new Set<number>();
    let tensor: DeclaredTensor | undefined;
    this.#fields.each(message, (at) => {
      if (at.field === 1 || at.field === 8) tensor = this.#readTensorType(this.#fields.only(at, seen));
      // sequence, map and optional: the type within is their field 1 or 2
      else if (at.field === 4 || at.field === 5 || at.field === 9) {
        this.#fields.each(this.#fields.only(at, seen), (inner) => {
          if (inner.wire === WIRE.delimited) this.#readType(this.#fields.message(inner), depth - 1);
        });
      }
    });
    return tensor;
  }

  #readTensorType(message: FieldReader): DeclaredTensor {
    const seen = new Set<number>();
    const declared: DeclaredTensor = { type: 0, dims: [] };
    this.#fields.each(message, (at) => {
      if (at.field === 1) declared.type = this.#fields.integer(at);
      if (at.field !== 2) return;
      this.#fields.each(this.#fields.only(at, seen), (dimension) => {
        if (dimension.field === 1) declared.dims.push(this.#readDimension(this.#fields.message(dimension)));
      });
    });
    return declared;
  }

  /** Open dimensions have a name or nothing, of some exporters −1. */
  #readDimension(message: FieldReader): number {
    let value = 1;
    this.#fields.each(message, (at) => {
      if (at.field === 1) value = this.#fields.integer(at);
      else if (at.field === 2) this.#fields.name(at);
    });
    return value === -1 ? 1 : value;
  }
}

interface DeclaredTensor {
  type: number;
  dims: number[];
}

/**
 * @throws InferenceError `MODEL_INVALID`, `MODEL_EXTERNAL_DATA`, `MODEL_OPERATOR_REFUSED`,
 *   `MODEL_TENSOR_TOO_LARGE`, `MODEL_TOO_LARGE`
 */
export function readModelGraph(
  bytes: Buffer,
  limits: GraphLimits = GRAPH_LIMITS,
  externalData: ExternalData = 'refused',
): ModelGraph {
  const reading = new GraphReading(bytes, limits, externalData);
  try {
    reading.readModel();
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw invalid(
      `the file is not an ONNX model: ${error.message} of ${bytes.length}`,
      'Copy or export the file once more; a text file in its place is often an unfetched Git LFS pointer.',
    );
  }
  if (!reading.hasGraph) throw invalid('the file is not an ONNX model: it holds no graph');
  return reading;
}
