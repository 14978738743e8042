/** What people see of a lesson: the node's status at every step, and a message now and then. */
import { teachingFraction } from '../../lib/anomaly/teach.ts';
import type { TeachingProgress } from '../../lib/anomaly/teaching.ts';
import { asCodedError } from '../../lib/errors.ts';
import type { Message } from '../runtime/types.ts';
import type { SubjectContext } from './subject.ts';

const TEACHING_TOPIC = 'jidoka/teaching';
/** Progress is for people: four times a second at most. */
const PROGRESS_INTERVAL_MS = 250;

export class TeachingReport {
  readonly #context: Pick<SubjectContext, 'emit' | 'status'>;
  #reportedAt = -Infinity;

  constructor(context: Pick<SubjectContext, 'emit' | 'status'>) {
    this.#context = context;
  }

  /** Shows that a lesson has begun; the message is for whoever asked for it. */
  begin(parts: number): Message {
    const progress: TeachingProgress = { stage: 'features', done: 0, total: parts };
    this.#show(progress);
    return progressMessage(progress);
  }

  progress(progress: TeachingProgress): void {
    this.#show(progress);
    const now = performance.now();
    if (now - this.#reportedAt < PROGRESS_INTERVAL_MS) return;
    this.#reportedAt = now;
    this.#context.emit([null, progressMessage(progress)]);
  }

  /** Says that it ended without a model: given up without `error`, otherwise for it. */
  end(error?: unknown): void {
    const { code, message } = asCodedError(error);
    const payload = error === undefined ? { ended: 'cancelled' } : { ended: 'failed', code, message };
    this.#reportedAt = -Infinity;
    this.#context.emit([null, { topic: TEACHING_TOPIC, payload }]);
  }

  /** Says that a step of a lesson is done, and that a person goes on with it. */
  pause(): void {
    this.#reportedAt = -Infinity;
    this.#context.emit([null, { topic: TEACHING_TOPIC, payload: { ended: 'paused' } }]);
  }

  #show(progress: TeachingProgress): void {
    const { stage, done, total } = progress;
    const { status } = this.#context;
    if (stage === 'features') status.show('working', 'collecting', { done, total });
    else status.show('working', 'teaching', { percent: Math.round(100 * teachingFraction(progress)) });
  }
}

function progressMessage(progress: TeachingProgress): Message {
  return { topic: TEACHING_TOPIC, payload: { ...progress, fraction: teachingFraction(progress) } };
}
