/**
 * Files that are there whole or not at all, whatever moment the power fails: written beside their
 * place under a name that nobody reads, flushed, renamed, and the folder flushed.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AnomalyError } from './errors.ts';

/** Begins the names of what is being written; leftovers are found by it. */
export const DRAFT = '.draft-';

/** What a disk answers that cannot take what is written. */
const REFUSALS: Readonly<Record<string, string | undefined>> = {
  EACCES: 'Node-RED may not write there',
  EPERM: 'Node-RED may not write there',
  EROFS: 'it can only be read',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
  EFBIG: 'the file grew too large',
  EIO: 'the disk does not work',
  ENOTDIR: 'something on the way there is no folder',
};

/** An error of writing below `folder` as `MODELS_UNWRITABLE`; any other as it is. */
export function asWriteError(error: unknown, folder: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const why = typeof code === 'string' ? REFUSALS[code] : undefined;
  if (why === undefined) return error;
  return new AnomalyError(
    'MODELS_UNWRITABLE',
    `nothing can be written to ${folder}: ${why} (${code ?? ''})`,
    {
      hint: 'Make room on the disk and check who may write to the folder.',
      cause: error,
    },
  );
}

/** Throws `MODELS_UNWRITABLE`. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw asWriteError(error, folder);
  });
}

/** A rename survives a power cut only when the folder was flushed; not every system can. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Writes and flushes a new file of a draft. Throws `MODELS_UNWRITABLE`. */
export async function writeFlushed(file: string, content: string | Uint8Array): Promise<void> {
  try {
    const handle = await open(file, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw asWriteError(error, dirname(file));
  }
}

/** Writes or replaces a file at once; its folder must be there. Throws `MODELS_UNWRITABLE`. */
export async function writeDurably(file: string, content: string | Uint8Array): Promise<void> {
  const folder = dirname(file);
  const draft = join(folder, `${DRAFT}${randomUUID()}`);
  try {
    await writeFlushed(draft, content);
    await rename(draft, file);
    await flushFolder(folder);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw asWriteError(error, folder);
  }
}
