/** What took long to find out and holds for a while or for the life of the process: the last few, by key. */
import { systemClock, type Clock } from '../../clock.ts';

/** Finds it out; is told when nobody waits for it any more, and rejects then as soon as it can. */
type Find<Value> = (signal: AbortSignal) => Promise<Value>;

interface Entry<Value> {
  value: Promise<Value>;
  /** Infinite until it is found. */
  until: number;
  /** Those who wait for it to be found. */
  waiting: number;
  abandon: AbortController;
}

export class Remembered<Value> {
  readonly #limit: number;
  readonly #holdsMs: (value: Value) => number;
  readonly #clock: Clock;
  /** The one asked for last at the end. */
  readonly #entries = new Map<string, Entry<Value>>();

  /** `holdsMs` says of a value how long it is remembered; always, where it is not given. */
  constructor(limit: number, holdsMs: (value: Value) => number = () => Infinity, clock: Clock = systemClock) {
    this.#limit = limit;
    this.#holdsMs = holdsMs;
    this.#clock = clock;
  }

  /**
   * What `find` gives; asked once for all who ask meanwhile and after. What failed is not remembered.
   * An aborted `signal` rejects with its reason; the last who leaves ends the finding with it, and waits
   * for its end.
   */
  async get(key: string, find: Find<Value>, signal?: AbortSignal): Promise<Value> {
    signal?.throwIfAborted();
    const known = this.#entries.get(key);
    const entry = known === undefined || known.until <= this.#clock.now() ? this.#begin(key, find) : known;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      this.#entries.delete(oldest);
    }
    return await this.#wait(key, entry, signal);
  }

  #begin(key: string, find: Find<Value>): Entry<Value> {
    const abandon = new AbortController();
    const entry: Entry<Value> = { value: find(abandon.signal), until: Infinity, waiting: 0, abandon };
    entry.value.then(
      (value) => (entry.until = this.#clock.now() + this.#holdsMs(value)),
      () => {
        this.#forget(key, entry);
      },
    );
    return entry;
  }

  #wait(key: string, entry: Entry<Value>, signal: AbortSignal | undefined): Promise<Value> {
    entry.waiting += 1;
    if (signal === undefined) return entry.value;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        entry.waiting -= 1;
        if (entry.waiting > 0) {
          reject(signal.reason as Error);
          return;
        }
        // whoever asks now begins anew
        this.#forget(key, entry);
        entry.abandon.abort(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      void entry.value.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  #forget(key: string, entry: Entry<Value>): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}
