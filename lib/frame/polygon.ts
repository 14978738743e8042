/**
 * Polygon → the pixels inside it, as runs of a row. A pixel is inside when its centre is: winding
 * number other than zero, so that a crossed outline leaves no hole. Edges are half open, so that two
 * polygons with a common edge share no pixel and miss none, and a rectangle on whole numbers covers
 * exactly the pixels between them.
 */

/** Pixels from the top left corner of the picture; (0, 0) is the corner, not the centre, of the first. */
export type Point = readonly [x: number, y: number];

/** x, y, width, height in whole pixels. */
export type Box = [number, number, number, number];

/** Runs of pixels, three numbers each: row, first column, column behind the last. Ordered by row, then column. */
export type Runs = Int32Array;

/** Area in square pixels (shoelace formula); the parts of a crossed outline may cancel out. */
export function areaOf(points: readonly Point[]): number {
  let twice = 0;
  points.forEach(([x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length] as Point;
    twice += x * nextY - nextX * y;
  });
  return Math.abs(twice) / 2;
}

/** Where the outline meets the line through a row's centres, from left to right: column and direction. */
function crossings(points: readonly Point[], centre: number): [x: number, direction: 1 | -1][] {
  const found: [number, 1 | -1][] = [];
  points.forEach(([x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length] as Point;
    if (y <= centre === nextY <= centre) return;
    // always from the upper end, so that an edge is the same to the polygons on both of its sides
    if (y < nextY) found.push([x + ((centre - y) / (nextY - y)) * (nextX - x), 1]);
    else found.push([nextX + ((centre - nextY) / (y - nextY)) * (x - nextX), -1]);
  });
  return found.sort(([a], [b]) => a - b);
}

/** First pixel whose centre is at or right of `x`, within the row. */
function columnOf(x: number, width: number): number {
  return Math.min(Math.max(Math.ceil(x - 0.5), 0), width);
}

/** The pixels of a picture of `width` × `height` inside the polygon. */
export function runsInside(points: readonly Point[], width: number, height: number): Runs {
  const runs: number[] = [];
  const ys = points.map(([, y]) => y);
  const last = Math.min(height, Math.ceil(Math.max(...ys)));
  for (let row = Math.max(0, Math.floor(Math.min(...ys))); row < last; row += 1) {
    let winding = 0;
    let start = 0;
    for (const [x, direction] of crossings(points, row + 0.5)) {
      const column = columnOf(x, width);
      if (winding === 0) start = column;
      winding += direction;
      if (winding === 0 && column > start) runs.push(row, start, column);
    }
  }
  return Int32Array.from(runs);
}

/** Smallest box around runs; undefined when there are none. */
export function boxAround(runs: Runs): Box | undefined {
  if (runs.length === 0) return undefined;
  let [left, right] = [Infinity, 0];
  for (let i = 0; i < runs.length; i += 3) {
    left = Math.min(left, runs[i + 1] as number);
    right = Math.max(right, runs[i + 2] as number);
  }
  const top = runs[0] as number;
  const bottom = (runs[runs.length - 3] as number) + 1;
  return [left, top, right - left, bottom - top];
}

/** The pixels of a box that the runs leave out. */
export function runsOutside(runs: Runs, [left, top, width, height]: Box): Runs {
  const gaps: number[] = [];
  const right = left + width;
  let next = 0;
  for (let row = top; row < top + height; row += 1) {
    let column = left;
    for (; runs[next] === row; next += 3) {
      const start = runs[next + 1] as number;
      if (start > column) gaps.push(row, column, start);
      column = runs[next + 2] as number;
    }
    if (column < right) gaps.push(row, column, right);
  }
  return Int32Array.from(gaps);
}

/** Runs counted from another corner: where `left`, `top` was, 0, 0 is then. */
export function shifted(runs: Runs, left: number, top: number): Runs {
  return runs.map((value, index) => value - (index % 3 === 0 ? top : left));
}

/** Paints the runs black in rows of `width` pixels of `channels` bytes each. */
export function paintBlack(data: Buffer, width: number, channels: number, runs: Runs): void {
  for (let i = 0; i < runs.length; i += 3) {
    const row = (runs[i] as number) * width;
    data.fill(0, (row + (runs[i + 1] as number)) * channels, (row + (runs[i + 2] as number)) * channels);
  }
}
