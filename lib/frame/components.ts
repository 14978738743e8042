/**
 * Connected areas of a picture of classes: which pixels hang together, how many they are and the box
 * around them. Two passes over the runs of equal pixels of each row, joined in a union-find forest
 * (He, Chao and Suzuki 2008, "A run-based two-scan labeling algorithm"): the cost follows the edges in
 * the picture, not its pixels, and has no bad case.
 */

/** Areas are numbered from 1 in the order of their first pixel, row by row; area n is at n − 1 of the lists. */
export interface Components {
  count: number;
  /** For each pixel the number of its area, 0 where there is none. */
  labels: Int32Array;
  /** The value that the pixels of an area share. */
  values: Int32Array;
  pixels: Int32Array;
  /** The box around an area; `right` and `bottom` are the column and row behind the last. */
  left: Int32Array;
  top: Int32Array;
  right: Int32Array;
  bottom: Int32Array;
}

/** Below this many pixels a loop is faster than `fill`. */
const SHORT_RUN = 16;

/** Runs of equal pixels other than 0: start, column behind the end, and the run they were joined to. */
interface Runs {
  start: Int32Array;
  end: Int32Array;
  leader: Int32Array;
  /** By row, the first run that is not of it or a row before. */
  rowEnds: Int32Array;
}

function twice(list: Int32Array): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(list.length * 2);
  longer.set(list);
  return longer;
}

/** The run that leads the area of this one; shortens the way for the next who asks. */
function leaderOf(leader: Int32Array, run: number): number {
  let at = run;
  for (let next = leader[at] as number; next !== at; next = leader[at] as number) {
    const above = leader[next] as number;
    leader[at] = above;
    at = above;
  }
  return at;
}

/** The earlier run leads, so that a leader is met before all that follow it. */
function join(leader: Int32Array, one: number, other: number): void {
  const a = leaderOf(leader, one);
  const b = leaderOf(leader, other);
  if (a < b) leader[b] = a;
  else leader[a] = b;
}

function joinedRuns(values: Uint8Array | Uint16Array, width: number, height: number): Runs {
  let [start, end, leader] = [new Int32Array(1024), new Int32Array(1024), new Int32Array(1024)];
  const rowEnds = new Int32Array(height);
  let count = 0;
  let before = 0;
  for (let row = 0; row < height; row += 1) {
    const here = count;
    const offset = row * width;
    let near = before;
    for (let column = 0; column < width;) {
      const value = values[offset + column] as number;
      const first = column;
      do column += 1;
      while (column < width && values[offset + column] === value);
      if (value === 0) continue;
      if (count === start.length) [start, end, leader] = [twice(start), twice(end), twice(leader)];
      start[count] = first;
      end[count] = column;
      leader[count] = count;
      while (near < here && (end[near] as number) < first) near += 1;
      for (let above = near; above < here && (start[above] as number) <= column; above += 1) {
        if (values[offset - width + (start[above] as number)] === value) join(leader, above, count);
      }
      count += 1;
    }
    rowEnds[row] = count;
    before = here;
  }
  return { start: start.subarray(0, count), end, leader: leader.subarray(0, count), rowEnds };
}

/** Numbers the areas in the order of their first run; `leader` becomes the number of each run's area. */
function numberAreas(leader: Int32Array): number {
  const numbers = new Int32Array(leader.length);
  let count = 0;
  for (let run = 0; run < leader.length; run += 1) {
    const own = leaderOf(leader, run);
    if (own === run) count += 1;
    numbers[run] = own === run ? count : (numbers[own] as number);
  }
  leader.set(numbers);
  return count;
}

/** The areas of equal values other than 0 in rows of `width` pixels; pixels touch also by a corner. */
export function labelComponents(values: Uint8Array | Uint16Array, width: number, height: number): Components {
  const { start, end, leader, rowEnds } = joinedRuns(values, width, height);
  const count = numberAreas(leader);
  const list = (): Int32Array<ArrayBuffer> => new Int32Array(count);
  const found = { values: list(), pixels: list(), left: list(), top: list(), right: list(), bottom: list() };
  const { pixels, left, top, right, bottom } = found;
  const labels = new Int32Array(values.length);
  for (let run = 0, row = 0; run < start.length; run += 1) {
    while (run >= (rowEnds[row] as number)) row += 1;
    const number = leader[run] as number;
    const area = number - 1;
    const from = start[run] as number;
    const to = end[run] as number;
    if (pixels[area] === 0) {
      found.values[area] = values[row * width + from] as number;
      left[area] = from;
      top[area] = row;
    }
    pixels[area] = (pixels[area] as number) + to - from;
    if (from < (left[area] as number)) left[area] = from;
    if (to > (right[area] as number)) right[area] = to;
    bottom[area] = row + 1;
    const last = row * width + to;
    if (to - from > SHORT_RUN) labels.fill(number, last - to + from, last);
    else for (let pixel = last - to + from; pixel < last; pixel += 1) labels[pixel] = number;
  }
  return { count, labels, ...found };
}
