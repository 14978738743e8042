/**
 * Regions as drawn on the turned picture → runs and boxes of pixels of the picture as it comes from
 * the camera. Painting and cutting before turning lets one pass of the codec do all the rest.
 */
import type { Turn } from './encode.ts';
import { boxAround, runsInside, runsOutside, type Box, type Point, type Runs } from './polygon.ts';
import { RegionError, type Region } from './region.ts';

/** A region that becomes a part. */
export interface Part {
  region: string;
  /** In the turned picture. */
  box: Box;
  /** The same in the picture as it comes. */
  sourceBox: Box;
  /** What of the source box lies outside of the outline. */
  outside: Runs;
}

/** A region that holds no pixel of this picture, usually because the camera now sends another size. */
export interface RefusedRegion {
  region: string;
  error: RegionError;
}

/** The regions on pictures of one size, in pixels of the picture as it comes. */
export interface Layout {
  width: number;
  height: number;
  masks: Runs[];
  parts: (Part | RefusedRegion)[];
}

/** Where a point lies after its picture of `width` × `height` was turned clockwise. */
function rotated([x, y]: Point, rotate: number, width: number, height: number): Point {
  switch (rotate) {
    case 90:
      return [height - y, x];
    case 180:
      return [width - x, height - y];
    case 270:
      return [y, width - x];
    default:
      return [x, y];
  }
}

function mirrored([x, y]: Point, flip: Turn['flip'], width: number, height: number): Point {
  return [flip === 'horizontal' ? width - x : x, flip === 'vertical' ? height - y : y];
}

function boxOf([ax, ay]: Point, [bx, by]: Point): Box {
  return [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
}

function outsideError({ name, kind }: Region, width: number, height: number): RegionError {
  const what = kind === 'mask' ? 'mask' : 'region';
  return new RegionError(
    'REGION_OUTSIDE',
    `${what} ${name} holds no pixel of the ${width} × ${height} picture`,
    { hint: 'Draw it again on a picture of this camera, or set the camera back to the size it had.' },
  );
}

/**
 * For pictures that come with `width` × `height` pixels.
 *
 * @throws RegionError `REGION_OUTSIDE` for a mask: what it should hide is somewhere else then, so
 *   nothing of the picture may go out
 */
export function layOut(regions: readonly Region[], turn: Turn, width: number, height: number): Layout {
  const { rotate, flip } = turn;
  const isQuarter = rotate === 90 || rotate === 270;
  const [turnedWidth, turnedHeight] = isQuarter ? [height, width] : [width, height];
  const toSource = (point: Point): Point =>
    rotated(mirrored(point, flip, turnedWidth, turnedHeight), 360 - rotate, turnedWidth, turnedHeight);
  const toTurned = (point: Point): Point =>
    mirrored(rotated(point, rotate, width, height), flip, turnedWidth, turnedHeight);

  const layout: Layout = { width, height, masks: [], parts: [] };
  for (const region of regions) {
    const { name } = region;
    const runs = runsInside(region.points.map(toSource), width, height);
    const sourceBox = boxAround(runs);
    if (region.kind === 'mask') {
      if (sourceBox === undefined) throw outsideError(region, turnedWidth, turnedHeight);
      layout.masks.push(runs);
    } else if (sourceBox === undefined) {
      layout.parts.push({ region: name, error: outsideError(region, turnedWidth, turnedHeight) });
    } else {
      const [left, top, boxWidth, boxHeight] = sourceBox;
      const box = boxOf(toTurned([left, top]), toTurned([left + boxWidth, top + boxHeight]));
      layout.parts.push({ region: name, box, sourceBox, outside: runsOutside(runs, sourceBox) });
    }
  }
  return layout;
}
