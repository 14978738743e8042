/**
 * Where the pixels of a mask or map lie on the frame. A mask covers the whole input, of which a
 * letterboxed frame fills only the top left: what is beside it, is padding and no part of the result.
 */
import type { Box } from '../../inspection/inspection.ts';
import type { InputRecipe } from '../graph/input.ts';
import type { OutputTensor, Placement } from './head.ts';

/** Steps through the data of an output that holds one number, or one for each channel, per pixel. */
export interface MaskView {
  data: Float32Array;
  channels: number;
  width: number;
  height: number;
  /** Channel `c` of pixel x, y is `data[c * channelStep + y * rowStep + x * pixelStep]`. */
  channelStep: number;
  rowStep: number;
  pixelStep: number;
}

/** The part of a mask that shows the frame, and the size of its pixels there. */
export interface MaskGrid {
  columns: number;
  rows: number;
  /** Pixels of the frame for one of the mask. */
  pixelWidth: number;
  pixelHeight: number;
}

type InputSize = Pick<InputRecipe, 'width' | 'height'>;

/** How far the sides are from those of the input: 0 where the aspect is the same. */
function aspectError(height: number, width: number, input: InputSize): number {
  return Math.abs(Math.log((height * input.width) / (width * input.height)));
}

/**
 * The view of an output of 1×C×H×W, 1×H×W×C, C×H×W, H×W×C, 1×H×W or H×W; undefined for anything else.
 * Which axis has the channels is told by the other two, which have the aspect of the input; where both
 * readings have, the shorter axis has them.
 */
export function viewOf({ dims, data }: OutputTensor, input: InputSize): MaskView | undefined {
  const [first, second, third] = dims.length === 4 && dims[0] === 1 ? dims.slice(1) : dims;
  if (first === undefined || second === undefined || dims.length > 4) return undefined;
  if (data.length === 0 || (dims.length === 4 && dims[0] !== 1)) return undefined;
  const flat = (height: number, width: number): MaskView => {
    return { data, channels: 1, width, height, channelStep: 0, rowStep: width, pixelStep: 1 };
  };
  if (third === undefined) return flat(first, second);
  if (first === 1) return flat(second, third);
  if (third === 1) return flat(first, second);
  const planar = aspectError(second, third, input);
  const interleaved = aspectError(first, second, input);
  const isPlanar = Math.abs(planar - interleaved) > 1e-9 ? planar < interleaved : first <= third;
  return isPlanar
    ? {
        data,
        channels: first,
        width: third,
        height: second,
        channelStep: second * third,
        rowStep: third,
        pixelStep: 1,
      }
    : {
        data,
        channels: third,
        width: second,
        height: first,
        channelStep: 1,
        rowStep: second * third,
        pixelStep: third,
      };
}

/**
 * The part that shows the frame, to the nearest whole pixel of the mask, so that mask, boxes and polygons
 * agree: stretched over the frame, that part lies on what it marks.
 */
export function gridOf(
  { width, height }: Pick<MaskView, 'width' | 'height'>,
  input: InputSize,
  { scaleX, scaleY, frameWidth, frameHeight }: Placement,
): MaskGrid {
  const part = (length: number, share: number): number =>
    Math.min(length, Math.max(1, Math.round(length * share)));
  const columns = part(width, frameWidth / scaleX / input.width);
  const rows = part(height, frameHeight / scaleY / input.height);
  return { columns, rows, pixelWidth: frameWidth / columns, pixelHeight: frameHeight / rows };
}

/** To a tenth of a pixel: what a mask knows, without a tail of digits. */
export function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The box in pixels of the frame round columns `left`…`right` and rows `top`…`bottom` (behind the last). */
export function frameBoxOf(grid: MaskGrid, left: number, top: number, right: number, bottom: number): Box {
  const { pixelWidth, pixelHeight } = grid;
  const x = tenth(left * pixelWidth);
  const y = tenth(top * pixelHeight);
  return [x, y, tenth(right * pixelWidth - x), tenth(bottom * pixelHeight - y)];
}
