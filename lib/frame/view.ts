/**
 * What of a camera's picture goes on its way: turned, with masked areas black, cut into regions, and
 * in the encoding that was asked for. A mask is painted into decoded pixels, which are then encoded
 * anew without metadata: neither the picture nor a thumbnail keeps what lay under it. In a lossy
 * picture (JPEG, WebP) the compression smears up to 16 pixels across the edge of a mask before we
 * get it, so what is private needs that much margin.
 *
 * Decoding, turning, cutting and encoding run in threads of sharp and jpeg-turbo. The main thread
 * paints runs of black (0.1 ms for two thirds of raw 1080p pixels that are in the cache, 0.5 ms for
 * pixels a decoder has just written) and hands the rest over. Its processor time for one 1080p
 * frame, in the mean (`node bench/view.ts`, 2 cores that others used too): a turned, cut or encoded
 * JPEG 0.7–0.9 ms, one with two thirds masked 1.2 ms, four regions 1.5 ms; raw pixels masked 0.2 ms,
 * turned or encoded 0.4–1 ms.
 */
import { decodePixels, type Pixels } from './decode.ts';
import { encode, type Encoding, type Flip, type Rotation, type Turn } from './encode.ts';
import type { FrameFormat } from './frame.ts';
import { layOut, type Layout, type Part, type RefusedRegion } from './layout.ts';
import { paintBlack, shifted, type Box } from './polygon.ts';
import { checkRegions, type Region } from './region.ts';

export type { RefusedRegion } from './layout.ts';

export interface ViewOptions {
  /** Degrees clockwise. */
  rotate: Rotation;
  /** After the rotation: left–right (`horizontal`) or top–bottom. */
  flip: Flip;
  /** In pixels of the turned picture. */
  regions: readonly Region[];
  /**
   * `captured` leaves an untouched picture's bytes as they came; a changed one comes out in the
   * format it had, TIFF as PNG. PNG and TIFF of 16 bit come out with 8, and without transparency.
   */
  encode: 'captured' | 'jpeg' | 'webp' | 'png';
  /** 1 to 100, for JPEG and WebP. */
  quality: number;
}

interface Picture {
  bytes: Buffer;
  format: FrameFormat;
  width: number;
  height: number;
}

export interface SourceImage extends Picture {
  /** True when nobody else looks at the bytes: masks are painted into raw rows then, not into a copy. */
  writable?: boolean;
}

export interface ViewedImage extends Picture {
  /** Name of the region this is; absent for the whole picture. */
  region?: string;
  /** Where the region lies in the turned picture. */
  box?: Box;
  /** What encoding took off the raw pixels of this picture; 0 where nothing was encoded. */
  savedBytes: number;
}

type Target = Exclude<FrameFormat, 'tiff'>;

const UNTURNED: Turn = { rotate: 0, flip: 'none' };
const RAW: Encoding = { format: 'raw' };

const wholeOf = ({ width, height }: Pixels): Box => [0, 0, width, height];

export class View {
  readonly #regions: readonly Region[];
  readonly #turn: Turn;
  readonly #encode: ViewOptions['encode'];
  readonly #quality: number;
  readonly #isTurned: boolean;
  #layout: Layout | undefined;
  /** Pixels of a JPEG that are done with, for the next: saves the page faults of a fresh 6 MB. */
  #spare: Buffer | undefined;

  /** @throws RegionError `REGION_INVALID` */
  constructor(options: ViewOptions) {
    const { rotate, flip, regions, quality } = options;
    this.#regions = checkRegions(regions);
    this.#turn = { rotate, flip };
    this.#encode = options.encode;
    this.#quality = quality;
    this.#isTurned = rotate !== 0 || flip !== 'none';
  }

  /** True when every picture passes untouched. */
  get isPlain(): boolean {
    return !this.#changesPixels && this.#encode === 'captured';
  }

