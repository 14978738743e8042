/**
 * Teaches a model from rows of normal operation, in a process of its own: the caller's event loop stays
 * free, and cancelling is ending that process.
 */
import { fork } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { holdModel } from '../anomaly/hold.ts';
import { modelFolder, versionsOf } from '../anomaly/model.ts';
import { CodedError } from '../errors.ts';
import { SeriesError } from './errors.ts';
import { DRAFT, newDraft, type SeriesModel } from './model.ts';
import type { FromTeacher, Lesson, ToTeacher } from './teach-protocol.ts';

const PROCESS = fileURLToPath(new URL(`./teach-process${extname(import.meta.url)}`, import.meta.url));

export type TeachOptions = Lesson & {
  /** Folder of all models. */
  folder: string;
  name: string;
  /** Ends the teaching process; nothing is left behind. */
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
};

/**
 * Teaches and stores the next version of `name`. The same rows give the same digest.
 * Throws what `learnNormal` throws, `TEACH_CANCELLED` (`signal`), `TEACH_FAILED`, `TEACH_BUSY`, `MODELS_UNWRITABLE`,
 * `MODEL_NAME_INVALID`, and what reading a file of rows throws.
 */
export async function teach(options: TeachOptions): Promise<SeriesModel> {
  const { folder, name, signal, onProgress, ...lesson } = options;
  const release = await holdModel(folder, name);
  try {
    await sweep(folder, name);
    const before = (await versionsOf(folder, name)).at(-1) ?? 0;
    try {
      const order = { folder, name, draft: newDraft(), lesson };
      const model = await teachInProcess(order, signal, onProgress);
      if (signal?.aborted === true) throw cancelled();
      return model;
    } catch (error) {
      // A process that was ended could not sweep behind itself, and may have been quicker than its end.
      await sweep(folder, name, before);
      throw error;
    }
  } finally {
    await release();
  }
}

/** Removes drafts, and versions after `last`. Only while the model is held. */
async function sweep(folder: string, name: string, last = Infinity): Promise<void> {
  const all = modelFolder(folder, name);
  const late = (await versionsOf(folder, name)).filter((version) => version > last).map(String);
  const drafts = (await readdir(all)).filter((entry) => entry.startsWith(DRAFT));
  for (const entry of [...drafts, ...late]) await rm(join(all, entry), { recursive: true, force: true });
}

async function teachInProcess(
  order: ToTeacher,
  signal: AbortSignal | undefined,
  onProgress: TeachOptions['onProgress'],
): Promise<SeriesModel> {
  if (signal?.aborted === true) throw cancelled();
  const child = fork(PROCESS, [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const giveUp = new AbortController();
  try {
    return await new Promise<SeriesModel>((resolve, reject) => {
      let complaint = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        complaint = (complaint + text).slice(-1000);
      });
      signal?.addEventListener('abort', () => reject(cancelled()), { signal: giveUp.signal });
      child.once('error', (cause) =>
        reject(new SeriesError('TEACH_FAILED', 'the teaching process could not be started', { cause })),
      );
      child.once('close', (code, killedBy) =>
        reject(
          new SeriesError(
            'TEACH_FAILED',
            `the teaching process ended (${killedBy ?? String(code)}). ${complaint}`.trim(),
            {
              hint: 'If it was ended by SIGKILL the machine may be short of memory.',
            },
          ),
        ),
      );
      child.on('message', (message) => {
        const answer = message as FromTeacher;
        if (answer.type === 'progress') onProgress?.(answer.done, answer.total);
        else if (answer.type === 'taught') resolve(answer.model);
        else {
          const { code, message: text, hint } = answer;
          reject(new CodedError(code, text, hint === undefined ? {} : { hint }));
        }
      });
      // A failure to send shows as the end of the child as well, and is reported there.
      child.send(order, () => undefined);
    });
  } finally {
    giveUp.abort();
    child.kill('SIGKILL');
    await ended;
  }
}

function cancelled(): SeriesError {
  return new SeriesError('TEACH_CANCELLED', 'teaching was cancelled');
}
