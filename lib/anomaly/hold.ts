/** One at a time: who makes a version of a model, or collects parts for one, holds it. */
import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { asWriteError, DRAFT, makeFolder } from './durable.ts';
import { AnomalyError } from './errors.ts';
import { modelFolder } from './model.ts';

/** Models held by this process. */
const held = new Set<string>();

const LOCK = '.lock';

function busy(name: string): AnomalyError {
  return new AnomalyError('TEACH_BUSY', `the model “${name}” is being taught or changed already`, {
    hint: 'Wait until it is done, or cancel it.',
  });
}

/** When the process began, in ticks since the machine did: a number is given to processes again and again. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // after the name, which may hold anything but ends with the last parenthesis: field 22 of proc_pid_stat(5)
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

async function signatureOf(pid: number): Promise<string> {
  return `${pid} ${await startOf(pid)}`;
}

/** True while the process that wrote the lock runs. */
async function isAlive(signature: string): Promise<boolean> {
  const pid = Number(signature.split(' ')[0]);
  if (!Number.isInteger(pid) || pid < 1 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return (await signatureOf(pid)) === signature;
}

/** A lock appears with its content, for whoever looks at the same time; it replaces one whose owner is no more. */
async function takeLock(path: string, name: string): Promise<void> {
  const lock = join(path, LOCK);
  const mine = join(path, `${DRAFT}${randomUUID()}`);
  try {
    await writeFile(mine, await signatureOf(process.pid));
    if (await isLinked(mine, lock)) return;
    const other = await readFile(lock, 'utf8').catch(() => '');
    if (await isAlive(other)) throw busy(name);
    // Who moves it away replaces it; what was moved by mistake, of one that was quicker, is put back.
    const old = `${mine}-old`;
    await rename(lock, old).catch(() => {
      throw busy(name);
    });
    const moved = await readFile(old, 'utf8');
    if (moved !== other) await isLinked(old, lock);
    await rm(old, { force: true });
    if (moved !== other || !(await isLinked(mine, lock))) throw busy(name);
  } catch (error) {
    throw asWriteError(error, path);
  } finally {
    await rm(mine, { force: true }).catch(() => undefined);
  }
}

/** False where the lock is there. */
async function isLinked(file: string, lock: string): Promise<boolean> {
  try {
    await link(file, lock).catch(async (error: unknown) => {
      // A disk that knows no links.
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(code)) throw error;
      await copyFile(file, lock, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Holds the model until the returned function is called. What a process left that is no more, counts for nothing.
 *
 * @throws AnomalyError `TEACH_BUSY`, `MODEL_NAME_INVALID`, `MODELS_UNWRITABLE`
 */
export async function holdModel(folder: string, name: string): Promise<() => Promise<void>> {
  const path = resolve(modelFolder(folder, name));
  if (held.has(path)) throw busy(name);
  held.add(path);
  const lock = join(path, LOCK);
  try {
    await makeFolder(path);
    await takeLock(path, name);
  } catch (error) {
    held.delete(path);
    throw error;
  }
  return async () => {
    await rm(lock, { force: true }).catch(() => undefined);
    held.delete(path);
  };
}
