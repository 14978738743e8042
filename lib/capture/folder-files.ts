/** What the folder source does with single files: find, read, put away. Nothing outside the folder is touched. */
import { copyFile, mkdir, open, readdir, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, parse, relative, resolve, sep } from 'node:path';
import { asCaptureError, CaptureError } from './errors.ts';

const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set(['.jpg', '.jpeg', '.jpe', '.png', '.webp']);
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
 * Image files below the folder, by name, as paths relative to it; without those below `except`.
 *
 * @throws CaptureError `FOLDER_UNREADABLE`
 */
export async function listImages(
  folder: string,
  { recursive, except }: { recursive: boolean; except: string | undefined },
): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && isImageFile(entry.name))
      .filter((entry) => except === undefined || !isInside(except, entry.parentPath))
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
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
}

/** The file as it is now; undefined when it is gone or is no regular file. */
export async function fileState(folder: string, file: string): Promise<FileState | undefined> {
  try {
    const { size, mtime, ino, birthtimeMs, isFile } = await stateOf(join(folder, file));
    return isFile ? { size, modified: mtime, identity: `${ino}-${birthtimeMs}` } : undefined;
  } catch {
    return undefined;
  }
}

async function stateOf(path: string) {
  const { size, mtime, ino, birthtimeMs, ...state } = await stat(path);
  return { size, mtime, ino, birthtimeMs, isFile: (state.mode & 0o170000) === 0o100000 };
}

/**
 * The bytes of one file below the folder.
 *
 * @throws CaptureError `IMAGE_INVALID` when it leads out of the folder, is too large or cannot be read
 */
export async function readInside(folder: string, file: string, maxBytes: number): Promise<Buffer> {
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, file));
    if (!isInside(root, path)) throw new CaptureError('IMAGE_INVALID', `${file} leads out of the folder`);
    if (!(await stateOf(path)).isFile) throw new CaptureError('IMAGE_INVALID', `${file} is not a file`);
    const handle = await open(path);
    try {
      const { size } = await handle.stat();
      if (size > maxBytes)
        throw new CaptureError('IMAGE_INVALID', `${file} is larger than ${maxBytes} bytes`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw asCaptureError(error, 'IMAGE_INVALID', `${file} cannot be read`);
  }
}

/** The folder for finished files; relative ones are meant below the watched folder. */
export function resolveDoneFolder(folder: string, doneFolder: string | undefined): string | undefined {
  return doneFolder === undefined ? undefined : resolve(folder, doneFolder);
}

/**
 * Moves a file into another folder, keeping its path below it, never replacing a file there.
 *
 * @throws CaptureError `FILE_NOT_MOVED`
 */
export async function putAway(folder: string, file: string, doneFolder: string): Promise<void> {
  const from = join(folder, file);
  try {
    const wanted = join(doneFolder, file);
    await mkdir(dirname(wanted), { recursive: true });
    const to = await freeName(wanted);
    try {
      await rename(from, to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      await copyFile(from, to);
      await unlink(from);
    }
  } catch (error) {
    throw new CaptureError('FILE_NOT_MOVED', `${file} could not be moved to ${doneFolder}`, {
      hint: 'The image was taken and will not be taken again in this run. Check the rights on both folders.',
      cause: error,
    });
  }
}

async function freeName(wanted: string): Promise<string> {
  const { dir, name, ext } = parse(wanted);
  for (let count = 0; ; count += 1) {
    const path = count === 0 ? wanted : join(dir, `${name}-${count}${ext}`);
    const taken = await stat(path).then(
      () => true,
      () => false,
    );
    if (!taken) return path;
  }
}
