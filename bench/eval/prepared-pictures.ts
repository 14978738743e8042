/** Pictures as a model sees them, read and resized once for all that is measured on them. */
import { readFrame } from '../../lib/anomaly/folder-frames.ts';
import type { Size } from '../../lib/anomaly/backbone.ts';
import { decodeRgb } from '../../lib/frame/decode.ts';
import { bytesOf } from '../../lib/frame/frame.ts';
import { preparePicture } from '../../lib/inference/graph/prepare.ts';

export class PreparedPictures {
  readonly size: Size;
  readonly #pixels = new Map<string, Promise<Buffer>>();

  constructor(size: Size) {
    this.size = size;
  }

  /** RGB rows of {@link size}. */
  pixels(path: string): Promise<Buffer> {
    const known = this.#pixels.get(path);
    if (known !== undefined) return known;
    const read = this.#read(path);
    this.#pixels.set(path, read);
    return read;
  }

  async #read(path: string): Promise<Buffer> {
    const frame = await readFrame(path);
    const image = await decodeRgb(await bytesOf(frame), frame.format, frame.width, frame.height);
    const { data } = await preparePicture(image, { ...this.size, fit: 'stretch' });
    return Buffer.from(data);
  }
}

/** What `make` makes of each, one after the other. */
export async function each<Item, Made>(
  items: readonly Item[],
  make: (item: Item) => Promise<Made>,
): Promise<Made[]> {
  const results: Made[] = [];
  for (const item of items) results.push(await make(item));
  return results;
}
