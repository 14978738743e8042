/**
 * What the pixels of a picture say about the camera: focus, exposure, contrast, colour, and a small
 * luminance picture to see the framing by.
 *
 * Looks at native pixels, because a picture that was made smaller has lost the blur one wants to
 * see, but only at some of them: two rows for each row of the small picture and at most 512 columns,
 * 61 000 pixels of a 1080p picture.
 */

/** Rows without padding, 8 bit: `data.length === width * height * channels`. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  /** Grey, or red, green and blue. */
  channels: 1 | 3;
}

/** Luminance, 0…255, row by row; both sides are powers of two. */
export interface Thumbnail {
  data: Float64Array;
  width: number;
  height: number;
}

export interface Luminance {
  /**
   * Variance of the 4-neighbour Laplacian in squared levels of green, where a sensor with a colour
   * filter has most of its pixels (Pech-Pacheco et al., "Diatom autofocusing in brightfield
   * microscopy", ICPR 2000).
   */
  sharpness: number;
  /**
   * Squared second differences of green over one pixel, of those over two, along and across: about 1
   * for noise, less for every blur, and the same whether a part has much or little to see. It tells
   * what {@link sharpness} cannot where parts differ, and stops falling where all detail is gone.
   */
  fineness: number;
  /** Mean, 0…1. */
  brightness: number;
  /** Standard deviation, 0…0.5. */
  contrast: number;
  /** Share of pixels at the black and at the white end of the range, 0…1. */
  clippedDark: number;
  clippedBright: number;
  /** Medians of Cb and Cr (ITU-R BT.601) against neutral grey, −0.5…0.5; 0 for a grey camera. */
  castBlue: number;
  castRed: number;
}

/** Levels of 0…255 that count as cut off; one beside the end, because a JPEG rounds. */
const DARK_END = 1;
const BRIGHT_END = 254;

/** Sides of a thumbnail: enough for a shift of a tenth of its pixels, little enough for a configuration. */
const LONG_SIDE = 128;
const SHORT_SIDE = 64;
const ROWS_PER_CELL = 2;
const MAX_COLUMNS = 512;
/** Every how many-th sample its colour is looked at. */
const COLOUR_STEP = 8;

/** Weights of red, green and blue in luminance, of 256 (ITU-R BT.601). */
const RED = 77;
const GREEN = 150;
const BLUE = 29;
/** Cb = (B − Y) · 0.564 and Cr = (R − Y) · 0.713 (ITU-R BT.601). */
const CB = 0.564;
const CR = 0.713;

function powerOfTwoIn(side: number, most: number): number {
  return 2 ** Math.floor(Math.log2(Math.min(side, most)));
}

/** Size of the thumbnail of a picture: 128 × 64, or 64 × 128 for an upright one, less for a tiny one. */
export function thumbnailSize(width: number, height: number): { width: number; height: number } {
  const isUpright = height > width;
  return {
    width: powerOfTwoIn(width, isUpright ? SHORT_SIDE : LONG_SIDE),
    height: powerOfTwoIn(height, isUpright ? LONG_SIDE : SHORT_SIDE),
  };
}

interface SampledRow {
  row: number;
  /** True for one row of each row of the thumbnail: enough for the Laplacian, which costs three. */
  isFirst: boolean;
}

/** The rows to look at: as even as can be, at most two for each row of the thumbnail. */
function sampledRows(height: number, cells: number): SampledRow[] {
  const rows: SampledRow[] = [];
  for (let cell = 0; cell < cells; cell += 1) {
    const begin = Math.floor((cell * height) / cells);
    const end = Math.floor(((cell + 1) * height) / cells);
    const count = Math.min(ROWS_PER_CELL, end - begin);
    for (let i = 0; i < count; i += 1) {
      rows.push({ row: begin + Math.floor(((i + 0.5) * (end - begin)) / count), isFirst: i === 0 });
    }
  }
  return rows;
}

function medianOf(histogram: Uint32Array, origin: number): number {
  const count = histogram.reduce((sum, value) => sum + value, 0);
  let seen = 0;
  for (let bin = 0; bin < histogram.length; bin += 1) {
    seen += histogram[bin] as number;
    if (2 * seen >= count && count > 0) return bin - origin;
  }
  return 0;
}

/** Adds up what one pass over the sampled pixels sees. */
class Sampler {
  readonly #pixels: Pixels;
  readonly #size: { width: number; height: number };
  readonly #levels = new Uint32Array(256);
  readonly #blue = new Uint32Array(511);
  readonly #red = new Uint32Array(511);
  /** Sums of luminance and numbers of samples of the thumbnail's pixels. */
  readonly #sums: Float64Array;
  readonly #counts: Uint32Array;
  readonly #firstColumns: Uint32Array;
  #laplacians = 0;
  #laplacianSum = 0;
  #laplacianSquares = 0;
  #nearSquares = 0;
  #farSquares = 0;

