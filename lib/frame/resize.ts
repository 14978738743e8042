/**
 * RGB rows → RGB rows of another size, in typed loops over a buffer that is reused.
 *
 * Shrinking in either axis averages the area each pixel covers, because bilinear would skip source
 * pixels and a hairline crack with them: on pictures shrunk by 1.3 × 1.7 the anomaly
 * model's AUROC was 0.949 with bilinear and 0.986 with areas, at the same seed. Enlarging is bilinear
 * with pixel centres at half coordinates. The inference host and teaching resize with this file, so
 * that their pixels agree bit for bit.
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
export const PADDING = 114;

/** Bits of the weights of the bilinear taps; 8 bit of value and twice 11 of weight fit an int32. */
const WEIGHT_BITS = 11;
const WEIGHT_ONE = 1 << WEIGHT_BITS;
const ROUND = 1 << (2 * WEIGHT_BITS - 1);

/** Rows that lie `stride` bytes apart: a part of a larger picture, read where it is. */
export interface RgbWindow extends RgbImage {
  stride?: number;
}

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

function bilinear(image: RgbWindow, width: number, height: number, output: Buffer, stride: number): void {
  const { data } = image;
  const columns = bilinearTaps(image.width, width);
  const rows = bilinearTaps(image.height, height);
  const sourceStride = strideOf(image);
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
      // four corners, the same for the three channels; written out, because a loop of 3 takes twice as long
      const topLeft = Math.imul(before, up);
      const topRight = Math.imul(after, up);
      const bottomLeft = Math.imul(before, down);
      const bottomRight = Math.imul(after, down);
      const a = top + left;
      const b = top + right;
      const c = bottom + left;
      const d = bottom + right;
      output[out] =
        (Math.imul(topLeft, data[a] as number) +
          Math.imul(topRight, data[b] as number) +
          Math.imul(bottomLeft, data[c] as number) +
          Math.imul(bottomRight, data[d] as number) +
          ROUND) >>>
        (2 * WEIGHT_BITS);
      output[out + 1] =
        (Math.imul(topLeft, data[a + 1] as number) +
          Math.imul(topRight, data[b + 1] as number) +
          Math.imul(bottomLeft, data[c + 1] as number) +
          Math.imul(bottomRight, data[d + 1] as number) +
          ROUND) >>>
        (2 * WEIGHT_BITS);
      output[out + 2] =
        (Math.imul(topLeft, data[a + 2] as number) +
          Math.imul(topRight, data[b + 2] as number) +
          Math.imul(bottomLeft, data[c + 2] as number) +
          Math.imul(bottomRight, data[d + 2] as number) +
          ROUND) >>>
        (2 * WEIGHT_BITS);
      out += 3;
    }
  }
}

/** The source samples each target sample covers, with the share of the first and of the last. */
interface Spans {
  first: Int32Array;
  last: Int32Array;
  firstShare: Float64Array;
  /** 0 where first and last are the same. */
  lastShare: Float64Array;
}

function areaSpans(source: number, target: number): Spans {
  const first = new Int32Array(target);
  const last = new Int32Array(target);
  const firstShare = new Float64Array(target);
  const lastShare = new Float64Array(target);
  for (let i = 0; i < target; i += 1) {
    const begin = (i * source) / target;
    const end = ((i + 1) * source) / target;
    const low = Math.floor(begin);
    const high = Math.min(Math.ceil(end), source) - 1;
    first[i] = low;
    last[i] = high;
    firstShare[i] = high > low ? low + 1 - begin : end - begin;
    lastShare[i] = high > low ? end - high : 0;
  }
  return { first, last, firstShare, lastShare };
}

/**
 * Bits of a whole row's weight in the sums of a column, so that shares of a row are integers too: as
 * many as `rows` rows of white leave room for in an int32. Twelve keep a row that is stretched over
 * twenty to a tenth of a grey level.
 */
function rowWeightBits(rows: number): number {
  return Math.min(12, Math.floor(Math.log2(2 ** 31 / (255 * rows))));
}

/**
 * Sums the rows `first`…`last` of a column into `sums`, the outer two by their weights, four of
 * the others in one go: adding row by row costs a load and a store more for each.
 */
