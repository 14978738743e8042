/** ValueInfoProto: the name, element type and shape of a tensor that enters or leaves a graph, or lies between. */
import { bytesField, integerField, type FieldReader } from '../protobuf.ts';
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

export interface Value {
  name: string;
  /** The whole message. */
  encoded: Encoded;
}

/** An open dimension has a name, which may be empty. */
export type Dimension = number | string;

export interface TensorType {
  /** `TensorProto.DataType`. */
  type: number;
  /** Undefined where the file leaves even their count open. */
  dims: readonly Dimension[] | undefined;
}

export function readValue(messages: Messages, reader: FieldReader, content: Uint8Array): Value {
  const value: Value = { name: '', encoded: [content] };
  messages.fields(reader, (at) => {
    if (isDelimited(at, 1)) value.name = messages.text(at);
    return true;
  });
  return value;
}

/** A tensor of this type and shape; of any shape where `dims` is undefined. */
export function makeValue(name: string, type: number, dims: readonly Dimension[] | undefined): Value {
  const dimensions = dims?.flatMap((dimension) =>
    embedded(1, typeof dimension === 'number' ? [integerField(1, dimension)] : textField(2, dimension)),
  );
  const tensorType = [integerField(1, type), ...(dimensions === undefined ? [] : embedded(2, dimensions))];
  return { name, encoded: [bytesField(1, name), ...embedded(2, embedded(1, tensorType))] };
}

/** Takes the type of a value apart; what is not a tensor is passed over. */
class TypeReading {
  readonly #messages: Messages;

  constructor(messages: Messages) {
    this.#messages = messages;
  }

  value(reader: FieldReader): TensorType | undefined {
    return this.#last(reader, 2, (type) => this.#last(type, 1, (tensor) => this.#tensor(tensor)));
  }

  /** What `read` makes of the last message in field `number`. */
  #last<Read>(reader: FieldReader, number: number, read: (at: FieldReader) => Read): Read | undefined {
    let result: Read | undefined;
    this.#messages.fields(reader, (at) => {
      if (isDelimited(at, number)) result = read(this.#messages.message(at));
      return true;
    });
    return result;
  }

  #tensor(reader: FieldReader): TensorType {
    const found = { type: 0, dims: undefined as Dimension[] | undefined };
    this.#messages.fields(reader, (at) => {
      if (isVarint(at, 1)) found.type = at.value;
      else if (isDelimited(at, 2)) found.dims = this.#shape(this.#messages.message(at));
      return true;
    });
    return found;
  }

  #shape(reader: FieldReader): Dimension[] {
    const dims: Dimension[] = [];
    this.#messages.fields(reader, (at) => {
      if (isDelimited(at, 1)) dims.push(this.#dimension(this.#messages.message(at)));
      return true;
    });
    return dims;
  }

  #dimension(reader: FieldReader): Dimension {
    let dimension: Dimension = '';
    this.#messages.fields(reader, (at) => {
      if (isVarint(at, 1)) dimension = at.value;
      else if (isDelimited(at, 2)) dimension = this.#messages.text(at);
      return true;
    });
    return dimension;
  }
}

/**
 * What is declared of the tensor; undefined of sequences, maps and optional values.
 *
 * @throws OnnxError `ONNX_INVALID`
 */
export function tensorTypeOf({ encoded }: Value): TensorType | undefined {
  const messages = new Messages(joined(encoded));
  return reading(() => new TypeReading(messages).value(messages.whole()));
}
