/** Which patches of a picture are looked at, from the areas that somebody drew. */
import type { Grid } from './backbone.ts';
import type { MaskArea } from './manifest.ts';

/** Even–odd rule (Shimrat, "Position of point relative to polygon", CACM 5, 1962). */
function isInside(area: MaskArea, x: number, y: number): boolean {
  let inside = false;
  area.forEach(([x1, y1], index) => {
    const [x2, y2] = area[(index + area.length - 1) % area.length] as [number, number];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}

/**
 * One byte for each patch, row by row: 1 where the middle of the patch lies in one of the areas,
 * whose corners are shares of the picture's width and height. Undefined where everything is looked at.
 */
export function patchMask(
  areas: readonly MaskArea[] | undefined,
  { columns, rows }: Grid,
): Uint8Array | undefined {
  if (areas === undefined || areas.length === 0) return undefined;
  return Uint8Array.from({ length: columns * rows }, (_, patch) => {
    const x = ((patch % columns) + 0.5) / columns;
    const y = (Math.floor(patch / columns) + 0.5) / rows;
    return areas.some((area) => isInside(area, x, y)) ? 1 : 0;
  });
}
