/**
 * A model on its way to the host: a bare `.onnx`, or a bundle as a folder or a zip. Read once, hashed and
 * scanned, so that the bytes that were checked are the bytes that run.
 */
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { FieldReader, ProtobufError } from '../../protobuf.ts';
import { EXTRA_LIMIT_BYTES, readBundle, type Bundle } from '../bundle/bundle.ts';
import type { BundleFiles } from '../bundle/files.ts';
import { openFolder } from '../bundle/folder.ts';
import { checkOutputs } from '../bundle/outputs.ts';
import { isZip, openZip } from '../bundle/zip.ts';
import { InferenceError } from '../errors.ts';
import { scanModel } from './scan.ts';
import { notAllowed, openOwn, readHashed, tooLarge } from './read-file.ts';

export interface ModelSource {
  name: string;
  version: string;
  /** The ONNX graph with all its weights. */
  bytes: Buffer;
  /** `sha256:` and the hex SHA-256 of the bytes; of a bundle, of its manifest in canonical JSON. */
  digest: string;
  /** What came with the graph. */
  bundle?: Bundle;
}

/** 512 MB: four times the largest graph that runs at line rate on a gateway's CPU. */
const MODEL_LIMIT_BYTES = 512 * 1024 * 1024;

/** Of few bytes: it holds the event loop for 0.6 ms a megabyte and more. */
export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

interface ReadOptions {
  /** Default: of a bundle its own, else the file's. */
  name?: string | undefined;
  /** Default: of a bundle its own, else the first 12 digits of the digest. */
  version?: string | undefined;
  /** Refuses any other model, of a bundle before more than its manifest is read. */
  digest?: string | undefined;
  limitBytes?: number;
}

type Limited = Omit<ReadOptions, 'limitBytes'> & { limitBytes: number };

async function readBundled(files: BundleFiles, options: Limited): Promise<ModelSource> {
  const { limitBytes, digest: wanted } = options;
  const { manifest, golden, bytes, digest } = await readBundle(files, {
    modelLimitBytes: limitBytes,
    digest: wanted,
  });
  checkOutputs(scanModel(bytes), manifest);
  const { name, version } = manifest;
  return {
    name: options.name ?? name,
    version: options.version ?? version,
    bytes,
    digest,
    bundle: { manifest, golden },
  };
}

async function readFile(path: string, options: Limited): Promise<ModelSource> {
  const { limitBytes, digest: wanted } = options;
  await using opened = await openOwn(path);
  const { file, size } = opened;
  const { buffer: start, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
  if (isZip(start.subarray(0, bytesRead))) {
    return await readBundled(await openZip(file, size, limitBytes + EXTRA_LIMIT_BYTES), options);
  }
  if (size > limitBytes) throw tooLarge(size, limitBytes);
  const { bytes, digest } = await readHashed(file, size);
  if (wanted !== undefined && digest !== wanted) {
    throw new InferenceError('MODEL_DIGEST_MISMATCH', `${path} is ${digest}, not ${wanted}`, {
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

/**
 * Reads a model once and scans it: what this resolves with may be sent to the host. A file that begins
 * as a zip is read as a bundle, whatever its name. Reading, hashing and inflating give way to other work
 * after each megabyte; the scan does not.
 *
 * @throws InferenceError `MODEL_NOT_FOUND`, `MODEL_NOT_ALLOWED`, `MODEL_TOO_LARGE`,
 *   `MODEL_DIGEST_MISMATCH`, `BUNDLE_INVALID`, `BUNDLE_TOO_LARGE`, and what `scanModel` throws
 */
export async function readModel(path: string, options: ReadOptions = {}): Promise<ModelSource> {
  const limited = { ...options, limitBytes: options.limitBytes ?? MODEL_LIMIT_BYTES };
  try {
    const status = await lstat(path);
    if (status.isSymbolicLink()) throw notAllowed('a symbolic link');
    if (!status.isDirectory()) return await readFile(path, limited);
    return await readBundled(await openFolder(path, limited.limitBytes + EXTRA_LIMIT_BYTES), limited);
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    throw new InferenceError('MODEL_NOT_FOUND', `the model cannot be read: ${(error as Error).message}`, {
      hint: 'Check the path and that Node-RED may read the file.',
      cause: error,
    });
  }
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
