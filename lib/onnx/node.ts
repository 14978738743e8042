/**
 * NodeProto: one operator with its named inputs, outputs and attributes. Attributes stay as they are in
 * the file until somebody asks for one; a graph within an attribute is never entered.
 */
import { bytesField, floatField, integerField, WIRE, type FieldReader } from '../protobuf.ts';
import {
  embedded,
  isDelimited,
  isVarint,
  joined,
  Messages,
  reading,
  textField,
  type Encoded,
} from './message.ts';
import { encodeTensor, readTensor, type Tensor } from './tensor.ts';

export interface Attribute {
  name: string;
  /** The whole message. */
  encoded: Encoded;
}

export interface Node {
  /** May be empty. */
  name: string;
  operator: string;
  /** '' is the standard's. */
  domain: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: readonly Attribute[];
  /** All other fields as they were. */
  rest: Encoded;
}

/** `AttributeProto.AttributeType` of what we write. */
const ATTRIBUTE = { float: 1, integer: 2, text: 3, tensor: 4, integers: 7 } as const;
const TYPE_FIELD = 20;

export function readNode(messages: Messages, reader: FieldReader): Node {
  const [inputs, outputs, attributes]: [string[], string[], Attribute[]] = [[], [], []];
  const node: Node = { name: '', operator: '', domain: '', inputs, outputs, attributes, rest: [] };
  node.rest = messages.fields(reader, (at) => {
    if (isDelimited(at, 1)) inputs.push(messages.text(at));
    else if (isDelimited(at, 2)) outputs.push(messages.text(at));
    else if (isDelimited(at, 3)) node.name = messages.text(at);
    else if (isDelimited(at, 4)) node.operator = messages.text(at);
    else if (isDelimited(at, 5)) attributes.push(readAttribute(messages, at));
    else if (isDelimited(at, 7)) node.domain = messages.text(at);
    else return false;
    return true;
  });
  return node;
}

function readAttribute(messages: Messages, at: FieldReader): Attribute {
  const attribute: Attribute = { name: '', encoded: [messages.view(at)] };
  messages.fields(messages.message(at), (field) => {
    if (isDelimited(field, 1)) attribute.name = messages.text(field);
    return true;
  });
  return attribute;
}

export function encodeNode({ name, operator, domain, inputs, outputs, attributes, rest }: Node): Encoded {
  return [
    // an absent optional input is an empty name, which must stay in its place
    ...inputs.map((input) => bytesField(1, input)),
    ...outputs.map((output) => bytesField(2, output)),
    ...textField(3, name),
    ...textField(4, operator),
    ...attributes.flatMap(({ encoded }) => embedded(5, encoded)),
    ...textField(7, domain),
    ...rest,
  ];
}

/** Whole numbers become `i`, lists of them `ints`, texts `s`, constants `t`; a float says so. */
export type AttributeValue = number | readonly number[] | string | Tensor | { float: number };

export function makeAttribute(name: string, value: AttributeValue): Attribute {
  return { name, encoded: [bytesField(1, name), ...encodeValue(value)] };
}

function encodeValue(value: AttributeValue): Encoded {
  const type = (of: number): Uint8Array => integerField(TYPE_FIELD, of);
  if (typeof value === 'number') return [integerField(3, value), type(ATTRIBUTE.integer)];
  if (typeof value === 'string') return [bytesField(4, value), type(ATTRIBUTE.text)];
  if ('dims' in value) return [...embedded(5, encodeTensor(value)), type(ATTRIBUTE.tensor)];
  if ('float' in value) return [floatField(2, value.float), type(ATTRIBUTE.float)];
  return [...value.map((item) => integerField(8, item)), type(ATTRIBUTE.integers)];
}

export interface NewNode {
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, AttributeValue>>;
  name?: string;
  domain?: string;
}

export function makeNode({
  operator,
  inputs,
  outputs,
  attributes = {},
  name = '',
  domain = '',
}: NewNode): Node {
  return {
    name,
    operator,
    domain,
    inputs,
    outputs,
    attributes: Object.entries(attributes).map(([key, value]) => makeAttribute(key, value)),
    rest: [],
  };
}

/** A Constant node: unlike an initializer it is never also an input, in every version of the format. */
export function makeConstant(tensor: Tensor): Node {
  return makeNode({
    operator: 'Constant',
    inputs: [],
    outputs: [tensor.name],
    attributes: { value: { ...tensor, name: '' } },
  });
}

/** What an attribute holds. */
interface AttributeContent {
  float: number | undefined;
  integer: number | undefined;
  text: string | undefined;
  tensor: Tensor | undefined;
  floats: readonly number[];
  /** Beyond 2^53 only near. */
  integers: readonly number[];
  hasGraph: boolean;
}

function contentOf({ encoded }: Attribute): AttributeContent {
  const messages = new Messages(joined(encoded));
  const floats: number[] = [];
  const integers: number[] = [];
  const content: AttributeContent = {
    float: undefined,
    integer: undefined,
    text: undefined,
    tensor: undefined,
    floats,
    integers,
    hasGraph: false,
  };
  messages.fields(messages.whole(), (at) => {
    if (at.field === 2 && at.wire === WIRE.fixed32) content.float = messages.bytes.readFloatLE(at.start);
    else if (isVarint(at, 3)) content.integer = at.value;
    else if (isDelimited(at, 4)) content.text = messages.text(at);
    else if (isDelimited(at, 5)) content.tensor = readTensor(messages, messages.message(at));
    else if (at.field === 6 || at.field === 11) content.hasGraph = true;
    else if (at.field === 7) messages.floats(at, floats);
    else if (at.field === 8) messages.integers(at, integers);
    return true;
  });
  return content;
}

/**
 * Undefined where the node has no such attribute.
 *
 * @throws OnnxError `ONNX_INVALID`
 */
export function attributeOf(node: Node, name: string): AttributeContent | undefined {
  const attribute = node.attributes.find((candidate) => candidate.name === name);
  return attribute === undefined ? undefined : reading(() => contentOf(attribute));
}

/** True for an operator of the ONNX standard. */
export function isStandard({ domain }: Node): boolean {
  return domain === '' || domain === 'ai.onnx';
}

export function withoutAttributes(node: Node, ...names: string[]): Node {
  return { ...node, attributes: node.attributes.filter(({ name }) => !names.includes(name)) };
}

/** True where an attribute is a graph, which may use names of the graph around it. */
export function hasSubgraph(node: Node): boolean {
  return node.attributes.some((attribute) => reading(() => contentOf(attribute)).hasGraph);
}
