/**
 * Where something lies that was moved, turned and scaled: of a picture against a reference of the same
 * size. Turning and scaling go round the middle of the picture; y points down, so that a positive
 * angle turns clockwise as one sees it.
 */
import type { Box } from './polygon.ts';

export interface Similarity {
  /** Pixels to the right and down. */
  x: number;
  y: number;
  /** Degrees clockwise. */
  angle: number;
  /** Above 1 where it is larger than in the reference. */
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

export type Point = [x: number, y: number];

export const AT_REST: Readonly<Similarity> = { x: 0, y: 0, angle: 0, scale: 1 };

export function radians(degreesOf: number): number {
  return (degreesOf * Math.PI) / 180;
}

export function degrees(radiansOf: number): number {
  return (radiansOf * 180) / Math.PI;
}

/** The 2 × 2 matrix of turning and scaling: `x' = cosine · x − sine · y`, `y' = sine · x + cosine · y`. */
export function turnOf({ angle, scale }: Pick<Similarity, 'angle' | 'scale'>): {
  cosine: number;
  sine: number;
} {
  return { cosine: scale * Math.cos(radians(angle)), sine: scale * Math.sin(radians(angle)) };
}

/** Where the point of the reference lies in the picture; the corner of both is at 0, 0. */
export function movedPoint([px, py]: Point, similarity: Similarity, { width, height }: Size): Point {
  const { cosine, sine } = turnOf(similarity);
  const [dx, dy] = [px - width / 2, py - height / 2];
  return [
    width / 2 + cosine * dx - sine * dy + similarity.x,
    height / 2 + sine * dx + cosine * dy + similarity.y,
  ];
}

/** The way back. */
export function inverseOf({ x, y, angle, scale }: Similarity): Similarity {
  const back = { angle: -angle, scale: 1 / scale };
  const { cosine, sine } = turnOf(back);
  return { ...back, x: -(cosine * x - sine * y), y: -(sine * x + cosine * y) };
}

/** First `first`, then `second`. */
export function after(second: Similarity, first: Similarity): Similarity {
  const { cosine, sine } = turnOf(second);
  return {
    x: cosine * first.x - sine * first.y + second.x,
    y: sine * first.x + cosine * first.y + second.y,
    angle: first.angle + second.angle,
    scale: first.scale * second.scale,
  };
}

/** The upright box round a box that moved, cut at the edges of the picture. */
export function movedBox([x, y, width, height]: Box, similarity: Similarity, size: Size): Box {
  const corners = [
    [x, y],
    [x + width, y],
    [x, y + height],
    [x + width, y + height],
  ].map((corner) => movedPoint(corner as Point, similarity, size));
  const reach = (axis: 0 | 1, side: number): [from: number, length: number] => {
    const along = corners.map((corner) => corner[axis]);
    const from = Math.min(Math.max(Math.min(...along), 0), side);
    return [from, Math.min(Math.max(Math.max(...along), from), side) - from];
  };
  const [left, wide] = reach(0, size.width);
  const [top, high] = reach(1, size.height);
  return [left, top, wide, high];
}
