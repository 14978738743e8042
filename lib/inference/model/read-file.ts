/**
 * Whole files, hashed while they are read: one hash over 100 MB would hold the event loop for 57 ms,
 * slice by slice it holds it for 0.6 ms at a time (measured on a core with SHA instructions, Node 24).
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { InferenceError } from '../errors.ts';

export interface HashedBytes {
  bytes: Buffer;
  /** `sha256:` and the hex SHA-256 of the bytes. */
  digest: string;
}

/** Read and hashed in one go. */
export const SLICE_BYTES = 1024 ** 2;

/** Not through a link as the last step, and without waiting where somebody put a pipe; Windows has neither flag. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export function notAllowed(what: string): InferenceError {
  return new InferenceError('MODEL_NOT_ALLOWED', `the model is ${what}`, {
    hint: 'Copy the file into the model folder. A link could lead to a file that is not meant to be read.',
  });
}

export function tooLarge(bytes: number, limit: number): InferenceError {
  return new InferenceError('MODEL_TOO_LARGE', `the model is ${bytes} bytes, the limit is ${limit}`, {
    hint: 'Use a smaller model, or quantise this one.',
  });
}

interface OwnFile extends AsyncDisposable {
  file: FileHandle;
  /** Bytes. */
  size: number;
}

/**
 * Opens a file that has no other name. To be closed by whoever opens it.
 *
 * @throws InferenceError `MODEL_NOT_ALLOWED` for links; errors of the system
 */
export async function openOwn(path: string): Promise<OwnFile> {
  const file = await open(path, OPEN_FLAGS).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw notAllowed('a symbolic link');
    throw error;
  });
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new Error(`${path} is no file`);
    if (status.nlink > 1) throw notAllowed(`one of ${status.nlink} hard links to the same file`);
    return { file, size: status.size, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** `size` bytes of a file from `offset` on, each slice shown to `look` as it comes. */
export async function readBytes(
  file: FileHandle,
  size: number,
  { offset = 0, look }: { offset?: number; look?: (slice: Buffer) => void } = {},
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(
      bytes,
      length,
      Math.min(SLICE_BYTES, size - length),
      offset + length,
    );
    if (bytesRead === 0) throw new Error('the file ends too soon');
    look?.(bytes.subarray(length, length + bytesRead));
    length += bytesRead;
  }
  return bytes;
}

/** The first `size` bytes of a file. */
export async function readHashed(file: FileHandle, size: number): Promise<HashedBytes> {
  const hash = createHash('sha256');
  const bytes = await readBytes(file, size, { look: (slice) => hash.update(slice) });
  return { bytes, digest: `sha256:${hash.digest('hex')}` };
}
