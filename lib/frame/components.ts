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

/** Runs of equal pixels: start, column behind the end, and the run they were joined to; grows as needed. */
class RunList {
  length = 0;
  #start = new Int32Array(1024);
  #end = new Int32Array(1024);
  #parent = new Int32Array(1024);

  add(start: number, end: number): number {
    const index = this.length;
    if (index === this.#start.length) this.#grow();
    this.#start[index] = start;
    this.#end[index] = end;
    this.#parent[index] = index;
    this.length = index + 1;
    return index;
  }

  #grow(): void {
    const twice = (list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const longer = new Int32Array(list.length * 2);
      longer.set(list);
      return longer;
    };
    this.#start = twice(this.#start);
    this.#end = twice(this.#end);
    this.#parent = twice(this.#parent);
  }

  start(run: number): number {
    return this.#start[run] as number;
  }

  end(run: number): number {
    return this.#end[run] as number;
  }

  root(run: number): number {
    let at = run;
    for (let parent = this.#parent[at] as number; parent !== at; parent = this.#parent[at] as number) {
      const above = this.#parent[parent] as number;
      this.#parent[at] = above;
      at = above;
    }
    return at;
  }

  /** The earlier run leads, so that a leader is met before all that follow it. */
  join(one: number, other: number): void {
    const a = this.root(one);
    const b = this.root(other);
    if (a < b) this.#parent[b] = a;
    else this.#parent[a] = b;
  }
}

/** Below this many pixels a loop is faster than `fill`. */
const SHORT_RUN = 16;

/**
 * The areas of equal values other than 0 in rows of `width` pixels; pixels touch also by a corner.
 */
export function labelComponents(values: Uint8Array | Uint16Array, width: number, height: number): Components {
  const runs = new RunList();
  const rowEnds = new Int32Array(height);
  let before = 0;
  for (let row = 0; row < height; row += 1) {
    const here = runs.length;
    const offset = row * width;
    let near = before;
    for (let column = 0; column < width;) {
      const value = values[offset + column] as number;
      const start = column;
      do column += 1;
      while (column < width && values[offset + column] === value);
      if (value === 0) continue;
      const run = runs.add(start, column);
      while (near < here && runs.end(near) < start) near += 1;
      for (let above = near; above < here && runs.start(above) <= column; above += 1) {
        if (values[offset - width + runs.start(above)] === value) runs.join(above, run);
      }
    }
    rowEnds[row] = runs.length;
    before = here;
  }
  return collect(runs, rowEnds, values, width);
}

function collect(
  runs: RunList,
  rowEnds: Int32Array,
  values: Uint8Array | Uint16Array,
  width: number,
): Components {
  const numbers = new Int32Array(runs.length);
  let count = 0;
  for (let run = 0; run < runs.length; run += 1) {
    const root = runs.root(run);
    if (root === run) count += 1;
    numbers[run] = root === run ? count : (numbers[root] as number);
  }
  const lists = Array.from({ length: 6 }, () => new Int32Array(count));
  const [shared, pixels, left, top, right, bottom] = lists as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const labels = new Int32Array(values.length);
  let row = 0;
  for (let run = 0; run < runs.length; run += 1) {
    while (run >= (rowEnds[row] as number)) row += 1;
    const offset = row * width;
    const start = runs.start(run);
    const end = runs.end(run);
    const number = numbers[run] as number;
    const area = number - 1;
    if (pixels[area] === 0) {
      shared[area] = values[offset + start] as number;
      left[area] = start;
      top[area] = row;
    }
    pixels[area] = (pixels[area] as number) + end - start;
    if (start < (left[area] as number)) left[area] = start;
    if (end > (right[area] as number)) right[area] = end;
    bottom[area] = row + 1;
    if (end - start > SHORT_RUN) labels.fill(number, offset + start, offset + end);
    else for (let pixel = offset + start; pixel < offset + end; pixel += 1) labels[pixel] = number;
  }
  return { count, labels, values: shared, pixels, left, top, right, bottom };
}
