/**
 * A model file on its way to the host: read once, hashed, and looked at cheaply, so that the bytes
 * that were checked are the bytes that run and a wrong file is told apart from a broken graph.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { InferenceError } from './errors.ts';

export interface ModelSource {
  name: string;
  version: string;
  bytes: Buffer;
  /** `sha256:` and the hex SHA-256 of the bytes. */
  digest: string;
}

/** 512 MB: four times the largest graph that runs at line rate on a gateway's CPU. */
const MODEL_LIMIT_BYTES = 512 * 1024 * 1024;

function tooLarge(bytes: number, limit: number): InferenceError {
  return new InferenceError('MODEL_TOO_LARGE', `the model is ${bytes} bytes, the limit is ${limit}`);
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/**
 * Reads a model file once.
 *
 * @param version defaults to the first 12 digits of the digest
 * @throws InferenceError `MODEL_NOT_FOUND`, `MODEL_TOO_LARGE`
 */
export async function readModel(
  path: string,
  {
    name,
    version,
    limitBytes = MODEL_LIMIT_BYTES,
  }: { name?: string; version?: string; limitBytes?: number } = {},
): Promise<ModelSource> {
  let bytes: Buffer;
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > limitBytes) throw tooLarge(size, limitBytes);
    bytes = await file.readFile();
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    throw new InferenceError('MODEL_NOT_FOUND', `the model cannot be read: ${(error as Error).message}`, {
      hint: 'Check the path and that Node-RED may read the file.',
      cause: error,
    });
  }
  const digest = digestOf(bytes);
  return {
    name: name ?? basename(path, extname(path)),
    version: version ?? digest.slice('sha256:'.length, 'sha256:'.length + 12),
    bytes,
    digest,
  };
}

/** A base-128 number of the protobuf wire format; -1 where the bytes end first. */
function varint(bytes: Buffer, offset: number): { value: number; next: number } {
  let value = 0;
  let factor = 1;
  for (let i = offset; i < Math.min(offset + 10, bytes.length); i += 1) {
    const byte = bytes[i] as number;
    value += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte < 0x80) return { value, next: i + 1 };
  }
  return { value: -1, next: bytes.length };
}

/** Fields of `ModelProto` in onnx.proto3. */
const IR_VERSION = 1;
const GRAPH = 7;

/** The outermost fields of a protobuf message; null when the bytes are not one. */
function topLevelFields(bytes: Buffer): Set<number> | null {
  const fields = new Set<number>();
  let offset = 0;
  while (offset < bytes.length) {
    const { value: key, next } = varint(bytes, offset);
    const wireType = key % 8;
    fields.add(Math.floor(key / 8));
    const length = varint(bytes, next);
    if (key < 0) return null;
    if (wireType === 0 && length.value >= 0) offset = length.next;
    else if (wireType === 1) offset = next + 8;
    else if (wireType === 2 && length.value >= 0) offset = length.next + length.value;
    else if (wireType === 5) offset = next + 4;
    else return null;
  }
  return offset === bytes.length ? fields : null;
}

/**
 * The cheap look before the bytes go to the host: size and outer shape. Whether the graph is
 * sound is found out in the host, where it can break nothing but that process.
 *
 * @throws InferenceError `MODEL_TOO_LARGE`, `MODEL_INVALID`
 */
export function checkModel({ bytes }: ModelSource, limitBytes = MODEL_LIMIT_BYTES): void {
  if (bytes.length > limitBytes) throw tooLarge(bytes.length, limitBytes);
  const fields = topLevelFields(bytes);
  if (fields?.has(IR_VERSION) !== true || !fields.has(GRAPH)) {
    throw new InferenceError('MODEL_INVALID', 'the file is not an ONNX model', {
      hint: 'Export the model as one .onnx file; a text file in its place is often an unfetched Git LFS pointer.',
    });
  }
}
