/**
 * One teaching of a model that can be cancelled, from pictures at hand or from a running line: then
 * it takes the next parts as they come and teaches when it has enough. The features of a part are computed as soon as it arrives, so a lesson holds no pile of pictures,
 * and what was collected is lost when it is cancelled before it has enough.
 */
import type { Frame } from '../frame/frame.ts';
import type { AnomalyModel } from './model.ts';
import { teach, type TeachOptions } from './teach.ts';

export interface LessonOptions extends Omit<TeachOptions, 'frames' | 'total' | 'signal'> {
  /** Frames to teach from. */
  parts: number;
  /** Where the frames come from, instead of {@link Lesson.offer}. */
  frames?: AsyncIterable<Frame>;
}

export class Lesson {
  /** The taught model; rejects as `teach` does, with `TEACH_CANCELLED` after {@link cancel}. */
  readonly model: Promise<AnomalyModel>;
  readonly parts: number;
  readonly #waiting: Frame[] = [];
  readonly #abort = new AbortController();
  #taken = 0;
  #wake: () => void = () => undefined;

  constructor({ parts, frames, ...options }: LessonOptions) {
    this.parts = parts;
    if (frames !== undefined) this.#taken = parts;
    const { signal } = this.#abort;
    this.model = teach({ ...options, frames: frames ?? this.#frames(), total: parts, signal });
    // Whoever cancels need not look at the model.
    this.model.catch(() => undefined);
  }

  /** Takes the frame; false when there are enough already. */
  offer(frame: Frame): boolean {
    if (this.#taken >= this.parts || this.#abort.signal.aborted) return false;
    this.#taken += 1;
    this.#waiting.push(frame);
    this.#wake();
    return true;
  }

  /** Ends the teaching process and waits until nothing of it is left. */
  async cancel(): Promise<void> {
    this.#abort.abort();
    await this.model.catch(() => undefined);
  }

  async *#frames(): AsyncGenerator<Frame> {
    for (let given = 0; given < this.parts; given += 1) {
      while (this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      yield this.#waiting.shift() as Frame;
    }
  }
}
