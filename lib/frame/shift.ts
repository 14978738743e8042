/**
 * How far a picture lies from where a reference picture lies, to a fraction of a pixel.
 *
 * Phase correlation: the cross power spectrum, divided by its magnitude, turned back, is a peak
 * where the shift is, whatever the light (Kuglin and Hines, "The phase correlation image alignment
 * method", 1975). High frequencies are damped by a Gaussian: they hold noise and the 8 × 8 blocks of
 * a JPEG, which stand still when the scene moves. The damping also gives the peak a known shape, a
 * Gaussian, so that its top lies where the logarithms of three samples say.
 */
import type { Thumbnail } from './luminance.ts';

export interface Shift {
  /** Pixels of the thumbnail to the right and down. */
  x: number;
  y: number;
  /** Height of the peak: 1 where nothing but the position differs, about 0.15 where nothing fits. */
  quality: number;
}

/** Standard deviation of the damping, in cycles per pixel of the thumbnail. */
const BANDWIDTH = 0.12;
/** Share of each side over which the picture fades out, because a transform wraps around. */
const FADE = 0.12;

/** A second look costs as much as the first; good frames, which lie within this of the reference, are spared it. */
const AT_REST = 0.25;

/** Transforms rows of complex numbers in place; lengths are powers of two. */
class Fourier {
  readonly #length: number;
  readonly #cosine: Float64Array;
  readonly #sine: Float64Array;
  readonly #reversed: Uint16Array;

  constructor(length: number) {
    this.#length = length;
    this.#cosine = Float64Array.from({ length: length / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / length));
    this.#sine = Float64Array.from({ length: length / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / length));
    const bits = Math.log2(length);
    this.#reversed = Uint16Array.from({ length }, (_, i) => {
      let reversed = 0;
      for (let bit = 0; bit < bits; bit += 1) if (i & (1 << bit)) reversed |= 1 << (bits - 1 - bit);
      return reversed;
    });
  }

  /** Cooley–Tukey, radix 2, in time, for `length` values beginning at `offset`. */
  forward(real: Float64Array, imaginary: Float64Array, offset: number): void {
    const length = this.#length;
    const cosines = this.#cosine;
    const sines = this.#sine;
    const reversed = this.#reversed;
    for (let i = 0; i < length; i += 1) {
      const j = reversed[i] as number;
      if (j <= i) continue;
      const a = offset + i;
      const b = offset + j;
      const swapReal = real[a] as number;
      real[a] = real[b] as number;
      real[b] = swapReal;
      const swapImaginary = imaginary[a] as number;
      imaginary[a] = imaginary[b] as number;
      imaginary[b] = swapImaginary;
    }
    for (let half = 1; half < length; half *= 2) {
      const turn = length / (2 * half);
      for (let block = offset; block < offset + length; block += 2 * half) {
        for (let k = 0, twiddle = 0; k < half; k += 1, twiddle += turn) {
          const a = block + k;
          const b = a + half;
          const cosine = cosines[twiddle] as number;
          const sine = sines[twiddle] as number;
          const re = (real[b] as number) * cosine - (imaginary[b] as number) * sine;
          const im = (real[b] as number) * sine + (imaginary[b] as number) * cosine;
          real[b] = (real[a] as number) - re;
          imaginary[b] = (imaginary[a] as number) - im;
          real[a] = (real[a] as number) + re;
          imaginary[a] = (imaginary[a] as number) + im;
        }
      }
    }
  }
}

function fade(index: number, length: number): number {
  const inside = Math.min(index + 0.5, length - index - 0.5) / length;
  return inside < FADE ? Math.sin((Math.PI / 2) * (inside / FADE)) ** 2 : 1;
}

/** Top of a Gaussian through three samples, against the middle one. */
function topOf(before: number, middle: number, after: number): number {
  if (!(before > 0 && middle > 0 && after > 0)) return 0;
  const [a, b, c] = [Math.log(before), Math.log(middle), Math.log(after)];
  const curvature = a - 2 * b + c;
  return curvature < 0 ? Math.max(-0.5, Math.min(0.5, (a - c) / (2 * curvature))) : 0;
}

