/**
 * Output of a semantic segmentation → the class of every pixel that shows the frame.
 *
 * - C channels: the highest one is the class (argmax), whether logits or probabilities.
 * - one channel of floats: class 1 where the probability is at least `threshold`; of logits the sigmoid is the
 *   probability. `score-kind.ts` says which they are.
 * - one channel of whole numbers (int64, int32, uint8, bool): the classes themselves.
 *
 * The scan goes row by row and channel by channel in typed arrays: a row of the best values stays in the
 * processor's cache, however many channels there are.
 */
import { InferenceError } from '../errors.ts';
import type { MaskGrid, MaskView } from './mask-grid.ts';
import { SLACK, type ScoreKind } from './score-kind.ts';

export interface ClassMap {
  /** Class + `offset` of every pixel of the grid, row by row; 0 where nothing is. */
  values: Uint16Array;
  /** 0 where class 0 is the background, else 1. */
  offset: 0 | 1;
  /** Probability that a pixel is of the class it was given; undefined where the graph gives classes only. */
  probability?: (column: number, row: number, index: number) => number;
  /** Numbers that are read for one probability. */
  channels: number;
}

/** Highest class number that is told from others. */
const MOST_CLASSES = 65_534;

export function notFinite(): InferenceError {
  return new InferenceError('SCORE_NOT_FINITE', 'a pixel of the mask is not a finite number', {
    hint: 'The model or its input is broken; nothing may be accepted on this prediction.',
  });
}

export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

const AS_FLOAT = new Float32Array(1);
const AS_BITS = new Uint32Array(AS_FLOAT.buffer);

/** The bits of a float: those of positive ones rise with them. */
function bitsOf(value: number): number {
  AS_FLOAT[0] = value;
  return AS_BITS[0] as number;
}

/** What is negative, infinite or no number has higher bits still. */
const MOST_BITS = bitsOf(1 + SLACK);
/** Of −0, the lowest bits of what is negative; they rise towards −∞. */
const NEGATIVE_BITS = 0x80_00_00_00;
const MOST_NEGATIVE_BITS = bitsOf(-SLACK);
const EXPONENT = 0x7f_80_00_00;

/**
 * 1 where the bits are at least those of `threshold`, one comparison more for each pixel to know that all are
 * probabilities. Undefined where one is not. Slightly below 0 counts as 0.
 */
function ofProbabilities(
  { data, rowStep, pixelStep }: MaskView,
  { columns, rows }: MaskGrid,
  threshold: number,
): { values: Uint16Array; isBlank: boolean } | undefined {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const least = bitsOf(threshold);
  const values = new Uint16Array(columns * rows);
  let seen = 0;
  for (let row = 0, pixel = 0; row < rows; row += 1) {
    let at = row * rowStep;
    for (let column = 0; column < columns; column += 1, pixel += 1, at += pixelStep) {
      const value = bits[at] as number;
      seen |= value;
      if (value > MOST_BITS) {
        if (value < NEGATIVE_BITS || value > MOST_NEGATIVE_BITS) return undefined;
      } else if (value >= least) values[pixel] = 1;
    }
  }
  return { values, isBlank: (seen & ~NEGATIVE_BITS) === 0 };
}

/** 1 where the value is at least `least`. @throws InferenceError `SCORE_NOT_FINITE` */
function ofNumbers(
  { data, rowStep, pixelStep }: MaskView,
  { columns, rows }: MaskGrid,
  least: number,
): Uint16Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const values = new Uint16Array(columns * rows);
  for (let row = 0, pixel = 0; row < rows; row += 1) {
    let at = row * rowStep;
    for (let column = 0; column < columns; column += 1, pixel += 1, at += pixelStep) {
      if (((bits[at] as number) & EXPONENT) === EXPONENT) throw notFinite();
      if ((data[at] as number) >= least) values[pixel] = 1;
    }
  }
  return values;
}

/** One channel of probabilities or logits. @throws InferenceError `SCORE_NOT_FINITE`, `MODEL_OUTPUT_UNSUPPORTED` */
export function thresholdMap(view: MaskView, grid: MaskGrid, threshold: number, kind: ScoreKind): ClassMap {
  const { data, rowStep, pixelStep } = view;
  const ready = kind.isReady === false ? undefined : ofProbabilities(view, grid, threshold);
  const values = ready?.values;
  const given =
    values ??
    ofNumbers(view, grid, kind.isReady === true ? threshold : Math.log(threshold / (1 - threshold)));
  const isReady = kind.settle(ready !== undefined, ready?.isBlank ?? false);
  const probability = (column: number, row: number): number => {
    const value = data[row * rowStep + column * pixelStep] as number;
    return isReady ? value : sigmoid(value);
  };
  return { values: given, offset: 0, probability, channels: 1 };
}

