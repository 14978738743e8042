/**
 * Outlines of labelled areas: polygons along the borders of their pixels, and polygons of fewer points
 * near them. Filled by the even-odd rule the rings of an area give back exactly its pixels, until they
 * are simplified.
 */
import type { Components } from './components.ts';

/**
 * Corners x, y, x, y, … on whole numbers; (0, 0) is the corner of the first pixel. Closed: the first is not
 * repeated. An outer outline runs clockwise as seen on a screen, a hole the other way round.
 */
export type Ring = Int32Array<ArrayBuffer>;

/** Steps by direction: east, south, west, north. */
const STEP_X = [1, 0, -1, 0] as const;
const STEP_Y = [0, 1, 0, -1] as const;
/** From a corner, the pixel ahead to the left, by direction; to the right is the one of the next direction. */
const AHEAD_X = [0, 0, -1, -1] as const;
const AHEAD_Y = [-1, 0, 0, -1] as const;

/**
 * The rings of areas by their numbers, in the order of `wanted`: for each the outer outline first, then its
 * holes. Pixels that touch by a corner are one area, as in {@link Components}.
 */
export function traceOutlines(areas: Components, width: number, wanted: readonly number[]): Ring[][] {
  const { labels, left, top, right, bottom } = areas;
  const height = labels.length / width;
  /** 1 where the upper edge of a pixel is in a ring already; every ring has such an edge. */
  const walked = new Uint8Array(labels.length);
  const has = (x: number, y: number, label: number): boolean =>
    x >= 0 && x < width && y >= 0 && y < height && labels[y * width + x] === label;

  const walk = (startX: number, startY: number, label: number): Ring => {
    const corners: number[] = [];
    let [x, y, direction] = [startX, startY, 0];
    do {
      if (direction === 0) walked[y * width + x] = 1;
      x += STEP_X[direction] as number;
      y += STEP_Y[direction] as number;
      const right = (direction + 1) & 3;
      const isLeft = has(x + (AHEAD_X[direction] as number), y + (AHEAD_Y[direction] as number), label);
      const isRight = has(x + (AHEAD_X[right] as number), y + (AHEAD_Y[right] as number), label);
      if (isLeft || !isRight) {
        corners.push(x, y);
        direction = isLeft ? (direction + 3) & 3 : right;
      }
    } while (x !== startX || y !== startY || direction !== 0);
    return Int32Array.from(corners);
  };

  const ringsOf = (label: number): Ring[] => {
    const rings: Ring[] = [];
    const [from, to] = [left[label - 1] as number, right[label - 1] as number];
    for (let row = top[label - 1] as number; row < (bottom[label - 1] as number); row += 1) {
      const end = row * width + to;
      for (let pixel = row * width + from; pixel < end; pixel += 1) {
        if (labels[pixel] !== label || labels[pixel - width] === label || walked[pixel] === 1) continue;
        rings.push(walk(pixel - row * width, row, label));
      }
    }
    return rings;
  };
  return wanted.map(ringsOf);
}

/** Pixels inside a ring (shoelace formula); less than 0 for a hole. */
export function ringArea(ring: Ring): number {
  let twice = 0;
  let x = ring.at(-2) ?? 0;
  let y = ring.at(-1) ?? 0;
  for (let i = 0; i < ring.length; i += 2) {
    const nextX = ring[i] as number;
    const nextY = ring[i + 1] as number;
    twice += x * nextY - nextX * y;
    x = nextX;
    y = nextY;
  }
  return twice / 2;
}

/** A stretch of a ring that one side of the simpler ring stands for. */
interface Stretch {
  from: number;
  /** May be past the end: corners are counted round. */
  to: number;
  /** The corner farthest from the side, and the square of its distance. */
  farthest: number;
  deviation: number;
}

function stretchOf(ring: Ring, from: number, to: number): Stretch {
  const corners = ring.length / 2;
  const stretch = { from, to, farthest: from, deviation: 0 };
  const x = ring[(from % corners) * 2] as number;
  const y = ring[(from % corners) * 2 + 1] as number;
  const sideX = (ring[(to % corners) * 2] as number) - x;
  const sideY = (ring[(to % corners) * 2 + 1] as number) - y;
  const squared = sideX * sideX + sideY * sideY;
  let at = ((from + 1) % corners) * 2;
  for (let corner = from + 1; corner < to; corner += 1) {
    const toX = (ring[at] as number) - x;
    const toY = (ring[at + 1] as number) - y;
    const along = squared === 0 ? 0 : Math.min(Math.max((toX * sideX + toY * sideY) / squared, 0), 1);
    const offX = toX - along * sideX;
    const offY = toY - along * sideY;
    const deviation = offX * offX + offY * offY;
    if (deviation > stretch.deviation) {
      stretch.deviation = deviation;
      stretch.farthest = corner;
    }
    at += 2;
    if (at === ring.length) at = 0;
  }
  return stretch;
}

/**
 * The ring with fewer corners: no corner left out is farther than `tolerance` from the side that stands for
 * it (Douglas and Peucker 1973), unless `maxCorners` (4 at least) would not do. The worst stretch is split
 * first, so that a ring of many thousand corners costs no more than `maxCorners` looks at it.
 */
export function simplifyRing(ring: Ring, tolerance: number, maxCorners: number): Ring {
  const corners = ring.length / 2;
  if (corners <= 4) return ring;
  const opposite = stretchOf(ring, 0, corners).farthest;
  const stretches = [stretchOf(ring, 0, opposite), stretchOf(ring, opposite, corners)];
  while (stretches.length < Math.max(4, maxCorners)) {
    let worst = 0;
    for (let index = 1; index < stretches.length; index += 1) {
      if ((stretches[index] as Stretch).deviation > (stretches[worst] as Stretch).deviation) worst = index;
    }
    const { from, to, farthest, deviation } = stretches[worst] as Stretch;
    if (deviation <= tolerance * tolerance) break;
    stretches[worst] = stretchOf(ring, from, farthest);
    stretches.push(stretchOf(ring, farthest, to));
  }
  const kept = stretches.map(({ from }) => from).sort((one, other) => one - other);
  return Int32Array.from(
    kept.flatMap((corner) => [ring[corner * 2] as number, ring[corner * 2 + 1] as number]),
  );
}
