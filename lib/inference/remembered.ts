/** What took long to find out and holds for a while or for the life of the process: the last few, by key. */
import { systemClock, type Clock } from '../clock.ts';

interface Entry<Value> {
  value: Promise<Value>;
  /** Infinite until it is found. */
  until: number;
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

  /** What `find` gives; asked once for all who ask meanwhile and after. What failed is not remembered. */
  async get(key: string, find: () => Promise<Value>): Promise<Value> {
    const known = this.#entries.get(key);
    const entry = known === undefined || known.until <= this.#clock.now() ? this.#begin(key, find) : known;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      this.#entries.delete(oldest);
    }
    return await entry.value;
  }

  #begin(key: string, find: () => Promise<Value>): Entry<Value> {
    const entry = { value: find(), until: Infinity };
    entry.value.then(
      (value) => (entry.until = this.#clock.now() + this.#holdsMs(value)),
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry;
  }
}
