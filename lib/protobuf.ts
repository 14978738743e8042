/** Writes and reads fields of Protocol Buffers messages (protobuf.dev, "Encoding"); a message is its fields one after the other. */

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  // Negative numbers travel as their 64 bit two's complement, ten bytes long.
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

export function integerField(field: number, value: number | bigint): Buffer {
  return Buffer.concat([varint((field << 3) | VARINT), varint(value)]);
}

/** What stands before the content of a field of `length` bytes, so that large content need not be copied. */
export function bytesFieldHeader(field: number, length: number): Buffer {
  return Buffer.concat([varint((field << 3) | LENGTH_DELIMITED), varint(length)]);
}

export function bytesField(field: number, content: Uint8Array | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return Buffer.concat([bytesFieldHeader(field, bytes.length), bytes]);
}

export function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | FIXED32), bytes]);
}

/** The bytes are not a Protocol Buffers message; `offset` is where that shows. */
export class ProtobufError extends Error {
  readonly offset: number;

  constructor(what: string, offset: number) {
    super(`${what} at byte ${offset}`);
    this.name = 'ProtobufError';
    this.offset = offset;
  }
}

/** Wire types of the "Encoding" page. Groups (3 and 4) are long deprecated and refused. */
export const WIRE = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 } as const;

/**
 * Walks the fields of one message in place: nothing is copied, and a field's content is passed over
 * by its length. `next()` moves on; `field`, `wire` and, by wire type, `value` or `start` and `end`
 * then describe the field it stands on.
 */
export class FieldReader {
  readonly bytes: Uint8Array;
  field = 0;
  wire = 0;
  /** Of a varint, as a signed 64 bit number; beyond 2^53 it is only near. */
  value = 0;
  /** Where the content lies; of a varint, its own bytes. */
  start: number;
  end: number;
  readonly #limit: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.start = start;
    this.end = start;
    this.#limit = end;
  }

  /** The next field; false at the end of the message. Throws ProtobufError. */
  next(): boolean {
    const from = this.end;
    if (from === this.#limit) return false;
    const key = this.#varint(from);
    this.field = Math.floor(key / 8);
    if (key < 8 || key >= 2 ** 32) throw new ProtobufError('there is no valid field', from);
    this.wire = key % 8;
    this.start = this.end;
    if (this.wire === WIRE.varint) this.value = this.#varint(this.start);
    else if (this.wire === WIRE.fixed64) this.end += 8;
    else if (this.wire === WIRE.fixed32) this.end += 4;
    else if (this.wire === WIRE.delimited) this.#enter();
    else throw new ProtobufError(`there is a field of the unknown wire type ${this.wire}`, from);
    if (this.end > this.#limit) throw new ProtobufError('a field is cut off', from);
    return true;
  }

  /** The next number where numbers follow each other without keys (a packed field); false at the end. */
  nextPacked(): boolean {
    if (this.end === this.#limit) return false;
    this.start = this.end;
    this.value = this.#varint(this.start);
    return true;
  }

  #enter(): void {
    const length = this.#varint(this.start);
    if (length < 0) throw new ProtobufError('there is a field of negative length', this.start);
    this.start = this.end;
    this.end += length;
  }

  /** Reads the number at `offset` and leaves `end` behind it. */
  #varint(offset: number): number {
    // 28 low and 36 high bits: both stay exact in a double
    let low = 0;
    let high = 0;
    let factor = 1;
    for (let i = 0; i < 10; i += 1) {
      if (offset + i >= this.#limit) throw new ProtobufError('a field is cut off', offset);
      const byte = this.bytes[offset + i] as number;
      if (i === 4) factor = 1;
      if (i < 4) low += (byte & 0x7f) * factor;
      else high += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) {
        this.end = offset + i + 1;
        high %= 2 ** 36;
        return (high >= 2 ** 35 ? high - 2 ** 36 : high) * 2 ** 28 + low;
      }
    }
    throw new ProtobufError('there is a number of more than ten bytes', offset);
  }
}
