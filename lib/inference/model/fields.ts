/**
 * The fields of an ONNX message, one after the other: each of the kind it must be, names that are
 * UTF-8, and never more of them than a limit, which bounds the time a file can take.
 */
import { isUtf8 } from 'node:buffer';
import { FieldReader, WIRE } from '../../protobuf.ts';
import { InferenceError, type InferenceErrorCode } from '../errors.ts';
import { FEW } from './tensor-data.ts';

/** torch.onnx makes names of a few hundred bytes from nested modules. */
const NAME_BYTES = 4096;

/** A name from the file, fit for one line of a message. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

export function refusal(code: InferenceErrorCode, message: string, hint: string): InferenceError {
  return new InferenceError(code, message, { hint });
}

const EXPORT_AGAIN = 'Export the model again; check it with onnx.checker.check_model.';

export function invalid(message: string, hint = EXPORT_AGAIN): InferenceError {
  return refusal('MODEL_INVALID', message, hint);
}

export class ModelFields {
  readonly bytes: Buffer;
  readonly #most: number;
  #count = 0;

  constructor(bytes: Buffer, most: number) {
    this.bytes = bytes;
    this.#most = most;
  }

  each(reader: FieldReader, visit: (at: FieldReader) => void): void {
    while (reader.next()) {
      this.#count += 1;
      if (this.#count > this.#most) {
        throw refusal(
          'MODEL_TOO_LARGE',
          `the model has more than ${this.#most} parts`,
          'Export it with its weights as raw data, as PyTorch and tf2onnx do.',
        );
      }
      visit(reader);
    }
  }

  message(at: FieldReader): FieldReader {
    if (at.wire !== WIRE.delimited) throw invalid(`field ${at.field} at byte ${at.start} is no message`);
    return new FieldReader(this.bytes, at.start, at.end);
  }

  /** A message that may be there once. */
  only(at: FieldReader, seen: Set<number>): FieldReader {
    if (seen.has(at.field)) throw invalid(`the message at byte ${at.start} is there a second time`);
    seen.add(at.field);
    return this.message(at);
  }

  integer(at: FieldReader): number {
    if (at.wire !== WIRE.varint) throw invalid(`field ${at.field} at byte ${at.start} is no integer`);
    return at.value;
  }

  name(at: FieldReader): string {
    if (at.wire !== WIRE.delimited) throw invalid(`field ${at.field} at byte ${at.start} is no text`);
    if (at.end - at.start > NAME_BYTES) throw invalid(`the name at byte ${at.start} is too long`);
    const name = this.bytes.toString('utf8', at.start, at.end);
    if (name.includes('\uFFFD') && !isUtf8(this.bytes.subarray(at.start, at.end))) {
      throw invalid(`the name at byte ${at.start} is not UTF-8`);
    }
    return name;
  }

  /** Adds the first few of integers that stand one by one or packed. */
  integers(at: FieldReader, values: number[]): void {
    if (at.wire === WIRE.varint) values.push(at.value);
    if (at.wire !== WIRE.delimited) return;
    const packed = new FieldReader(this.bytes, at.start, at.end);
    while (values.length <= FEW && packed.nextPacked()) values.push(packed.value);
  }

  floats(at: FieldReader, values: number[]): void {
    for (let offset = at.start; offset + 4 <= at.end && values.length <= FEW; offset += 4) {
      values.push(this.bytes.readFloatLE(offset));
    }
  }
}
