/** Where on the frame a part looks unusual: boxes round the connected areas of the map. */
import { labelComponents } from '../frame/components.ts';
import type { Box } from '../inspection/inspection.ts';
import { sideOf } from './head.ts';

export const MAX_BOXES = 8;

export interface BoxOptions {
  /** Distance above which a patch counts as unusual. */
  level: number;
  /** Pixels of the frame the map was made from. */
  width: number;
  height: number;
  /** Of the map; square unless told. */
  columns?: number;
}

/**
 * Boxes in frame pixels round areas of `map` (row by row) above `level`, patches touching
 * also by a corner; at most {@link MAX_BOXES}, the area with most patches first.
 */
export function boxesAbove(map: ArrayLike<number>, options: BoxOptions): Box[] {
  const { level, width, height, columns = sideOf(map.length) } = options;
  const rows = map.length / columns;
  const above = Uint8Array.from(map, (distance) => (distance > level ? 1 : 0));
  const { pixels, left, top, right, bottom } = labelComponents(above, columns, rows);
  return Array.from(pixels.keys())
    .sort((one, other) => (pixels[other] as number) - (pixels[one] as number))
    .slice(0, MAX_BOXES)
    .map((area) => {
      const x = Math.floor(((left[area] as number) * width) / columns);
      const y = Math.floor(((top[area] as number) * height) / rows);
      return [
        x,
        y,
        Math.max(1, Math.ceil(((right[area] as number) * width) / columns) - x),
        Math.max(1, Math.ceil(((bottom[area] as number) * height) / rows) - y),
      ];
    });
}