  get #changesPixels(): boolean {
    return this.#isTurned || this.#regions.length > 0;
  }

  /**
   * One picture for each region that is a part, in their order, or the whole one where there are
   * none. Regions are worked on one after the other, so that a frame cannot take all threads.
   *
   * @throws DecodeError `IMAGE_INVALID`, `IMAGE_TOO_LARGE`; RegionError `REGION_OUTSIDE` for a mask;
   *   EncodeError `ENCODE_FAILED`
   */
  async apply(image: SourceImage): Promise<(ViewedImage | RefusedRegion)[]> {
    const { bytes, format, width, height, writable = false } = image;
    const target = this.#targetOf(format);
    // PNG has no quality, so that writing it anew would only take time
    if (!this.#changesPixels && (this.isPlain || (target === 'png' && format === 'png'))) {
      return [{ bytes, format, width, height, savedBytes: 0 }];
    }
    const spare = this.#spare;
    this.#spare = undefined;
    const pixels = await decodePixels(bytes, format, width, height, spare);
    const viewed = await this.#view(pixels, pixels.data !== bytes || writable, target);
    if (format === 'jpeg') this.#spare = pixels.data;
    return viewed;
  }

  #targetOf(captured: FrameFormat): Target {
    if (this.#encode !== 'captured') return this.#encode;
    return captured === 'tiff' ? 'png' : captured;
  }

  async #view(source: Pixels, writable: boolean, target: Target): Promise<(ViewedImage | RefusedRegion)[]> {
    const isRaw = target === 'rgb' || target === 'gray';
    const encoding: Encoding = isRaw ? RAW : { format: target, quality: this.#quality };
    const finish = ({ data, width, height, channels }: Pixels): ViewedImage => {
      const savedBytes = Math.max(0, width * height * channels - data.length);
      return { bytes: data, format: target, width, height, savedBytes };
    };
    const { masks, parts } = this.#layoutFor(source);
    const isCopied = masks.length > 0 && !writable;
    const pixels = isCopied ? await encode(source, wholeOf(source), UNTURNED, RAW) : source;
    for (const mask of masks) paintBlack(pixels.data, pixels.width, pixels.channels, mask);

    if (parts.length === 0) {
      if (isRaw && !this.#isTurned) return [finish(pixels)];
      return [finish(await encode(pixels, wholeOf(pixels), this.#turn, encoding))];
    }
    const viewed: (ViewedImage | RefusedRegion)[] = [];
    for (const part of parts) {
      if ('error' in part) {
        viewed.push(part);
      } else {
        // nobody needs what lies around the last part any more
        const mayPaint = (writable || isCopied) && part === parts.at(-1);
        const picture = await this.#cut(pixels, part, mayPaint, encoding);
        viewed.push({ ...finish(picture), region: part.region, box: part.box });
      }
    }
    return viewed;
  }

  /**
   * The box of a part, black outside of its outline. Where `mayPaint` the black goes into the pixels
   * themselves, which saves a copy of the box and half a millisecond of the main thread.
   */
  async #cut(pixels: Pixels, part: Part, mayPaint: boolean, encoding: Encoding): Promise<Pixels> {
    const { sourceBox, outside } = part;
    if (outside.length === 0 || mayPaint) {
      paintBlack(pixels.data, pixels.width, pixels.channels, outside);
      return encode(pixels, sourceBox, this.#turn, encoding);
    }
    const [left, top] = sourceBox;
    const cropped = await encode(pixels, sourceBox, UNTURNED, RAW);
    paintBlack(cropped.data, cropped.width, cropped.channels, shifted(outside, left, top));
    if (encoding.format === 'raw' && !this.#isTurned) return cropped;
    return encode(cropped, wholeOf(cropped), this.#turn, encoding);
  }

  #layoutFor({ width, height }: Pixels): Layout {
    if (this.#layout?.width !== width || this.#layout.height !== height) {
      this.#layout = layOut(this.#regions, this.#turn, width, height);
    }
    return this.#layout;
  }
}
