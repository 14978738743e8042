/**
 * Parts of a picture as the model sees them, and the way of what it finds there back to pixels of
 * the whole. Nothing is copied: a part is a window on the rows of the picture.
 */
import type { RgbImage } from '../../frame/decode.ts';
import type { RgbWindow } from '../../frame/resize.ts';
import type { Point } from '../../frame/similarity.ts';
import type { Box } from '../../inspection/inspection.ts';
import { InferenceError } from '../errors.ts';

export interface Crop {
  window: RgbWindow;
  /** Of the window's top left corner, in pixels of the whole picture. */
  left: number;
  top: number;
}

/** The whole pixels that a box touches, cut at the edges of a picture; undefined where none lies inside. */
export function wholePixels(
  [x, y, boxWidth, boxHeight]: Box,
  { width, height }: { width: number; height: number },
): Box | undefined {
  const left = Math.max(0, Math.floor(x));
  const top = Math.max(0, Math.floor(y));
  const right = Math.min(width, Math.ceil(x + boxWidth));
  const bottom = Math.min(height, Math.ceil(y + boxHeight));
  // said this way round, a box with NaN in it is refused as well
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : undefined;
}

/**
 * The window of a picture on the whole pixels that a box touches.
 *
 * @throws InferenceError `CROP_INVALID` when none of it lies inside
 */
export function cropOf({ data, width, height }: RgbImage, box: Box): Crop {
  const [, , boxWidth, boxHeight] = box;
  const pixels = boxWidth > 0 && boxHeight > 0 ? wholePixels(box, { width, height }) : undefined;
  if (pixels === undefined) {
    throw new InferenceError(
      'CROP_INVALID',
      `nothing of the box ${box.join(', ')} lies in ${width} × ${height} pixels`,
      { hint: 'Give boxes as x, y, width, height in pixels of the frame.' },
    );
  }
  const [left, top, columns, rows] = pixels;
  const stride = width * 3;
  const begin = top * stride + left * 3;
  const end = begin + (rows - 1) * stride + columns * 3;
  const window = { data: data.subarray(begin, end), width: columns, height: rows, stride };
  return { window, left, top };
}

type Prediction = Record<string, unknown>;
type Polygon = Point[];

/** Lists of a prediction whose entries have a place: of `detect`, `segment` and `anomaly-map`. */
const PLACED: ReadonlySet<string> = new Set(['objects', 'segments', 'boxes']);

/** The prediction with every box and every point of a polygon where the functions say. */
export function replaced(
  prediction: Prediction,
  boxTo: (box: Box) => Box,
  pointTo: (point: Point) => Point,
): Prediction {
  const moved = (found: Prediction): Prediction => ({
    ...found,
    ...(Array.isArray(found['box']) ? { box: boxTo(found['box'] as Box) } : {}),
    ...(Array.isArray(found['polygons'])
      ? { polygons: (found['polygons'] as Polygon[]).map((polygon) => polygon.map(pointTo)) }
      : {}),
  });
  const entries = Object.entries(prediction).map(([name, value]) =>
    PLACED.has(name) && Array.isArray(value) ? [name, (value as Prediction[]).map(moved)] : [name, value],
  );
  return Object.fromEntries(entries) as Prediction;
}

/** A prediction about a crop, its boxes and polygons in pixels of the whole picture. */
export function shiftPrediction(prediction: Prediction, left: number, top: number): Prediction {
  if (left === 0 && top === 0) return prediction;
  return replaced(
    prediction,
    ([x, y, width, height]) => [x + left, y + top, width, height],
    ([x, y]) => [x + left, y + top],
  );
}
