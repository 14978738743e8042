/**
 * One teaching of a model that can be cancelled or suspended, from pictures at hand or from a running line:
 * then it takes the next parts as they come and teaches when it has enough. Each part is on disk as soon as
 * the teaching process has seen it, so a lesson holds no pile of pictures and can go on after a restart.
 */
import type { Frame } from '../frame/frame.ts';
import { AnomalyError } from './errors.ts';
import type { Finding } from './findings.ts';
import type { AnomalyModel } from './model.ts';
import { teach, type TeachOptions } from './teach.ts';

export interface LessonOptions extends Omit<TeachOptions, 'total' | 'signal' | 'wanted' | 'parts'> {
  /** Different parts to teach from. */
  parts: number;
  /** Where the frames come from, instead of {@link Lesson.offer}. */
  frames?: AsyncIterable<Frame>;
  /** Parts an earlier process has collected, where the lesson is resumed. */
  collected?: number;
  /** True where what is resumed reads pictures on disk, which it knows itself. */
  fromPictures?: boolean;
}

export class Lesson {
  /** The taught model; rejects as `teach` does, with `TEACH_CANCELLED` after {@link cancel}. */
  readonly model: Promise<AnomalyModel>;
  readonly parts: number;
  readonly #waiting: Frame[] = [];
  readonly #abort = new AbortController();
  readonly #findings: Finding[] = [];
  readonly #isLive: boolean;
  #taken: number;
  #wake: () => void = () => undefined;

  constructor({ parts, frames, collected = 0, fromPictures = false, ...options }: LessonOptions) {
    this.parts = parts;
    this.#taken = collected;
    const needsFrames = options.pictures === undefined && !fromPictures;
    this.#isLive = frames === undefined && needsFrames;
    const { signal } = this.#abort;
    this.model = teach({
      ...options,
      ...(needsFrames ? { frames: frames ?? this.#frames() } : {}),
      total: parts,
      ...(this.#isLive ? { wanted: parts } : {}),
      signal,
      onFinding: (finding) => this.#found(finding, options.onFinding),
    });
    // Whoever cancels need not look at the model.
    this.model.catch(() => undefined);
  }

  /** What was found wrong while collecting; all of it is in the model. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** Takes the frame; false when there are enough already, or it is taught from others. */
  offer(frame: Frame): boolean {
    if (!this.#isLive || this.#taken >= this.parts || this.#abort.signal.aborted) return false;
    this.#taken += 1;
    this.#waiting.push(frame);
    this.#wake();
    return true;
  }

  /** Ends the teaching process and waits until nothing of the lesson is left. */
  async cancel(): Promise<void> {
    this.#abort.abort();
    await this.model.catch(() => undefined);
  }

  /** Ends the teaching process; what was collected stays for `resume`. */
  async suspend(): Promise<void> {
    this.#abort.abort(new AnomalyError('TEACH_SUSPENDED', 'teaching was suspended'));
    await this.model.catch(() => undefined);
  }

  #found(finding: Finding, tell: ((finding: Finding) => void) | undefined): void {
    this.#findings.push(finding);
    // Another part is needed in its place.
    if (finding.leftOut) this.#taken -= 1;
    tell?.(finding);
  }

  async *#frames(): AsyncGenerator<Frame> {
    for (;;) {
      while (this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      yield this.#waiting.shift() as Frame;
    }
  }
}