/**
 * One channel of class numbers; below 0 is nothing.
 *
 * @throws InferenceError `RUN_FAILED` for a number that can be no class
 */
export function numberMap(view: MaskView, { columns, rows }: MaskGrid, hasBackground: boolean): ClassMap {
  const { data, rowStep, pixelStep } = view;
  const offset = hasBackground ? 0 : 1;
  const values = new Uint16Array(columns * rows);
  let highest = 0;
  for (let row = 0, pixel = 0; row < rows; row += 1) {
    let at = row * rowStep;
    for (let column = 0; column < columns; column += 1, pixel += 1, at += pixelStep) {
      const value = data[at] as number;
      if (value > highest) highest = value;
      if (value >= 0) values[pixel] = value + offset;
    }
  }
  if (highest > MOST_CLASSES) {
    throw new InferenceError('RUN_FAILED', `the mask has a class ${highest}; ${MOST_CLASSES} is the highest`);
  }
  return { values, offset, channels: 1 };
}

/**
 * Writes the channel with the highest value, the lower one of equals, for each pixel of a row.
 *
 * @returns false where a value is no number or the highest is infinite; −∞ only rules a class out
 */
function bestOfRow(view: MaskView, row: number, best: Float32Array, found: Uint16Array): boolean {
  const { data, channels, channelStep, rowStep, pixelStep } = view;
  const columns = best.length;
  let isSound = true;
  if (pixelStep === 1) {
    best.set(data.subarray(row * rowStep, row * rowStep + columns));
    for (let channel = 1; channel < channels; channel += 1) {
      const offset = channel * channelStep + row * rowStep;
      for (let column = 0; column < columns; column += 1) {
        const value = data[offset + column] as number;
        if (value > (best[column] as number)) {
          best[column] = value;
          found[column] = channel;
        } else if (Number.isNaN(value)) isSound = false;
      }
    }
  } else {
    for (let column = 0; column < columns; column += 1) {
      const offset = row * rowStep + column * pixelStep;
      let highest = data[offset] as number;
      let index = 0;
      for (let channel = 1; channel < channels; channel += 1) {
        const value = data[offset + channel] as number;
        if (value > highest) {
          highest = value;
          index = channel;
        } else if (Number.isNaN(value)) isSound = false;
      }
      best[column] = highest;
      found[column] = index;
    }
  }
  for (let column = 0; column < columns; column += 1) {
    if (!Number.isFinite(best[column])) isSound = false;
  }
  return isSound;
}

/** Pixels that are looked at to tell probabilities from logits. */
const SAMPLES = 64;

/** Whether the channels of evenly spread pixels are all within 0…1, and whether all are 0. */
function sampled({ data, channels, width, height, channelStep, rowStep, pixelStep }: MaskView): {
  looksReady: boolean;
  isBlank: boolean;
} {
  const pixels = width * height;
  let isBlank = true;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const pixel = Math.floor((sample * pixels) / SAMPLES);
    const offset = Math.floor(pixel / width) * rowStep + (pixel % width) * pixelStep;
    for (let channel = 0; channel < channels; channel += 1) {
      const value = data[offset + channel * channelStep] as number;
      if (!(value >= -SLACK && value <= 1 + SLACK)) return { looksReady: false, isBlank: false };
      if (value !== 0) isBlank = false;
    }
  }
  return { looksReady: true, isBlank };
}

/** C channels. @throws InferenceError `SCORE_NOT_FINITE`, `MODEL_OUTPUT_UNSUPPORTED` */
export function argmaxMap(
  view: MaskView,
  { columns, rows }: MaskGrid,
  hasBackground: boolean,
  kind: ScoreKind,
): ClassMap {
  const { data, channels, channelStep, rowStep, pixelStep } = view;
  const offset = hasBackground ? 0 : 1;
  const values = new Uint16Array(columns * rows);
  const best = new Float32Array(columns);
  for (let row = 0; row < rows; row += 1) {
    const found = values.subarray(row * columns, (row + 1) * columns);
    if (!bestOfRow(view, row, best, found)) throw notFinite();
  }
  if (offset === 1)
    for (let pixel = 0; pixel < values.length; pixel += 1) values[pixel] = (values[pixel] as number) + 1;
  const { looksReady, isBlank } = sampled(view);
  const isReady = kind.settle(looksReady, isBlank);
  const probability = (column: number, row: number, index: number): number => {
    const at = row * rowStep + column * pixelStep;
    const own = data[at + index * channelStep] as number;
    if (isReady) return own;
    // softmax; the class given is the highest, so that nothing overflows
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) {
      sum += Math.exp((data[at + channel * channelStep] as number) - own);
    }
    return 1 / sum;
  };
  return { values, offset, probability, channels };
}