/** A reference picture that others are compared with. */
export class ShiftReference {
  readonly #width: number;
  readonly #height: number;
  readonly #rows: Fourier;
  readonly #columns: Fourier;
  /** Weight of each pixel: what moves by itself has little, the border none. */
  readonly #window: Float64Array;
  /** Columns of the spectrum that the damping leaves something of. */
  readonly #kept: number;
  /** Spectrum of the reference and the damping, column by column. */
  readonly #reference: [real: Float64Array, imaginary: Float64Array];
  readonly #damping: Float64Array;
  readonly #dampingSum: number;
  readonly #spectrum: [real: Float64Array, imaginary: Float64Array];
  /** Two rows of the picture as the two parts of a complex one. */
  readonly #pair: [real: Float64Array, imaginary: Float64Array];
  readonly #surface: Float64Array;

  /** `steadiness` has a weight 0…1 for each pixel of the thumbnail, whose sides are at least 2. */
  constructor(reference: Thumbnail, steadiness: Float64Array) {
    const { width, height } = reference;
    this.#width = width;
    this.#height = height;
    this.#rows = new Fourier(width);
    this.#columns = new Fourier(height);
    this.#window = steadiness.map(
      (weight, i) => weight * fade(i % width, width) * fade(Math.floor(i / width), height),
    );
    this.#kept = Math.min(width / 2, Math.ceil(3 * BANDWIDTH * width)) + 1;
    this.#damping = new Float64Array(this.#kept * height);
    this.#dampingSum = this.#damp();
    this.#spectrum = [new Float64Array(this.#kept * height), new Float64Array(this.#kept * height)];
    this.#pair = [new Float64Array(width), new Float64Array(width)];
    this.#surface = new Float64Array(width * height);
    this.#transform(reference, 0, 0);
    this.#reference = [Float64Array.from(this.#spectrum[0]), Float64Array.from(this.#spectrum[1])];
  }

  /**
   * Where the picture lies against the reference; both have the same size. The weights belong to the
   * scene: when it has moved, they move with it and it is looked at again, because weights that stay
   * pull the peak to where they are.
   */
  measure(picture: Thumbnail): Shift {
    const first = this.#correlate(picture, 0, 0);
    if (Math.hypot(first.x, first.y) < AT_REST) return first;
    const second = this.#correlate(picture, first.x, first.y);
    return second.quality > first.quality ? second : first;
  }

  #correlate(picture: Thumbnail, columns: number, rows: number): Shift {
    this.#transform(picture, columns, rows);
    const [real, imaginary] = this.#spectrum;
    const [referenceReal, referenceImaginary] = this.#reference;
    const damping = this.#damping;
    for (let i = 0; i < real.length; i += 1) {
      const a = real[i] as number;
      const b = imaginary[i] as number;
      const c = referenceReal[i] as number;
      const d = referenceImaginary[i] as number;
      // conjugated, because turning back a real picture by a forward transform needs that
      const re = a * c + b * d;
      const im = a * d - b * c;
      const scale = (damping[i] as number) / (Math.sqrt(re * re + im * im) + 1e-9);
      real[i] = re * scale;
      imaginary[i] = im * scale;
    }
    this.#transformBack();
    return this.#peak(this.#surface);
  }

  /** Returns the sum of the whole, of which half the columns are kept: the others mirror them. */
  #damp(): number {
    const width = this.#width;
    const height = this.#height;
    let sum = 0;
    for (let i = 0; i < this.#damping.length; i += 1) {
      const column = Math.floor(i / height);
      const y = (i % height) / height;
      const squared = (column / width) ** 2 + Math.min(y, 1 - y) ** 2;
      const weight = Math.exp(-squared / (2 * BANDWIDTH ** 2));
      this.#damping[i] = weight;
      sum += column === 0 || column === width / 2 ? weight : 2 * weight;
    }
    return sum;
  }

  /** Spectrum of a picture that is weighted, by weights moved as said, and free of its mean. */
  #transform({ data }: Thumbnail, columns: number, rows: number): void {
    const width = this.#width;
    const height = this.#height;
    const kept = this.#kept;
    const window = columns === 0 && rows === 0 ? this.#window : this.#movedWindow(columns, rows);
    const [first, second] = this.#pair;
    const [real, imaginary] = this.#spectrum;
    let sum = 0;
    let weights = 0;
    for (let i = 0; i < data.length; i += 1) {
      sum += (data[i] as number) * (window[i] as number);
      weights += window[i] as number;
    }
    const mean = weights > 0 ? sum / weights : 0;
    for (let y = 0; y < height; y += 2) {
      const row = y * width;
      for (let x = 0; x < width; x += 1) {
        const below = row + width + x;
        first[x] = ((data[row + x] as number) - mean) * (window[row + x] as number);
        second[x] = ((data[below] as number) - mean) * (window[below] as number);
      }
      this.#rows.forward(first, second, 0);
      // the even part of the sum is the first row's, the odd part the second one's
      for (let x = 0; x < kept; x += 1) {
        const mirror = (width - x) & (width - 1);
        const at = x * height + y;
        real[at] = ((first[x] as number) + (first[mirror] as number)) / 2;
        imaginary[at] = ((second[x] as number) - (second[mirror] as number)) / 2;
        real[at + 1] = ((second[x] as number) + (second[mirror] as number)) / 2;
        imaginary[at + 1] = ((first[mirror] as number) - (first[x] as number)) / 2;
      }
    }
    for (let x = 0; x < this.#kept; x += 1) this.#columns.forward(real, imaginary, x * height);
  }

  #movedWindow(columns: number, rows: number): Float64Array {
    const width = this.#width;
    const left = Math.ceil(columns);
    const above = Math.ceil(rows);
    const right = left - columns;
    const below = above - rows;
    const at = (x: number, y: number): number =>
      x < 0 || x >= width || y < 0 || y >= this.#height ? 0 : (this.#window[y * width + x] as number);
    return this.#window.map((_, i) => {
      const x = (i % width) - left;
      const y = Math.floor(i / width) - above;
      return (
        (at(x, y) * (1 - right) + at(x + 1, y) * right) * (1 - below) +
        (at(x, y + 1) * (1 - right) + at(x + 1, y + 1) * right) * below
      );
    });
  }

  #transformBack(): void {
    const width = this.#width;
    const height = this.#height;
    const [first, second] = this.#pair;
    const [real, imaginary] = this.#spectrum;
    const surface = this.#surface;
    const kept = this.#kept;
    for (let x = 0; x < this.#kept; x += 1) this.#columns.forward(real, imaginary, x * height);
    for (let y = 0; y < height; y += 2) {
      first.fill(0);
      second.fill(0);
      for (let x = 0; x < kept; x += 1) {
        const at = x * height + y;
        const mirror = (width - x) & (width - 1);
        first[mirror] = (real[at] as number) + (imaginary[at + 1] as number);
        second[mirror] = (real[at + 1] as number) - (imaginary[at] as number);
        first[x] = (real[at] as number) - (imaginary[at + 1] as number);
        second[x] = (imaginary[at] as number) + (real[at + 1] as number);
      }
      this.#rows.forward(first, second, 0);
      surface.set(first, y * width);
      surface.set(second, (y + 1) * width);
    }
  }

  #peak(surface: Float64Array): Shift {
    const width = this.#width;
    const height = this.#height;
    let top = 0;
    for (let i = 1; i < surface.length; i += 1) {
      if ((surface[i] as number) > (surface[top] as number)) top = i;
    }
    const column = top % width;
    const row = Math.floor(top / width);
    const at = (x: number, y: number): number =>
      surface[((y + height) % height) * width + ((x + width) % width)] as number;
    const middle = at(column, row);
    const x = column + topOf(at(column - 1, row), middle, at(column + 1, row));
    const y = row + topOf(at(column, row - 1), middle, at(column, row + 1));
    return {
      x: x > width / 2 ? x - width : x,
      y: y > height / 2 ? y - height : y,
      quality: this.#dampingSum > 0 ? Math.max(0, middle / this.#dampingSum) : 0,
    };
  }
}
