/** What the folder source does with single files: find, read, put away. Nothing outside the folder is touched. */
import {
  constants,
  copyFile,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  stat,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, parse, relative, resolve, sep } from 'node:path';
import { pictureMemory } from '../frame/picture-memory.ts';
import { asCaptureError, CaptureError } from './errors.ts';

const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set([
  '.jpg',
  '.jpeg',
  '.jpe',
  '.png',
  '.webp',
  '.tif',
  '.tiff',
]);
/** People number files without leading zeros: 9 comes before 10. */
const byName = new Intl.Collator('en', { numeric: true });

export function isImageFile(name: string): boolean {
  return IMAGE_EXTENSIONS.has(extname(name).toLowerCase()) && !basename(name).startsWith('.');
}

export function compareNames(a: string, b: string): number {
  return byName.compare(a, b) || (a < b ? -1 : 1);
}

/** True when `path` is `folder` or below it; both absolute. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || !(way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way));
}

/**
 * What a producer appends to the name of an image for the file that says "this image is done".
 *
 * @throws CaptureError `FOLDER_UNREADABLE` when it can be no such ending
 */
export function doneMarkerOf(text: string): string {
  const marker = text.trim();
  if (marker.includes('/') || marker.includes('\\') || isImageFile(`image${marker}`)) {
    throw new CaptureError('FOLDER_UNREADABLE', 'the done marker must be the end of a file name, like .done');
  }
  return marker;
}

/**
 * Image files below the folder, by name, as paths relative to it; without those below `except`, and
 * where there is a `marker` only those that have theirs.
 *
 * @throws CaptureError `FOLDER_UNREADABLE`
 */
export async function listImages(
  folder: string,
  { recursive, except, marker }: { recursive: boolean; except: string | undefined; marker: string },
): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive, withFileTypes: true });
    const files = entries
      .filter((entry) => !entry.isDirectory())
      .filter((entry) => except === undefined || !isInside(except, entry.parentPath))
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
    const present = new Set(marker === '' ? [] : files);
    return files
      .filter((file) => isImageFile(file) && (marker === '' || present.has(`${file}${marker}`)))
      .sort(compareNames);
  } catch (error) {
    throw new CaptureError('FOLDER_UNREADABLE', `the folder ${folder} cannot be read`, {
      hint: 'Check that the folder is there (is the share mounted?) and that the user Node-RED runs as may read it.',
      cause: error,
    });
  }
}

export interface FileState {
  size: number;
  modified: Date;
  /** Tells a file from another one that took its name. */
  identity: string;
  /** Changes when the file is written to. */
  version: string;
}

/** The file as it is now; undefined when it is gone or is no regular file. */
export async function fileState(folder: string, file: string): Promise<FileState | undefined> {
  try {
    const { size, mtime, mtimeMs, ino, birthtimeMs, isFile } = await stateOf(join(folder, file));
    if (!isFile) return undefined;
    const identity = `${ino}-${birthtimeMs}`;
    return { size, modified: mtime, identity, version: `${identity}-${size}-${mtimeMs}` };
  } catch {
    return undefined;
  }
}

async function stateOf(path: string) {
  const { size, mtime, mtimeMs, ino, birthtimeMs, ...state } = await stat(path);
  return { size, mtime, mtimeMs, ino, birthtimeMs, isFile: (state.mode & 0o170000) === 0o100000 };
}

/**
 * The bytes of one file below the folder.
 *
 * @throws CaptureError `IMAGE_INVALID` when it leads out of the folder, is too large or cannot be read
 */
export async function readInside(folder: string, file: string, maxBytes: number): Promise<Buffer> {
  try {
    // one after the other: on a share that hangs each holds a thread
    const root = await realpath(folder);
    const path = await realpath(join(root, file));
    if (!isInside(root, path)) throw new CaptureError('IMAGE_INVALID', `${file} leads out of the folder`);
    return (await readWhole(path, { what: file, maxBytes })).bytes;
  } catch (error) {
    throw asCaptureError(error, 'IMAGE_INVALID', `${file} cannot be read`);
  }
}

/** Reads until the buffer is full or the file ends; file systems of a network give less at a time. */
async function fill(bytes: Buffer, handle: FileHandle): Promise<number> {
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

/**
 * The bytes of a regular file, and when they were written. A pipe or a device would never end. What is
 * renamed over the file meanwhile does not matter; what is written into it does.
 *
 * @throws CaptureError `IMAGE_INVALID` when it is no file or too large, `IMAGE_TRUNCATED` when it was written to
 *   meanwhile: half of it may be the picture before; else what the file system says
 */
export async function readWhole(
  path: string,
  { what, maxBytes }: { what: string; maxBytes: number },
): Promise<{ bytes: Buffer; modified: Date }> {
  // a pipe would keep an ordinary open waiting for a writer
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const state = await handle.stat();
    if (!state.isFile()) throw new CaptureError('IMAGE_INVALID', `${what} is not a file`);
    const { size, mtime, mtimeMs } = state;
    if (size > maxBytes) throw new CaptureError('IMAGE_INVALID', `${what} is larger than ${maxBytes} bytes`);
    const bytes = pictureMemory(size);
    const length = await fill(bytes, handle);
    const after = await handle.stat();
    if (after.mtimeMs === mtimeMs && after.size === size && length === size)
      return { bytes, modified: mtime };
    throw new CaptureError('IMAGE_TRUNCATED', `${what} was written to while it was read`);
  } finally {
    await handle.close();
  }
}

/** The folder for finished files; relative ones are meant below the watched folder. */
export function resolveDoneFolder(folder: string, doneFolder: string | undefined): string | undefined {
  return doneFolder === undefined ? undefined : resolve(folder, doneFolder);
}

/**
 * Moves a file, and the marker beside it, into another folder, keeping its path below it, never
 * replacing a file there. The marker goes first: left behind it would vouch for the next file of that name.
 *
 * @throws CaptureError `FILE_NOT_MOVED`
 */
export async function putAway(
  folder: string,
  file: string,
  { doneFolder, marker }: { doneFolder: string; marker: string },
): Promise<void> {
  try {
    const wanted = join(doneFolder, file);
    await mkdir(dirname(wanted), { recursive: true });
    const to = await freeName(wanted);
    const from = join(folder, file);
    if (marker !== '' && (await exists(`${from}${marker}`))) await move(`${from}${marker}`, `${to}${marker}`);
    await move(from, to);
  } catch (error) {
    throw new CaptureError('FILE_NOT_MOVED', `${file} could not be moved to ${doneFolder}`, {
      hint: 'The image was taken and will not be taken again in this run. Check the rights on both folders.',
      cause: error,
    });
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to);
    await unlink(from);
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function freeName(wanted: string): Promise<string> {
  const { dir, name, ext } = parse(wanted);
  for (let count = 0; ; count += 1) {
    const path = count === 0 ? wanted : join(dir, `${name}-${count}${ext}`);
    if (!(await exists(path))) return path;
  }
}
