/**
 * The teaching process, from outside: it is given a job and frames as it asks for them, and ends with an
 * answer. The caller's event loop stays free; cancelling is ending that process.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesOf, type Frame } from '../frame/frame.ts';
import { AnomalyError, type AnomalyErrorCode } from './errors.ts';
import type { Finding } from './findings.ts';
import type { PartLabel } from './parts.ts';
import type { FromTeacher, Job, ToTeacher } from './teach-protocol.ts';
import type { TeachingProgress } from './teaching.ts';
import type { CollectedLine } from './unfinished.ts';

const PROCESS = fileURLToPath(new URL(`./teach-process${extname(import.meta.url)}`, import.meta.url));

/** A frame, and what it is said to be; good unless told. */
export interface LabelledFrame {
  frame: Frame;
  label?: PartLabel;
  partId?: string;
  unusual?: true;
}

export type FrameSource = AsyncIterator<LabelledFrame> | Iterator<LabelledFrame>;

export interface JobOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: TeachingProgress) => void) | undefined;
  onFinding?: ((finding: Finding) => void) | undefined;
  /** Aborted when enough is collected: the job goes on with what it has. */
  enough?: AbortSignal | undefined;
  onCollected?: ((line: CollectedLine) => void) | undefined;
  onLooked?: ((findings: Finding[]) => void) | undefined;
  /** The process, as soon as it runs. */
  onProcess?: ((pid: number) => void) | undefined;
}

type Told = 'next' | 'progress' | 'finding' | 'failed' | 'collected' | 'looked';
type Answer = Exclude<FromTeacher, { type: Told }>;

/** Throws `TEACH_CANCELLED`, or `TEACH_SUSPENDED` where that was the reason. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal);
}

function cancelled(signal: AbortSignal): AnomalyError {
  if (signal.reason instanceof AnomalyError && signal.reason.code === 'TEACH_SUSPENDED') return signal.reason;
  return new AnomalyError('TEACH_CANCELLED', 'teaching was cancelled', { cause: signal.reason });
}

/** The promise, or as {@link throwIfCancelled} when the signal is aborted before it settles. */
export async function untilCancelled<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return promise;
  promise.catch(() => undefined);
  // An abort that has happened is not announced again.
  throwIfCancelled(signal);
  const settled = new AbortController();
  const aborted = once(signal, 'abort', { signal: settled.signal }).then(() => throwIfCancelled(signal));
  try {
    await Promise.race([promise, aborted]);
    return await promise;
  } finally {
    aborted.catch(() => undefined);
    settled.abort();
  }
}

/** The next of a source, as it is sent. */
export async function nextFrame(source: FrameSource): Promise<ToTeacher> {
  const next = await source.next();
  if (next.done === true) return { type: 'end' };
  const { frame, label, partId, unusual } = next.value;
  const { width, height, format } = frame;
  return {
    type: 'frame',
    bytes: await bytesOf(frame),
    width,
    height,
    format,
    source: frame.source,
    ...(label === undefined ? {} : { label }),
    ...(partId === undefined ? {} : { partId }),
    ...(unusual === undefined ? {} : { unusual }),
  };
}

/** Not awaited: a source that waits for the line's next part answers only when that part comes. */
export function endSource(source: FrameSource | undefined): void {
  void Promise.resolve(source?.return?.()).catch(() => undefined);
}

/**
 * Does the job in a process of its own, which is gone when this settles.
 *
 * @param source of the frames the job asks for; none when absent
 * @param first taken from the source already
 * @throws AnomalyError `TEACH_CANCELLED`, `TEACH_FAILED`, what the job fails with, and what the source throws
 */
export async function doJob(
  job: Job,
  source: FrameSource | undefined,
  options: JobOptions,
  first?: ToTeacher,
): Promise<Answer> {
  const { signal, enough, onProgress, onFinding, onCollected, onLooked, onProcess } = options;
  throwIfCancelled(signal);
  const child = fork(PROCESS, [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const answered = new Promise<Answer>((resolve, reject) => {
    rejectOnEnd(child, reject);
    let waiting = first;
    const sendNext = async (): Promise<void> => {
      const next = waiting ?? (source === undefined ? ({ type: 'end' } as const) : await nextFrame(source));
      waiting = undefined;
      send(child, next);
    };
    child.on('message', (message) => {
      const answer = message as FromTeacher;
      if (answer.type === 'next') sendNext().catch(reject);
      else if (answer.type === 'progress') onProgress?.(answer.progress);
      else if (answer.type === 'finding') onFinding?.(answer.finding);
      else if (answer.type === 'collected') onCollected?.(answer.line);
      else if (answer.type === 'looked') onLooked?.(answer.findings);
      else if (answer.type === 'failed') reject(failure(answer));
      else resolve(answer);
    });
    send(child, { type: 'start', job });
    if (child.pid !== undefined) onProcess?.(child.pid);
  });
  const end = (): void => send(child, { type: 'end' });
  if (enough?.aborted === true) end();
  else enough?.addEventListener('abort', end, { once: true });
  try {
    return await untilCancelled(answered, signal);
  } finally {
    enough?.removeEventListener('abort', end);
    child.kill('SIGKILL');
    await ended;
  }
}

function send(child: ChildProcess, message: ToTeacher): void {
  // A failure to send shows as the end of the child as well, and is reported there.
  if (child.connected) child.send(message, () => undefined);
}

/** Codes that mean the same on this side; anything else is a failure of teaching. */
const PASSED: ReadonlySet<string> = new Set<AnomalyErrorCode>([
  'BACKBONE_UNSUPPORTED',
  'MODEL_MISSING',
  'MODEL_INVALID',
  'MODEL_DIGEST_MISMATCH',
  'MODELS_UNWRITABLE',
  'LEARN_NOTHING',
  'LEARN_WITHOUT_PARTS',
  'PART_MISSING',
  'PART_INVALID',
  'PART_DIGEST_MISMATCH',
  'PARTS_FULL',
  'TEACH_TOO_FEW',
]);

function failure({ code, message, hint }: Extract<FromTeacher, { type: 'failed' }>): AnomalyError {
  const options = hint === undefined ? {} : { hint };
  return PASSED.has(code)
    ? new AnomalyError(code as AnomalyErrorCode, message, options)
    : new AnomalyError('TEACH_FAILED', `teaching failed: ${message}`, options);
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
