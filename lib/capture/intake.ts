/**
 * What becomes of frames that come faster than they can be taken: the newest wins, a few wait and
 * the oldest goes, or the camera is held up. One is under way at a time.
 */

/** `latest-wins` and `drop-oldest` are for live cameras; where each image is a part nothing may be dropped. */
export type WhenBusy = 'latest-wins' | 'drop-oldest' | 'block';

export interface IntakeOptions<Item> {
  whenBusy: WhenBusy;
  /** Items that may wait with `drop-oldest`. */
  queueLength: number;
  take(item: Item): Promise<void>;
  /** @param count items dropped so far */
  dropped(count: number): void;
}

export class Intake<Item> {
  readonly #options: IntakeOptions<Item>;
  readonly #limit: number;
  readonly #waiting: Item[] = [];
  #underWay: Promise<void> | undefined;
  #dropped = 0;

  constructor(options: IntakeOptions<Item>) {
    this.#options = options;
    this.#limit = { 'latest-wins': 1, 'drop-oldest': options.queueLength, block: Infinity }[options.whenBusy];
  }

  /** With `block`, resolves when the item has been taken: whoever brings it waits. */
  put(item: Item): Promise<void> | undefined {
    this.#waiting.push(item);
    if (this.#waiting.length > this.#limit && this.#underWay !== undefined) {
      this.#waiting.shift();
      this.#dropped += 1;
      this.#options.dropped(this.#dropped);
    }
    this.#underWay ??= this.#work();
    return this.#options.whenBusy === 'block' ? this.#underWay : undefined;
  }

  /** Nothing that waits is taken any more; resolves when the one under way has ended. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    await this.#underWay;
  }

  async #work(): Promise<void> {
    try {
      for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
        await this.#options.take(item);
      }
    } finally {
      // In the same step that found nothing waiting: what comes later begins anew.
      this.#underWay = undefined;
    }
  }
}
