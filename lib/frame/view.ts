/**
 * What of a camera's picture goes on its way: turned, with masked areas black, cut into regions, and
 * in the encoding that was asked for. A mask is painted into decoded pixels, which are then encoded
 * anew without metadata: neither the picture nor a thumbnail keeps what lay under it. In a lossy
 * picture (JPEG, WebP) the compression smears up to 16 pixels across the edge of a mask before we
 * get it, so what is private needs that much margin.
 *
 * Decoding, turning, cutting and encoding run in threads of sharp and jpeg-turbo. The main thread
 * only paints runs of black: 0.1 ms for half of a 1080p picture. With all that surrounds it one
 * frame costs the main thread MAIN_MS (`node bench/view.ts`, process.threadCpuUsage).
 */
import { decodePixels, type Pixels } from './decode.ts';
import { encode, type Encoding, type Flip, type Rotation, type Shape } from './encode.ts';
import type { FrameFormat } from './frame.ts';
import { boxAround, paintBlack, runsInside, runsOutside, type Box, type Runs } from './polygon.ts';
import { checkRegions, RegionError, type Region } from './region.ts';

export interface ViewOptions {
  /** Degrees clockwise. */
  rotate: Rotation;
  /** After the rotation: left–right (`horizontal`) or top–bottom. */
  flip: Flip;
  /** In pixels of the turned picture. */
  regions: readonly Region[];
  /**
   * `captured` leaves an untouched picture's bytes as they came; a changed one comes out in the
   * format it had, TIFF as PNG. PNG and TIFF of 16 bit come out with 8.
   */
  encode: 'captured' | 'jpeg' | 'webp' | 'png';
  /** 1 to 100, for JPEG and WebP. */
  quality: number;
}

export interface SourceImage {
  /** Handed over: raw rows may be painted into. */
  bytes: Buffer;
  format: FrameFormat;
  width: number;
  height: number;
}

export interface ViewedImage extends SourceImage {
  /** Name of the region this is; absent for the whole picture. */
  region?: string;
  /** Where the region lies in the turned picture. */
  box?: Box;
  /** What encoding took off the raw pixels of this picture; 0 where nothing was encoded. */
  savedBytes: number;
}

/** A region that holds no pixel of this picture, usually because the camera now sends another size. */
export interface RefusedRegion {
  region: string;
  error: RegionError;
}

/** A region that becomes a part, for pictures of one size. */
interface Part {
  region: string;
  box: Box;
  /** What of the box lies outside of the outline. */
  outside: Runs;
}

/** The regions on pictures of one size. */
interface Layout {
  width: number;
  height: number;
  masks: Runs[];
  parts: (Part | RefusedRegion)[];
}

function outsideOf({ name, kind }: Region, width: number, height: number): RegionError {
  const what = kind === 'mask' ? 'mask' : 'region';
  return new RegionError(
    'REGION_OUTSIDE',
    `${what} ${name} holds no pixel of the ${width} × ${height} picture`,
    {
      hint: 'Draw it again on a picture of this camera, or set the camera back to the size it had.',
    },
  );
}

/**
 * @throws RegionError `REGION_OUTSIDE` for a mask: what it should hide is somewhere else then, so
 *   nothing of the picture may go out
 */
function layOut(regions: readonly Region[], width: number, height: number): Layout {
  const layout: Layout = { width, height, masks: [], parts: [] };
  for (const region of regions) {
    const runs = runsInside(region.points, width, height);
    const box = boxAround(runs);
    if (region.kind === 'mask') {
      if (box === undefined) throw outsideOf(region, width, height);
      layout.masks.push(runs);
    } else if (box === undefined) {
      layout.parts.push({ region: region.name, error: outsideOf(region, width, height) });
    } else {
      layout.parts.push({ region: region.name, box, outside: runsOutside(runs, box) });
    }
  }
  return layout;
}

export class View {
  readonly #options: ViewOptions;
  readonly #turn: Shape;
  readonly #isTurned: boolean;
  #layout: Layout | undefined;
  /** Pixels of a JPEG that are done with, for the next: saves the page faults of a fresh 6 MB. */
  #spare: Buffer | undefined;

