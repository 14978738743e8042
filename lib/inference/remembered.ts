/** What took long to find out and holds for the life of the process: the last few asked for, by key. */
export class Remembered<Value> {
  readonly #limit: number;
  /** The one asked for last at the end. */
  readonly #values = new Map<string, Promise<Value>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What `find` gives; asked once for all who ask meanwhile and after. What failed is not remembered. */
  async get(key: string, find: () => Promise<Value>): Promise<Value> {
    const value = this.#values.get(key) ?? find();
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.#limit) break;
      this.#values.delete(oldest);
    }
    try {
      return await value;
    } catch (error) {
      if (this.#values.get(key) === value) this.#values.delete(key);
      throw error;
    }
  }
}
