/**
 * Teaches a model from good parts, in a process of its own: the caller's event loop stays free, and
 * cancelling is ending that process. A model appears on disk whole or not at all: it is written to
 * a temporary folder beside the versions and renamed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesOf, type Frame } from '../frame/frame.ts';
import { AnomalyError } from './errors.ts';
import type { Resolution } from './head.ts';
import {
  METHOD,
  modelFolder,
  readModel,
  versionsOf,
  type AnomalyModel,
  type ModelManifest,
} from './model.ts';
import { conformalThreshold } from './p-value.ts';
import type { FromTeacher, Taught, ToTeacher } from './teach-protocol.ts';
import type { TeachingProgress, TeachingStage } from './teaching.ts';

/** Fewer parts than this say too little about what is normal. */
const MINIMUM_PARTS = 10;
const ALPHAS = [0.005, 0.01, 0.02, 0.05, 0.1];
const NOTE =
  'goodScores are out-of-fold: each part was scored by a bank that had not seen it. Scores of the same parts by this model itself are lower; a threshold must never come from those.';

const PROCESS = fileURLToPath(new URL(`./teach-process${extname(import.meta.url)}`, import.meta.url));

export interface TeachOptions {
  /** Good parts, in any order; one is read at a time. Taking them may last as long as the line needs. */
  frames: AsyncIterable<Frame> | Iterable<Frame>;
  /** Frames expected, for progress where `frames` does not know its length. */
  total?: number;
  /** Folder of all models. */
  folder: string;
  name: string;
  seed?: number;
  /** Side of the square the pictures are scaled to, in pixels; 224 unless told. */
  resolution?: Resolution;
  /** Patches the model remembers. */
  coresetSize?: number;
  /** Ends the teaching process; nothing is left behind. */
  signal?: AbortSignal;
  onProgress?: (progress: TeachingProgress) => void;
}

/**
 * Teaches and stores the next version of `name`. The same frames in the same order and the same
 * seed give the same graph, to the byte, on the same machine. 100 parts take about 20 s on two cores at 224.
 *
 * Throws `TEACH_TOO_FEW` (fewer than {@link MINIMUM_PARTS} readable frames), `TEACH_CANCELLED`
 * (`signal`), `TEACH_FAILED`, `MODEL_NAME_INVALID`, and whatever `frames` throws.
 */
export async function teach(options: TeachOptions): Promise<AnomalyModel> {
  const { folder, name, frames, seed = 1, resolution = 224, signal } = options;
  const versions = modelFolder(folder, name);
  throwIfCancelled(signal);
  const source = Symbol.asyncIterator in frames ? frames[Symbol.asyncIterator]() : frames[Symbol.iterator]();
  const draft = join(versions, `.teaching-${randomUUID()}`);
  try {
    // The line may take hours to bring the first part; until then there is no process and no file.
    const first = await untilCancelled(nextFrame(source), signal);
    await mkdir(draft, { recursive: true });
    const taught = await runTeacher(join(draft, 'model.onnx'), options, first, source);
    throwIfCancelled(signal);
    options.onProgress?.({ stage: 'saving', done: 0, total: 1 });
    const path = await publish(draft, folder, name, manifestOf(taught, { name, seed, resolution }));
    options.onProgress?.({ stage: 'saving', done: 1, total: 1 });
    return await readModel(path);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  } finally {
    // Not awaited: a source that waits for the line's next part answers only when that part comes.
    void Promise.resolve(source.return?.()).catch(() => undefined);
  }
}

/** Where each stage starts and ends, of the whole; measured with 76 parts. */
const STAGES: Readonly<Record<TeachingStage, readonly [from: number, to: number]>> = {
  features: [0, 0.25],
  folds: [0.25, 0.85],
  bank: [0.85, 0.98],
  saving: [0.98, 1],
};

/** Progress as a share of the whole, 0..1. */
export function teachingFraction({ stage, done, total }: TeachingProgress): number {
  const [from, to] = STAGES[stage];
  return from + (to - from) * (total > 0 ? Math.min(done / total, 1) : 0);
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal);
}

/** The promise, or `TEACH_CANCELLED` when the signal is aborted before it settles. */
function untilCancelled<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  return new Promise((resolve, reject) => {
    // An abort that has happened is not announced again.
    if (signal?.aborted === true) reject(cancelled(signal));
    signal?.addEventListener('abort', () => reject(cancelled(signal)), { once: true });
    promise.then(resolve, reject);
  });
}

