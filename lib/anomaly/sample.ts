/**
 * The features of the parts a head is fitted to. They are held up to a size; of more parts a random
 * sample is (reservoir, seeded), so that a thousand parts take no more memory than some hundred.
 */
import { seededRandom, type Random } from '../statistics/random.ts';
import type { Features } from './backbone.ts';

export class FeatureSample {
  readonly #random: Random;
  readonly #maxParts: number;
  #seen = 0;
  #features: Features[] = [];
  #ids: string[] = [];
  /** In the order in which they were put aside. */
  #rest: string[] = [];

  /** @param maxParts whose features are held */
  constructor(maxParts: number, seed: number) {
    this.#random = seededRandom(seed);
    this.#maxParts = maxParts;
  }

  get features(): readonly Features[] {
    return this.#features;
  }

  /** Of {@link features}. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  /** Ids of the parts whose features are not held. */
  get rest(): readonly string[] {
    return this.#rest;
  }

  /** Features are computed only for a part that is held. */
  async add(id: string, compute: () => Promise<Features>): Promise<void> {
    const place = this.#seen < this.#maxParts ? this.#seen : this.#random.below(this.#seen + 1);
    this.#seen += 1;
    if (place >= this.#maxParts) {
      this.#rest.push(id);
      return;
    }
    const gone = this.#ids[place];
    if (gone !== undefined) this.#rest.push(gone);
    this.#features[place] = await compute();
    this.#ids[place] = id;
  }

  drop(ids: ReadonlySet<string>): void {
    this.#features = this.#features.filter((_, place) => !ids.has(this.#ids[place] ?? ''));
    this.#ids = this.#ids.filter((id) => !ids.has(id));
    this.#rest = this.#rest.filter((id) => !ids.has(id));
  }
}
