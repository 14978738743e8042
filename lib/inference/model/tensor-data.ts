/**
 * The data fields of a TensorProto: whether they hold the numbers its shape declares, and the
 * numbers themselves where they are few. Data stays where it lies.
 */
import { FieldReader, WIRE } from '../../protobuf.ts';

/** A shape has a handful of numbers; of longer lists only the length matters to us. */
export const FEW = 64;

/** Bits of an element by `TensorProto.DataType`; strings (8) are counted on their own. */
// prettier-ignore
const ELEMENT_BITS: readonly number[] = [
  0, 32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8, 2, 2,
];
const [FLOAT, INT32, INT64, STRING, DOUBLE] = [1, 6, 7, 8, 11] as const;
/** TensorProto fields. */
const DATA = { float: 4, int32: 5, string: 6, int64: 7, raw: 9, double: 10, uint64: 11 } as const;

export function isElementType(type: number): boolean {
  return type === STRING || (ELEMENT_BITS[type] ?? 0) > 0;
}

/** A string is counted as the object that stands for it in memory. */
export function bytesOfElements(type: number, elements: number): number {
  return Math.ceil((elements * (type === STRING ? 256 : (ELEMENT_BITS[type] ?? 0))) / 8);
}

export function elementsOf(dims: readonly number[]): number {
  return dims.reduce((product, dimension) => product * dimension, 1);
}

export class TensorData {
  type = 0;
  #raw: { start: number; end: number } | undefined;
  #strings = 0;
  /** Bytes of the typed lists: four or eight for each number, one at least for a packed integer. */
  #floatBytes = 0;
  #doubleBytes = 0;
  #integerBytes = 0;
  readonly #numbers: number[] = [];

  /** Takes note of a field, if it is one of data. `bytes` are the file's. */
  hold(at: FieldReader, bytes: Buffer): void {
    const length = at.end - at.start;
    if (at.field === DATA.raw) this.#raw = { start: at.start, end: at.end };
    else if (at.field === DATA.string) this.#strings += 1;
    else if (at.field === DATA.float) this.#floatBytes += this.#list(at, bytes, length);
    else if (at.field === DATA.double) this.#doubleBytes += length;
    else if (at.field === DATA.int32 || at.field === DATA.int64 || at.field === DATA.uint64) {
      this.#integerBytes += this.#list(at, bytes, length);
    }
  }

  #list(at: FieldReader, bytes: Buffer, length: number): number {
    if (at.field === DATA.float) {
      for (let offset = at.start; offset + 4 <= at.end && this.#numbers.length < FEW; offset += 4) {
        this.#numbers.push(bytes.readFloatLE(offset));
      }
    } else if (at.wire === WIRE.varint) {
      if (this.#numbers.length < FEW) this.#numbers.push(at.value);
    } else {
      const packed = new FieldReader(bytes, at.start, at.end);
      while (this.#numbers.length < FEW && packed.nextPacked()) this.#numbers.push(packed.value);
    }
    return length;
  }

  /** What contradicts `elements`, to follow the tensor's name; undefined where nothing does. */
  mismatch(elements: number): string | undefined {
    const declared = bytesOfElements(this.type, elements);
    if (this.#raw !== undefined) {
      const held = this.#raw.end - this.#raw.start;
      return held === declared ? undefined : `declares ${declared} bytes and holds ${held}`;
    }
    const held = this.#heldAtMost();
    return elements <= held ? undefined : `declares ${elements} numbers and holds ${held} at most`;
  }

  /** Fewer may be there, as one integer can take ten bytes: ONNX Runtime counts them. */
  #heldAtMost(): number {
    if (this.type === STRING) return this.#strings;
    const bits = ELEMENT_BITS[this.type] ?? 0;
    // a complex number is two of the list; of four or two bits several share an integer
    const isComplex = this.type === 14 || this.type === 15;
    const floats = this.#floatBytes / 4 + this.#doubleBytes / 8;
    return Math.floor(isComplex ? floats / 2 : floats) + this.#integerBytes * (bits < 8 ? 8 / bits : 1);
  }

  /** The first `elements` numbers; undefined of types a shape or a range never has. */
  values(bytes: Buffer, elements: number): readonly number[] | undefined {
    if (this.#raw === undefined) return this.#numbers.slice(0, elements);
    const { start } = this.#raw;
    const at = (size: number): number[] => Array.from({ length: elements }, (_, i) => start + i * size);
    if (this.type === FLOAT) return at(4).map((offset) => bytes.readFloatLE(offset));
    if (this.type === DOUBLE) return at(8).map((offset) => bytes.readDoubleLE(offset));
    if (this.type === INT32) return at(4).map((offset) => bytes.readInt32LE(offset));
    if (this.type === INT64) return at(8).map((offset) => Number(bytes.readBigInt64LE(offset)));
    return undefined;
  }
}
