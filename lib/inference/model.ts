/**
 * A model file on its way to the host: read once, hashed and scanned, so that the bytes that were
 * checked are the bytes that run.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { FieldReader, ProtobufError } from '../protobuf.ts';
import { InferenceError } from './errors.ts';
import { scanModel } from './model-scan.ts';

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
  return new InferenceError('MODEL_TOO_LARGE', `the model is ${bytes} bytes, the limit is ${limit}`, {
    hint: 'Use a smaller model, or quantise this one.',
  });
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

interface ReadOptions {
  /** Default: the file's name. */
  name?: string | undefined;
  /** Default: the first 12 digits of the digest. */
  version?: string | undefined;
  /** Refuses any other file, before its content is looked at. */
  digest?: string | undefined;
  limitBytes?: number;
}

/** Not through a link as the last step, and without waiting where somebody put a pipe; Windows has neither flag. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function notAllowed(what: string): InferenceError {
  return new InferenceError('MODEL_NOT_ALLOWED', `the model is ${what}`, {
    hint: 'Copy the file into the model folder. A link could lead to a file that is not meant to be read.',
  });
}

/** All of the file, if it is one of its own: the size is checked before a byte is read. */
async function readWhole(path: string, limitBytes: number): Promise<Buffer> {
  await using file = await open(path, OPEN_FLAGS);
  const status = await file.stat();
  if (!status.isFile()) throw new Error(`${path} is no file`);
  if (status.nlink > 1) throw notAllowed(`one of ${status.nlink} hard links to the same file`);
  if (status.size > limitBytes) throw tooLarge(status.size, limitBytes);
  const bytes = Buffer.allocUnsafeSlow(status.size);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length);
    if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
    length += bytesRead;
  }
  return bytes;
}

/**
 * Reads a model file once and scans it: what this resolves with may be sent to the host.
 *
 * @throws InferenceError `MODEL_NOT_FOUND`, `MODEL_NOT_ALLOWED`, `MODEL_TOO_LARGE`,
 *   `MODEL_DIGEST_MISMATCH`, and what `scanModel` throws
 */
export async function readModel(path: string, options: ReadOptions = {}): Promise<ModelSource> {
  let bytes: Buffer;
  try {
    bytes = await readWhole(path, options.limitBytes ?? MODEL_LIMIT_BYTES);
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw notAllowed('a symbolic link');
    throw new InferenceError('MODEL_NOT_FOUND', `the model cannot be read: ${(error as Error).message}`, {
      hint: 'Check the path and that Node-RED may read the file.',
      cause: error,
    });
  }
  const digest = digestOf(bytes);
  if (options.digest !== undefined && digest !== options.digest) {
    throw new InferenceError('MODEL_DIGEST_MISMATCH', `${path} is ${digest}, not ${options.digest}`, {
      hint: 'The file was changed. Bring back the one this digest belongs to.',
    });
  }
  scanModel(bytes);
  return {
    name: options.name ?? basename(path, extname(path)),
    version: options.version ?? digest.slice('sha256:'.length, 'sha256:'.length + 12),
    bytes,
    digest,
  };
}

/** Fields of `ModelProto` in onnx.proto3. */
const IR_VERSION = 1;
const GRAPH = 7;

/** The outermost fields of a protobuf message; empty when the bytes are not one. */
function topLevelFields(bytes: Buffer): Set<number> {
  const fields = new Set<number>();
  const reader = new FieldReader(bytes);
  try {
    while (reader.next()) fields.add(reader.field);
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    fields.clear();
  }
  return fields;
}

/**
 * The last, cheap look before bytes go to the host, whoever read them: size and outer shape. What
 * else is wrong with them can break nothing but that process.
 *
 * @throws InferenceError `MODEL_TOO_LARGE`, `MODEL_INVALID`
 */
export function checkModel({ bytes }: ModelSource, limitBytes = MODEL_LIMIT_BYTES): void {
  if (bytes.length > limitBytes) throw tooLarge(bytes.length, limitBytes);
  const fields = topLevelFields(bytes);
  if (!fields.has(IR_VERSION) || !fields.has(GRAPH)) {
    throw new InferenceError('MODEL_INVALID', 'the file is not an ONNX model', {
      hint: 'Export the model as one .onnx file; a text file in its place is often an unfetched Git LFS pointer.',
    });
  }
}