function cancelled(signal: AbortSignal): AnomalyError {
  return new AnomalyError('TEACH_CANCELLED', 'teaching was cancelled', { cause: signal.reason });
}

function manifestOf(
  taught: Taught,
  { name, seed, resolution }: { name: string; seed: number; resolution: number },
): Omit<ModelManifest, 'version'> {
  const { digest, backboneDigest, bankSize, parts, skipped, goodScores } = taught;
  return {
    format: 1,
    name,
    digest,
    method: METHOD,
    input: { width: resolution, height: resolution, colour: 'rgb', fit: 'stretch' },
    backbone: { digest: backboneDigest },
    bankSize,
    seed,
    parts,
    skipped,
    goodScores,
    thresholds: ALPHAS.map((alpha) => ({ alpha, threshold: conformalThreshold(goodScores, alpha) })),
    note: NOTE,
    createdAt: new Date().toISOString(),
  };
}

/** Gives the draft the next free version number. */
async function publish(
  draft: string,
  folder: string,
  name: string,
  manifest: Omit<ModelManifest, 'version'>,
): Promise<string> {
  const versions = modelFolder(folder, name);
  for (let version = ((await versionsOf(folder, name)).at(-1) ?? 0) + 1; ; version += 1) {
    const file = join(draft, 'model.json');
    await writeFile(file, `${JSON.stringify({ ...manifest, version }, null, 2)}\n`, { flush: true });
    const path = join(versions, String(version));
    try {
      await rename(draft, path);
      await flushFolder(versions);
      return path;
    } catch (error) {
      // Another teaching took this number meanwhile.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }
}

/** The rename itself survives a power cut only when the folder was flushed; not every system can. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

type Source = AsyncIterator<Frame> | Iterator<Frame>;

async function runTeacher(
  file: string,
  options: TeachOptions,
  first: ToTeacher,
  source: Source,
): Promise<Taught> {
  const { frames, seed = 1, resolution = 224, coresetSize = 1000, signal } = options;
  const total = options.total ?? (Array.isArray(frames) ? frames.length : 0);
  const child = fork(PROCESS, [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const taught = new Promise<Taught>((resolve, reject) => {
    rejectOnEnd(child, reject);
    let waiting: ToTeacher | undefined = first;
    const sendNext = async (): Promise<void> => {
      const next = waiting ?? (await nextFrame(source));
      waiting = undefined;
      send(child, next);
    };
    child.on('message', (message) => {
      const answer = message as FromTeacher;
      if (answer.type === 'next') sendNext().catch(reject);
      else if (answer.type === 'progress') options.onProgress?.(withTotal(answer.progress, total));
      else if (answer.type === 'taught') resolve(answer.taught);
      else reject(failure(answer.code, answer.message));
    });
    send(child, { type: 'start', file, resolution, seed, coresetSize, minimumParts: MINIMUM_PARTS });
  });
  try {
    return await untilCancelled(taught, signal);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

async function nextFrame(source: Source): Promise<ToTeacher> {
  const next = await source.next();
  if (next.done === true) return { type: 'end' };
  const { width, height, format } = next.value;
  return { type: 'frame', bytes: await bytesOf(next.value), width, height, format };
}

function send(child: ChildProcess, message: ToTeacher): void {
  // A failure to send shows as the end of the child as well, and is reported there.
  if (child.connected) child.send(message, () => undefined);
}

function withTotal(progress: TeachingProgress, total: number): TeachingProgress {
  return progress.stage === 'features' ? { ...progress, total: Math.max(total, progress.done) } : progress;
}

function failure(code: string, message: string): AnomalyError {
  return code === 'TEACH_TOO_FEW'
    ? new AnomalyError(code, message, {
        hint: `Offer at least ${MINIMUM_PARTS} different good parts; 60 are better.`,
      })
    : new AnomalyError('TEACH_FAILED', `teaching failed: ${message}`);
}

function rejectOnEnd(child: ChildProcess, reject: (error: Error) => void): void {
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-1000);
  });
  child.once('error', (cause) => {
    reject(new AnomalyError('TEACH_FAILED', 'the teaching process could not be started', { cause }));
  });
  child.once('close', (code, killedBy) => {
    const how = killedBy === null ? `with exit code ${code ?? 'unknown'}` : `by ${killedBy}`;
    reject(
      new AnomalyError('TEACH_FAILED', `the teaching process ended ${how}. ${complaint}`.trim(), {
        hint: 'If it was ended by SIGKILL the machine may be short of memory.',
      }),
    );
  });
}
