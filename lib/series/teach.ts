/**
 * Teaches a model from rows of normal operation, in a process of its own: the caller's event loop stays
 * free, and cancelling is ending that process.
 */
import { fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelFolder } from '../anomaly/model.ts';
import { CodedError } from '../errors.ts';
import { SeriesError } from './errors.ts';
import { newDraft, type SeriesModel } from './model.ts';
import type { FromTeacher, Lesson, ToTeacher } from './teach-protocol.ts';

const PROCESS = fileURLToPath(new URL(`./teach-process${extname(import.meta.url)}`, import.meta.url));

export interface TeachOptions extends Lesson {
  /** Folder of all models. */
  folder: string;
  name: string;
  /** Ends the teaching process; nothing is left behind. */
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/**
 * Teaches and stores the next version of `name`. The same rows give the same digest.
 * Throws what `learnNormal` throws, `TEACH_CANCELLED` (`signal`), `TEACH_FAILED`, `MODEL_NAME_INVALID`.
 */
export async function teach(options: TeachOptions): Promise<SeriesModel> {
  const { folder, name, signal, onProgress, ...lesson } = options;
  const draft = newDraft();
  const versions = modelFolder(folder, name);
  try {
    return await teachInProcess({ folder, name, draft, lesson }, signal, onProgress);
  } catch (error) {
    // A process that was ended could not sweep behind itself.
    await rm(join(versions, draft), { recursive: true, force: true });
    throw error;
  }
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
