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

/** Patches that the outline passes: of an area so narrow that it covers no middle, all it touches. */
function onOutline(area: MaskArea, { columns, rows }: Grid): number[] {
  const cell = (share: number, cells: number): number => Math.min(cells - 1, Math.floor(share * cells));
  return area.flatMap(([x1, y1], index) => {
    const [x2, y2] = area[(index + 1) % area.length] as [number, number];
    const steps = 1 + Math.ceil(4 * Math.max(Math.abs(x2 - x1) * columns, Math.abs(y2 - y1) * rows));
    return Array.from({ length: steps }, (_, step) => {
      const along = step / steps;
      return cell(y1 + along * (y2 - y1), rows) * columns + cell(x1 + along * (x2 - x1), columns);
    });
  });
}

/**
 * One byte for each patch, row by row: 1 where the middle of the patch lies in one of the areas,
 * whose corners are shares of the picture's width and height; of an area that covers no middle, where its
 * outline passes, so that whatever is drawn is looked at. Undefined where everything is looked at.
 */
export function patchMask(
  areas: readonly MaskArea[] | undefined,
  { columns, rows }: Grid,
): Uint8Array | undefined {
  if (areas === undefined || areas.length === 0) return undefined;
  const mask = new Uint8Array(columns * rows);
  for (const area of areas) {
    const inside = [...mask.keys()].filter((patch) => {
      const x = ((patch % columns) + 0.5) / columns;
      const y = (Math.floor(patch / columns) + 0.5) / rows;
      return isInside(area, x, y);
    });
    for (const patch of inside.length > 0 ? inside : onOutline(area, { columns, rows })) mask[patch] = 1;
  }
  return mask;
}
