/** The good parts a model was taught from, to be looked at beside one that was found unusual. */
import { likeness, mostAlike } from '../../lib/anomaly/explanation.ts';
import { PartStore } from '../../lib/anomaly/parts.ts';
import { Frame } from '../../lib/frame/frame.ts';
import type { ModelKeeper } from './model-keeper.ts';

/** Compared with; of more, the first. A thumbnail takes 3 kB. */
const MAX_COMPARED = 400;

interface Known {
  digest: string;
  ids: readonly string[];
  thumbnails: Promise<Buffer[]>;
}

export class GoodParts {
  readonly #keeper: ModelKeeper;
  /** Of the model that serves. */
  #known: Known | undefined;

  constructor(keeper: ModelKeeper) {
    this.#keeper = keeper;
  }

  /** The good part that looks most like this one; undefined where the model kept none. */
  async mostLike(frame: Frame): Promise<Frame | undefined> {
    const known = this.#thumbnails();
    if (known === undefined) return undefined;
    const [part, others] = await Promise.all([likeness(frame), known.thumbnails]);
    const id = known.ids[mostAlike(part, others)];
    return id === undefined ? undefined : this.#read(id);
  }

  #thumbnails(): Known | undefined {
    const { model } = this.#keeper;
    if (model === undefined || model.parts.length === 0) return undefined;
    if (this.#known?.digest !== model.digest) {
      const ids = model.parts.slice(0, MAX_COMPARED);
      const thumbnails = this.#all(ids);
      // told to who waits for it, and tried again by the next
      thumbnails.catch(() => (this.#known = undefined));
      this.#known = { digest: model.digest, ids, thumbnails };
    }
    return this.#known;
  }

  /** One after the other: the line goes first. */
  async #all(ids: readonly string[]): Promise<Buffer[]> {
    const thumbnails: Buffer[] = [];
    for (const id of ids) thumbnails.push(await likeness(await this.#read(id)));
    return thumbnails;
  }

  async #read(id: string): Promise<Frame> {
    const { folder, model } = this.#keeper;
    const bytes = await new PartStore(folder, model?.name ?? '').picture(id);
    const { width, height } = model?.input ?? { width: 1, height: 1 };
    return new Frame(bytes, { width, height, format: 'png', source: id });
  }
}
