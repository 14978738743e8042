/**
 * Whole files, hashed while they are read. One hash over 100 MB would hold the event loop for 60 ms to
 * 200 ms; slice by slice it holds it for one slice at a time.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { InferenceError } from './errors.ts';

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

/** The first `size` bytes of a file. */
export async function readHashed(file: FileHandle, size: number): Promise<HashedBytes> {
  const bytes = Buffer.allocUnsafeSlow(size);
  const hash = createHash('sha256');
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, Math.min(SLICE_BYTES, size - length), length);
    if (bytesRead === 0) throw new Error('the file became shorter while it was read');
    hash.update(bytes.subarray(length, length + bytesRead));
    length += bytesRead;
  }
  return { bytes, digest: `sha256:${hash.digest('hex')}` };
}
