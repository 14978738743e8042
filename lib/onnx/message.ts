/**
 * Messages of an ONNX file as they are taken apart and put together again: what is known is read, the
 * rest is kept as it lies in the file, and content is a list of views until a file is written.
 */
import { isUtf8 } from 'node:buffer';
import { bytesField, bytesFieldHeader, FieldReader, ProtobufError, WIRE } from '../protobuf.ts';
import { OnnxError } from './errors.ts';

/** Bytes in pieces, one after the other. */
export type Encoded = readonly Uint8Array[];

/** As many as the scan of `lib/inference` lets pass; packed numbers count too. Bounds time and memory. */
export const MOST_PARTS = 1_000_000;

export function invalid(message: string): OnnxError {
  return new OnnxError('ONNX_INVALID', message, {
    hint: 'Export the model again; check it with onnx.checker.check_model.',
  });
}

/** Runs a read; what is no Protocol Buffers message becomes `ONNX_INVALID`. */
export function reading<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw invalid(`the file is not an ONNX model: ${error.message}`);
  }
}

export function joined(encoded: Encoded): Uint8Array {
  const [only] = encoded;
  return only !== undefined && encoded.length === 1 ? only : Buffer.concat(encoded);
}

/** Takes messages of one file apart. */
export class Messages {
  readonly bytes: Buffer;
  readonly #most: number;
  #count = 0;

  /** @param most fields and packed numbers that are read */
  constructor(bytes: Uint8Array, most = MOST_PARTS) {
    this.#most = most;
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Shows each field to `take`; gives back the fields it answered false for, untouched and in their order. */
  fields(reader: FieldReader, take: (at: FieldReader) => boolean): Uint8Array[] {
    const rest: Uint8Array[] = [];
    let [before, restFrom] = [reader.end, -1];
    while (reader.next()) {
      this.#countOne();
      if (!take(reader)) {
        if (restFrom < 0) restFrom = before;
      } else if (restFrom >= 0) {
        rest.push(this.bytes.subarray(restFrom, before));
        restFrom = -1;
      }
      before = reader.end;
    }
    if (restFrom >= 0) rest.push(this.bytes.subarray(restFrom, before));
    return rest;
  }

  #countOne(): void {
    this.#count += 1;
    if (this.#count <= this.#most) return;
    throw new OnnxError('ONNX_TOO_LARGE', `the model has more than ${this.#most} parts`, {
      hint: 'Export it with its weights as raw data, as PyTorch and tf2onnx do.',
    });
  }

  whole(): FieldReader {
    return new FieldReader(this.bytes);
  }

  message(at: FieldReader): FieldReader {
    return new FieldReader(this.bytes, at.start, at.end);
  }

  view(at: FieldReader): Uint8Array {
    return this.bytes.subarray(at.start, at.end);
  }

  text(at: FieldReader): string {
    const text = this.bytes.toString('utf8', at.start, at.end);
    if (text.includes('\uFFFD') && !isUtf8(this.view(at))) {
      throw invalid(`the name at byte ${at.start} is not UTF-8`);
    }
    return text;
  }

  /** Adds integers that stand one by one or packed; false where the field holds none. */
  integers(at: FieldReader, values: number[]): boolean {
    if (at.wire === WIRE.varint) values.push(at.value);
    else if (at.wire === WIRE.delimited) {
      const packed = this.message(at);
      while (packed.nextPacked()) {
        this.#countOne();
        values.push(packed.value);
      }
    } else return false;
    return true;
  }

  /** Adds floats that stand one by one or packed; false where the field holds none. */
  floats(at: FieldReader, values: number[]): boolean {
    if (at.wire !== WIRE.delimited && at.wire !== WIRE.fixed32) return false;
    for (let offset = at.start; offset + 4 <= at.end; offset += 4) {
      this.#countOne();
      values.push(this.bytes.readFloatLE(offset));
    }
    return true;
  }
}

/** True for field `number` where it holds a message, a text or bytes. */
export function isDelimited(at: FieldReader, number: number): boolean {
  return at.field === number && at.wire === WIRE.delimited;
}

export function isVarint(at: FieldReader, number: number): boolean {
  return at.field === number && at.wire === WIRE.varint;
}

/** A field with this content, which is not copied. */
export function embedded(field: number, content: Encoded): Encoded {
  const length = content.reduce((sum, piece) => sum + piece.length, 0);
  return [bytesFieldHeader(field, length), ...content];
}

/** A text field; an empty text is what readers take for an absent one, so nothing is written. */
export function textField(field: number, text: string): Encoded {
  return text === '' ? [] : [bytesField(field, text)];
}
