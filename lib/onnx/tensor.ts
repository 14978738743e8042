/**
 * TensorProto: a constant of a graph. Its numbers stay in the file, as a view, until somebody asks
 * for them. Raw data is little-endian by definition of the format, as every machine we run on is.
 *
 * Field numbers are those of `onnx.proto` (github.com/onnx/onnx, IR version 13).
 */
import { bytesFieldHeader, integerField, type FieldReader } from '../protobuf.ts';
import {
  invalid,
  isDelimited,
  isVarint,
  joined,
  Messages,
  MOST_PARTS,
  reading,
  textField,
  type Encoded,
} from './message.ts';

/** `TensorProto.DataType` of what we write or compute with. */
export const TYPE = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;

export interface Tensor {
  name: string;
  /** `TensorProto.DataType`. */
  type: number;
  dims: readonly number[];
  /** The numbers as bytes; undefined where the file lists them one by one, in `rest`. */
  raw: Uint8Array | undefined;
  /** All other fields as they were. */
  rest: Encoded;
}

const FIELD = { dims: 1, type: 2, floats: 4, int32s: 5, int64s: 7, name: 8, raw: 9 } as const;

export function readTensor(messages: Messages, reader: FieldReader): Tensor {
  const dims: number[] = [];
  const tensor: Tensor = { name: '', type: 0, dims, raw: undefined, rest: [] };
  tensor.rest = messages.fields(reader, (at) => {
    if (at.field === FIELD.dims) return messages.integers(at, dims);
    if (isVarint(at, FIELD.type)) tensor.type = at.value;
    else if (isDelimited(at, FIELD.name)) tensor.name = messages.text(at);
    else if (isDelimited(at, FIELD.raw)) tensor.raw = messages.view(at);
    else return false;
    return true;
  });
  return tensor;
}

export function encodeTensor({ name, type, dims, raw, rest }: Tensor): Encoded {
  return [
    ...dims.map((dimension) => integerField(FIELD.dims, dimension)),
    integerField(FIELD.type, type),
    ...textField(FIELD.name, name),
    ...(raw === undefined ? [] : [bytesFieldHeader(FIELD.raw, raw.length), raw]),
    ...rest,
  ];
}

type Numbers = Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array;

function typeOf(numbers: Numbers): number {
  if (numbers instanceof Float32Array) return TYPE.float;
  if (numbers instanceof Int8Array) return TYPE.int8;
  if (numbers instanceof Int32Array) return TYPE.int32;
  return numbers instanceof BigInt64Array ? TYPE.int64 : TYPE.uint8;
}

/** A constant of the numbers' own type; they are not copied. */
export function makeTensor(name: string, dims: readonly number[], numbers: Numbers): Tensor {
  const raw = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return { name, type: typeOf(numbers), dims, raw, rest: [] };
}

/** Of axes, shapes, counts. */
export function makeIntegers(name: string, values: readonly number[]): Tensor {
  return makeTensor(name, [values.length], BigInt64Array.from(values, BigInt));
}

function elementsOf({ dims }: Tensor): number {
  return dims.reduce((product, dimension) => product * dimension, 1);
}

/** Raw data where it can be seen as numbers of `size` bytes: views of a file begin anywhere. */
function aligned(raw: Uint8Array, size: number): Uint8Array {
  return raw.byteOffset % size === 0 ? raw : Uint8Array.from(raw);
}

function counted<List extends ArrayLike<number>>(tensor: Tensor, numbers: List): List {
  if (numbers.length === elementsOf(tensor)) return numbers;
  throw invalid(
    `the tensor '${tensor.name}' declares ${elementsOf(tensor)} numbers and holds ${numbers.length}`,
  );
}

/**
 * The numbers of a float32 tensor in row-major order; undefined of another type.
 *
 * @throws OnnxError `ONNX_INVALID` where their count is not that of the dimensions
 */
export function floatsOf(tensor: Tensor): Float32Array | undefined {
  if (tensor.type !== TYPE.float) return undefined;
  if (tensor.raw !== undefined) {
    const raw = aligned(tensor.raw, 4);
    return counted(tensor, new Float32Array(raw.buffer, raw.byteOffset, raw.byteLength >> 2));
  }
  const values: number[] = [];
  // weights may be listed one by one
  const messages = new Messages(joined(tensor.rest), MOST_PARTS + elementsOf(tensor));
  reading(() =>
    messages.fields(messages.whole(), (at) => at.field === FIELD.floats && messages.floats(at, values)),
  );
  return counted(tensor, Float32Array.from(values));
}

/**
 * The numbers of an int32 or int64 tensor; undefined of another type. Beyond 2^53 only near.
 *
 * @throws OnnxError `ONNX_INVALID` where their count is not that of the dimensions
 */
export function integersOf(tensor: Tensor): readonly number[] | undefined {
  const { type, raw } = tensor;
  if (type !== TYPE.int32 && type !== TYPE.int64) return undefined;
  if (raw !== undefined) {
    const size = type === TYPE.int32 ? 4 : 8;
    const { buffer, byteOffset, byteLength } = aligned(raw, size);
    const numbers =
      type === TYPE.int32
        ? [...new Int32Array(buffer, byteOffset, byteLength >> 2)]
        : Array.from(new BigInt64Array(buffer, byteOffset, byteLength >> 3), Number);
    return counted(tensor, numbers);
  }
  const values: number[] = [];
  const field = type === TYPE.int32 ? FIELD.int32s : FIELD.int64s;
  const messages = new Messages(joined(tensor.rest));
  reading(() =>
    messages.fields(messages.whole(), (at) => at.field === field && messages.integers(at, values)),
  );
  return counted(tensor, values);
}