function sumRows(
  data: Buffer,
  stride: number,
  first: number,
  last: number,
  weights: [number, number],
  bits: number,
  sums: Int32Array,
): void {
  const [firstWeight, lastWeight] = weights;
  const { length } = sums;
  const top = first * stride;
  const bottom = last * stride;
  for (let i = 0; i < length; i += 1) {
    sums[i] =
      Math.imul(firstWeight, data[top + i] as number) + Math.imul(lastWeight, data[bottom + i] as number);
  }
  let row = first + 1;
  for (; row + 3 < last; row += 4) {
    const a = row * stride;
    const b = a + stride;
    const c = b + stride;
    const d = c + stride;
    for (let i = 0; i < length; i += 1) {
      const four =
        (data[a + i] as number) + (data[b + i] as number) + (data[c + i] as number) + (data[d + i] as number);
      sums[i] = (sums[i] as number) + (four << bits);
    }
  }
  for (; row < last; row += 1) {
    const a = row * stride;
    for (let i = 0; i < length; i += 1) sums[i] = (sums[i] as number) + ((data[a + i] as number) << bits);
  }
}

/** Averages the column sums over the columns of each target pixel; `share` undoes their weight. */
function averageColumns(
  sums: Int32Array,
  columns: Spans,
  share: number,
  output: Buffer,
  offset: number,
): void {
  for (let x = 0, out = offset; x < columns.first.length; x += 1, out += 3) {
    const first = (columns.first[x] as number) * 3;
    const last = (columns.last[x] as number) * 3;
    const firstShare = columns.firstShare[x] as number;
    const lastShare = columns.lastShare[x] as number;
    let red = firstShare * (sums[first] as number) + lastShare * (sums[last] as number);
    let green = firstShare * (sums[first + 1] as number) + lastShare * (sums[last + 1] as number);
    let blue = firstShare * (sums[first + 2] as number) + lastShare * (sums[last + 2] as number);
    for (let i = first + 3; i < last; i += 3) {
      red += sums[i] as number;
      green += sums[i + 1] as number;
      blue += sums[i + 2] as number;
    }
    output[out] = red * share + 0.5;
    output[out + 1] = green * share + 0.5;
    output[out + 2] = blue * share + 0.5;
  }
}

function areaAverage(image: RgbWindow, width: number, height: number, output: Buffer, stride: number): void {
  const columns = areaSpans(image.width, width);
  const rows = areaSpans(image.height, height);
  const sums = new Int32Array(image.width * 3);
  const bits = rowWeightBits(Math.ceil(image.height / height) + 2);
  const whole = 1 << bits;
  for (let y = 0; y < height; y += 1) {
    const first = rows.first[y] as number;
    const last = rows.last[y] as number;
    const firstWeight = Math.max(1, Math.round((rows.firstShare[y] as number) * whole));
    const lastWeight = Math.round((rows.lastShare[y] as number) * whole);
    const weight = firstWeight + lastWeight + Math.max(0, last - first - 1) * whole;
    sumRows(image.data, strideOf(image), first, last, [firstWeight, lastWeight], bits, sums);
    averageColumns(sums, columns, width / (image.width * weight), output, y * stride);
  }
}

/** The part of the target that the picture fills, from its top left corner. */
export function placedIn(
  image: Pick<RgbImage, 'width' | 'height'>,
  target: Target,
): { width: number; height: number } {
  if (target.fit === 'stretch') return { width: target.width, height: target.height };
  const scale = Math.min(target.width / image.width, target.height / image.height);
  return {
    width: Math.max(1, Math.min(target.width, Math.round(image.width * scale))),
    height: Math.max(1, Math.min(target.height, Math.round(image.height * scale))),
  };
}

export function strideOf({ width, stride = width * 3 }: RgbWindow): number {
  return stride;
}

/**
 * Resizes into `output` where it has the right length, else into a new buffer. An image that has
 * the size already is returned as it is, without a copy, unless its rows lie apart.
 */
export function resizeRgb(image: RgbWindow, target: Target, output?: Buffer): ResizedImage {
  const { width, height } = placedIn(image, target);
  const scaleX = image.width / width;
  const scaleY = image.height / height;
  const isWhole = width === target.width && height === target.height;
  const isSame = isWhole && scaleX === 1 && scaleY === 1;
  const stride = target.width * 3;
  if (isSame && strideOf(image) === stride) return { data: image.data, width, height, scaleX, scaleY };

  const length = stride * target.height;
  const data = output?.length === length ? output : Buffer.allocUnsafeSlow(length);
  if (!isWhole) data.fill(PADDING);
  if (scaleX > 1 || scaleY > 1) areaAverage(image, width, height, data, stride);
  else bilinear(image, width, height, data, stride);
  return { data, width: target.width, height: target.height, scaleX, scaleY };
}
