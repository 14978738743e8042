/** The pictures of a folder and of all folders in it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asCodedError, CodedError } from '../lib/errors.ts';
import { decodeRgb, type RgbImage } from '../lib/frame/decode.ts';
import { formatOf } from '../lib/frame/probe.ts';

const ENDINGS = /\.(jpe?g|png|webp|tiff?)$/i;

/**
 * Paths of at most `most` pictures, by name; of more, every so manieth, so that each folder is seen.
 *
 * @throws CodedError `PICTURES_MISSING`
 */
export async function picturesIn(folder: string, most: number): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new CodedError(
      'PICTURES_MISSING',
      `the folder ${folder} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  });
  const paths = entries
    .filter((entry) => entry.isFile() && ENDINGS.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (paths.length === 0) {
    throw new CodedError('PICTURES_MISSING', `there is no picture in ${folder}`, {
      hint: 'JPEG, PNG, WebP and TIFF are read, in the folder and the folders in it.',
    });
  }
  const step = Math.max(1, paths.length / most);
  return Array.from(
    { length: Math.min(most, paths.length) },
    (_, index) => paths[Math.floor(index * step)] as string,
  );
}

/** @throws CodedError `IMAGE_INVALID`, `IMAGE_TOO_LARGE`, with the path */
export async function readPicture(path: string): Promise<RgbImage> {
  const bytes = await readFile(path);
  const format = formatOf(bytes);
  if (format === undefined) throw new CodedError('IMAGE_INVALID', `${path} is no JPEG, PNG, WebP or TIFF`);
  try {
    return await decodeRgb(bytes, format);
  } catch (error) {
    const { code, message } = asCodedError(error, 'IMAGE_INVALID');
    throw new CodedError(code, `${path}: ${message}`, { cause: error });
  }
}