  /** @throws RegionError `REGION_INVALID` */
  constructor(options: ViewOptions) {
    const { rotate, flip } = options;
    this.#options = { ...options, regions: checkRegions(options.regions) };
    this.#turn = { rotate, flip };
    this.#isTurned = rotate !== 0 || flip !== 'none';
  }

  /** True when every picture passes untouched. */
  get isPlain(): boolean {
    return !this.#changesPixels && this.#options.encode === 'captured';
  }

  get #changesPixels(): boolean {
    return this.#isTurned || this.#options.regions.length > 0;
  }

  /**
   * One picture for each region that is a part, in their order, or the whole one where there are
   * none. Regions are worked on one after the other, so that a frame cannot take all threads.
   *
   * @throws DecodeError `IMAGE_INVALID`, `IMAGE_TOO_LARGE`; RegionError `REGION_OUTSIDE` for a mask;
   *   EncodeError `ENCODE_FAILED`
   */
  async apply(image: SourceImage): Promise<(ViewedImage | RefusedRegion)[]> {
    const { format, width, height } = image;
    const target = this.#targetOf(format);
    // PNG has no quality, so that writing it anew would only take time
    const isSame = this.isPlain || (target === 'png' && format === 'png');
    if (isSame && !this.#changesPixels) return [{ ...image, savedBytes: 0 }];

    const spare = this.#spare;
    this.#spare = undefined;
    const decoded = await decodePixels(image.bytes, format, width, height, spare);
    const viewed = await this.#view(decoded, target);
    if (format === 'jpeg') this.#spare = decoded.data;
    return viewed;
  }

  #targetOf(captured: FrameFormat): Exclude<FrameFormat, 'tiff'> {
    if (this.#options.encode !== 'captured') return this.#options.encode;
    return captured === 'tiff' ? 'png' : captured;
  }

  async #view(
    decoded: Pixels,
    target: Exclude<FrameFormat, 'tiff'>,
  ): Promise<(ViewedImage | RefusedRegion)[]> {
    const isRaw = target === 'rgb' || target === 'gray';
    const encoding: Encoding = isRaw ? { format: 'raw' } : { format: target, quality: this.#options.quality };
    const finish = ({ data, width, height, channels }: Pixels): ViewedImage => {
      const savedBytes = Math.max(0, width * height * channels - data.length);
      return { bytes: data, format: target, width, height, savedBytes };
    };
    if (this.#options.regions.length === 0) return [finish(await encode(decoded, this.#turn, encoding))];

    const turned = this.#isTurned ? await encode(decoded, this.#turn, { format: 'raw' }) : decoded;
    const { width, height, channels } = turned;
    const layout = this.#layoutOf(width, height);
    for (const mask of layout.masks) paintBlack(turned.data, width, channels, mask);
    if (layout.parts.length === 0) {
      const whole: Box = [0, 0, width, height];
      return [finish(isRaw ? turned : await encode(turned, { box: whole }, encoding))];
    }
    const viewed: (ViewedImage | RefusedRegion)[] = [];
    for (const part of layout.parts) {
      if ('error' in part) {
        viewed.push(part);
      } else {
        const pixels = await cut(turned, part, part === layout.parts.at(-1), encoding);
        viewed.push({ ...finish(pixels), region: part.region, box: part.box });
      }
    }
    return viewed;
  }

  #layoutOf(width: number, height: number): Layout {
    if (this.#layout?.width !== width || this.#layout.height !== height) {
      this.#layout = layOut(this.#options.regions, width, height);
    }
    return this.#layout;
  }
}

/**
 * The box of a part, black outside of its outline. The last part of a picture may paint into the
 * picture itself, which saves a copy of the box and half a millisecond of the main thread.
 */
async function cut(turned: Pixels, part: Part, isLast: boolean, encoding: Encoding): Promise<Pixels> {
  const { box, outside } = part;
  if (outside.length === 0 || isLast) {
    paintBlack(turned.data, turned.width, turned.channels, outside);
    return encode(turned, { box }, encoding);
  }
  const [left, top, width, height] = box;
  const pixels = await encode(turned, { box }, { format: 'raw' });
  paintBlack(pixels.data, width, pixels.channels, outside, left, top);
  return encoding.format === 'raw' ? pixels : encode(pixels, { box: [0, 0, width, height] }, encoding);
}