  constructor(pixels: Pixels) {
    const { width, height } = pixels;
    const size = thumbnailSize(width, height);
    this.#pixels = pixels;
    this.#size = size;
    this.#sums = new Float64Array(size.width * size.height);
    this.#counts = new Uint32Array(this.#sums.length);
    this.#firstColumns = Uint32Array.from({ length: size.width + 1 }, (_, cell) =>
      Math.floor((cell * width) / size.width),
    );
  }

  run(): void {
    const { width, height, channels } = this.#pixels;
    const step = Math.ceil(width / MAX_COLUMNS);
    const coarse = step === 1 ? 1 : 2 * step;
    sampledRows(height, this.#size.height).forEach(({ row, isFirst }, index) => {
      // every row begins elsewhere, so that upright edges do not jump by whole steps
      this.#addLevels(row, index % step, step);
      if (channels === 3) this.#addColour(row, index % step, COLOUR_STEP * step);
      if (!isFirst) return;
      if (row > 0 && row < height - 1) this.#addLaplacians(row, 1 + (index % step), coarse);
      if (row > 1 && row < height - 2) this.#addDifferences(row, 2 + (index % step), coarse);
    });
  }

  #addLevels(row: number, shifted: number, step: number): void {
    const { data, width, height, channels } = this.#pixels;
    const levels = this.#levels;
    const sums = this.#sums;
    const counts = this.#counts;
    const firstColumns = this.#firstColumns;
    const cells = Math.floor((row * this.#size.height) / height) * this.#size.width;
    const start = row * width;
    let x = shifted;
    for (let cell = 0; cell < this.#size.width; cell += 1) {
      const end = firstColumns[cell + 1] as number;
      let sum = 0;
      let count = 0;
      for (; x < end; x += step) {
        const at = (start + x) * channels;
        const level =
          channels === 1
            ? (data[at] as number)
            : (RED * (data[at] as number) +
                GREEN * (data[at + 1] as number) +
                BLUE * (data[at + 2] as number) +
                128) >>
              8;
        sum += level;
        count += 1;
        levels[level] = (levels[level] as number) + 1;
      }
      sums[cells + cell] = (sums[cells + cell] as number) + sum;
      counts[cells + cell] = (counts[cells + cell] as number) + count;
    }
  }

  #addColour(row: number, first: number, step: number): void {
    const { data, width } = this.#pixels;
    for (let x = first; x < width; x += step) {
      const at = (row * width + x) * 3;
      const red = data[at] as number;
      const blue = data[at + 2] as number;
      const level = (RED * red + GREEN * (data[at + 1] as number) + BLUE * blue + 128) >> 8;
      this.#blue[blue - level + 255] = (this.#blue[blue - level + 255] as number) + 1;
      this.#red[red - level + 255] = (this.#red[red - level + 255] as number) + 1;
    }
  }

  #addLaplacians(row: number, first: number, step: number): void {
    const { data, width, channels } = this.#pixels;
    const stride = width * channels;
    const end = row * stride + (width - 1) * channels;
    let sum = 0;
    let squares = 0;
    let count = 0;
    for (let at = row * stride + first * channels + (channels >> 1); at < end; at += step * channels) {
      const laplacian =
        (data[at - stride] as number) +
        (data[at - channels] as number) +
        (data[at + channels] as number) +
        (data[at + stride] as number) -
        4 * (data[at] as number);
      sum += laplacian;
      squares += laplacian * laplacian;
      count += 1;
    }
    this.#laplacianSum += sum;
    this.#laplacianSquares += squares;
    this.#laplacians += count;
  }

  #addDifferences(row: number, first: number, step: number): void {
    const { data, width, channels } = this.#pixels;
    const stride = width * channels;
    const end = row * stride + (width - 2) * channels;
    let near = 0;
    let far = 0;
    for (let at = row * stride + first * channels + (channels >> 1); at < end; at += step * channels) {
      const twice = 2 * (data[at] as number);
      const nearAlong = (data[at - channels] as number) + (data[at + channels] as number) - twice;
      const nearAcross = (data[at - stride] as number) + (data[at + stride] as number) - twice;
      const farAlong = (data[at - 2 * channels] as number) + (data[at + 2 * channels] as number) - twice;
      const farAcross = (data[at - 2 * stride] as number) + (data[at + 2 * stride] as number) - twice;
      near += nearAlong * nearAlong + nearAcross * nearAcross;
      far += farAlong * farAlong + farAcross * farAcross;
    }
    this.#nearSquares += near;
    this.#farSquares += far;
  }

  luminance(): Luminance {
    let count = 0;
    let sum = 0;
    let squares = 0;
    this.#levels.forEach((pixels, level) => {
      count += pixels;
      sum += pixels * level;
      squares += pixels * level * level;
    });
    const share = (from: number, to: number): number =>
      this.#levels.subarray(from, to + 1).reduce((total, pixels) => total + pixels, 0) / count;
    const mean = sum / count;
    const laplacians = Math.max(1, this.#laplacians);
    const laplacianMean = this.#laplacianSum / laplacians;
    return {
      sharpness: Math.max(0, this.#laplacianSquares / laplacians - laplacianMean ** 2),
      fineness: this.#farSquares > 0 ? this.#nearSquares / this.#farSquares : 0,
      brightness: mean / 255,
      contrast: Math.sqrt(Math.max(0, squares / count - mean ** 2)) / 255,
      clippedDark: share(0, DARK_END),
      clippedBright: share(BRIGHT_END, 255),
      castBlue: (medianOf(this.#blue, 255) * CB) / 255,
      castRed: (medianOf(this.#red, 255) * CR) / 255,
    };
  }

  thumbnail(): Thumbnail {
    const data = this.#sums.map((sum, cell) => sum / Math.max(1, this.#counts[cell] as number));
    return { data, ...this.#size };
  }
}

/** Measures a picture of at least one pixel. */
export function measurePixels(pixels: Pixels): { luminance: Luminance; thumbnail: Thumbnail } {
  const sampler = new Sampler(pixels);
  sampler.run();
  return { luminance: sampler.luminance(), thumbnail: sampler.thumbnail() };
}
