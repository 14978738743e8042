/**
 * RGB rows → RGB rows of another size, in typed loops over a buffer that is reused.
 *
 * Shrinking by more than 2 in either axis averages the area each pixel covers, because bilinear
 * would skip source pixels and a hairline crack with them; otherwise bilinear with pixel centres
 * at half coordinates. The inference host and teaching resize with this file, so that their
 * pixels agree bit for bit.
 */
import type { RgbImage } from './decode.ts';

/** `letterbox` keeps the aspect, puts the picture at the top left and fills the rest with grey 114. */
export type Fit = 'stretch' | 'letterbox';

export interface Target {
  width: number;
  height: number;
  fit: Fit;
}

export interface ResizedImage extends RgbImage {
  /** Pixels of the source for one pixel here: `source x = x * scaleX`; origin is the top left corner of both. */
  scaleX: number;
  scaleY: number;
}

/** The grey that YOLO models were trained to see around a picture. */
const PADDING = 114;

/** Bits of the weights of the bilinear taps; 8 bit of value and twice 11 of weight fit an int32. */
const WEIGHT_BITS = 11;
const WEIGHT_ONE = 1 << WEIGHT_BITS;
const ROUND = 1 << (2 * WEIGHT_BITS - 1);

interface Taps {
  /** Index of the first and of the second source sample for each target sample. */
  first: Int32Array;
  second: Int32Array;
  /** Weight of the second, of WEIGHT_ONE. */
  weight: Int32Array;
}

function bilinearTaps(source: number, target: number): Taps {
  const first = new Int32Array(target);
  const second = new Int32Array(target);
  const weight = new Int32Array(target);
  const scale = source / target;
  for (let i = 0; i < target; i += 1) {
    const position = Math.min(Math.max((i + 0.5) * scale - 0.5, 0), source - 1);
    const low = Math.floor(position);
    first[i] = low;
    second[i] = Math.min(low + 1, source - 1);
    weight[i] = Math.round((position - low) * WEIGHT_ONE);
  }
  return { first, second, weight };
}

function bilinear(image: RgbImage, width: number, height: number, output: Buffer, stride: number): void {
  const { data } = image;
  const columns = bilinearTaps(image.width, width);
  const rows = bilinearTaps(image.height, height);
  const sourceStride = image.width * 3;
  for (let y = 0; y < height; y += 1) {
    const top = (rows.first[y] as number) * sourceStride;
    const bottom = (rows.second[y] as number) * sourceStride;
    const down = rows.weight[y] as number;
    const up = WEIGHT_ONE - down;
    let out = y * stride;
    for (let x = 0; x < width; x += 1) {
      const left = (columns.first[x] as number) * 3;
      const right = (columns.second[x] as number) * 3;
      const after = columns.weight[x] as number;
      const before = WEIGHT_ONE - after;
      for (let channel = 0; channel < 3; channel += 1) {
        const a =
          (data[top + left + channel] as number) * before + (data[top + right + channel] as number) * after;
        const b =
          (data[bottom + left + channel] as number) * before +
          (data[bottom + right + channel] as number) * after;
        output[out] = (a * up + b * down + ROUND) >>> (2 * WEIGHT_BITS);
        out += 1;
      }
    }
  }
}

interface Spans {
  /** First source sample of each target sample and the one after its last. */
  from: Int32Array;
  to: Int32Array;
  /** How much of the first and of the last sample it covers, 0..1; whole ones between. */
  head: Float64Array;
  tail: Float64Array;
}

function areaSpans(source: number, target: number): Spans {
  const from = new Int32Array(target);
  const to = new Int32Array(target);
  const head = new Float64Array(target);
  const tail = new Float64Array(target);
  for (let i = 0; i < target; i += 1) {
    const begin = (i * source) / target;
    const end = ((i + 1) * source) / target;
    const first = Math.floor(begin);
    const last = Math.min(Math.ceil(end), source);
    from[i] = first;
    to[i] = last;
    if (last - first <= 1) {
      // enlarging in this axis while the other shrinks: the sample lies within one source sample
      head[i] = end - begin;
      tail[i] = 0;
    } else {
      head[i] = first + 1 - begin;
      tail[i] = end - (last - 1);
    }
  }
  return { from, to, head, tail };
}

/** Adds one source row, weighted, to the sums of a target row. */
function addRow(data: Buffer, offset: number, columns: Spans, sums: Float64Array, weight: number): void {
  const width = columns.from.length;
  for (let x = 0, sum = 0; x < width; x += 1, sum += 3) {
    const first = offset + (columns.from[x] as number) * 3;
    const last = offset + (columns.to[x] as number) * 3 - 3;
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let i = first + 3; i < last; i += 3) {
      red += data[i] as number;
      green += data[i + 1] as number;
      blue += data[i + 2] as number;
    }
    const head = columns.head[x] as number;
    const tail = columns.tail[x] as number;
    sums[sum] =
      (sums[sum] as number) + weight * (red + head * (data[first] as number) + tail * (data[last] as number));
    sums[sum + 1] =
      (sums[sum + 1] as number) +
      weight * (green + head * (data[first + 1] as number) + tail * (data[last + 1] as number));
    sums[sum + 2] =
      (sums[sum + 2] as number) +
      weight * (blue + head * (data[first + 2] as number) + tail * (data[last + 2] as number));
  }
}

function areaAverage(image: RgbImage, width: number, height: number, output: Buffer, stride: number): void {
  const columns = areaSpans(image.width, width);
  const rows = areaSpans(image.height, height);
  const sums = new Float64Array(width * 3);
  const share = (width * height) / (image.width * image.height);
  for (let y = 0; y < height; y += 1) {
    sums.fill(0);
    const first = rows.from[y] as number;
    const last = (rows.to[y] as number) - 1;
    for (let row = first; row <= last; row += 1) {
      const weight = row === first ? (rows.head[y] as number) : row === last ? (rows.tail[y] as number) : 1;
      if (weight > 0) addRow(image.data, row * image.width * 3, columns, sums, weight);
    }
    const out = y * stride;
    for (let i = 0; i < sums.length; i += 1) output[out + i] = (sums[i] as number) * share + 0.5;
  }
}

function place(image: RgbImage, target: Target): { width: number; height: number } {
  if (target.fit === 'stretch') return { width: target.width, height: target.height };
  const scale = Math.min(target.width / image.width, target.height / image.height);
  return {
    width: Math.max(1, Math.min(target.width, Math.round(image.width * scale))),
    height: Math.max(1, Math.min(target.height, Math.round(image.height * scale))),
  };
}

/**
 * Resizes into `output` where it has the right length, else into a new buffer. An image that has
 * the size already is returned as it is, without a copy.
 */
export function resizeRgb(image: RgbImage, target: Target, output?: Buffer): ResizedImage {
  const { width, height } = place(image, target);
  const scaleX = image.width / width;
  const scaleY = image.height / height;
  const isWhole = width === target.width && height === target.height;
  if (isWhole && scaleX === 1 && scaleY === 1) return { ...image, scaleX, scaleY };

  const length = target.width * target.height * 3;
  const data = output?.length === length ? output : Buffer.allocUnsafeSlow(length);
  const stride = target.width * 3;
  if (!isWhole) data.fill(PADDING);
  if (scaleX > 2 || scaleY > 2) areaAverage(image, width, height, data, stride);
  else bilinear(image, width, height, data, stride);
  return { data, width: target.width, height: target.height, scaleX, scaleY };
}
