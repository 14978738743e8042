/**
 * Picks the patches of good parts that a model remembers: few, and spread over everything that was
 * seen, so that a rare but good look is kept where a random sample would lose it.
 *
 * Greedy k-centre selection (Gonzalez 1985; PatchCore, Roth et al., CVPR 2022, algorithm 1): each
 * step takes the patch farthest from all taken so far. Distances only ever fall as more are taken, so
 * only the leaders need exact ones: {@link BLOCK} patches are taken looking at the leaders alone, and one matrix
 * product then brings all distances up to date. What is taken is what one step at a time would take.
 */
import * as ort from 'onnxruntime-node';
import { openSession } from './backbone.ts';
import { standaloneModel } from './onnx-graph.ts';

/** Patches taken between two updates of all distances. */
const BLOCK = 32;
/** Farthest patches that are looked at between two updates. */
const LEADERS = 512;
/**
 * Squared distances below this share of the longest squared row are those of copies: single precision
 * leaves that much of |p|² − 2 p·c + |c|².
 */
const ROUNDING = 1e-6;

export interface CoresetOptions {
  /** Numbers per row of `rows`. */
  dimensions: number;
  /** Rows to select; fewer when the rest are copies of those. */
  size: number;
  /** Rows that are taken already, and neither selected nor counted. */
  held?: Float32Array;
  /** Distance that is near enough: stops when every row is as near to one taken. */
  within?: number;
}

export interface Coreset {
  /** Indices of the selected rows, in the order of selection. */
  chosen: number[];
  /** Distance within which every row has one that was taken. */
  radius: number;
}

/**
 * Deterministic by the order of the rows: without held ones the first is the first selected. Selecting
 * 1 000 of 20 000 rows of 128 numbers takes about 0.3 s on one thread.
 */
export async function coreset(rows: Float32Array, options: CoresetOptions): Promise<Coreset> {
  const { dimensions, size, held = new Float32Array(), within = 0 } = options;
  if (rows.length === 0) return { chosen: [], radius: 0 };
  const cover = await Cover.over(rows, dimensions);
  try {
    for (let from = 0; from < held.length; from += BLOCK * dimensions) {
      await cover.update(held.subarray(from, from + BLOCK * dimensions));
    }
    const chosen: number[] = [];
    while (chosen.length < size) {
      const block = cover.farthest(Math.min(BLOCK, size - chosen.length), within * within);
      if (block.length === 0) break;
      chosen.push(...block);
      await cover.update(rowsAt(rows, dimensions, block));
    }
    return { chosen, radius: cover.radius() };
  } finally {
    await cover.close();
  }
}

/** Copy of some rows. */
export function rowsAt(rows: Float32Array, dimensions: number, indices: readonly number[]): Float32Array {
  const selected = new Float32Array(indices.length * dimensions);
  indices.forEach((row, order) => {
    selected.set(rows.subarray(row * dimensions, (row + 1) * dimensions), order * dimensions);
  });
  return selected;
}

/** Distances of rows to the nearest of those taken. */
class Cover {
  readonly #rows: Float32Array;
  readonly #dimensions: number;
  readonly #session: ort.InferenceSession;
  readonly #squares: Float32Array;
  /** Squared; Infinity while nothing is taken. */
  readonly #distances: Float32Array;
  readonly #least: number;

  static async over(rows: Float32Array, dimensions: number): Promise<Cover> {
    const count = rows.length / dimensions;
    const session = await openSession(
      standaloneModel({
        nodes: [
          { operator: 'MatMul', inputs: ['rows', 'centres'], outputs: ['products'] },
          { operator: 'Add', inputs: ['products', 'squares'], outputs: ['partial'] },
          {
            operator: 'ReduceMin',
            inputs: ['partial'],
            outputs: ['nearest'],
            attributes: { axes: [1], keepdims: 0 },
          },
        ],
        constants: [{ name: 'rows', shape: [count, dimensions], data: rows }],
        inputs: [
          { name: 'centres', shape: [dimensions, BLOCK] },
          { name: 'squares', shape: [1, BLOCK] },
        ],
        outputs: [{ name: 'nearest', shape: [count] }],
      }),
    );
    return new Cover(rows, dimensions, session);
  }

  private constructor(rows: Float32Array, dimensions: number, session: ort.InferenceSession) {
    this.#rows = rows;
    this.#dimensions = dimensions;
    this.#session = session;
    const count = rows.length / dimensions;
    this.#distances = new Float32Array(count).fill(Infinity);
    this.#squares = new Float32Array(count);
    let largest = 0;
    for (let row = 0; row < count; row += 1) {
      let sum = 0;
      for (let at = row * dimensions; at < (row + 1) * dimensions; at += 1) sum += (rows[at] as number) ** 2;
      this.#squares[row] = sum;
      largest = Math.max(largest, sum);
    }
    this.#least = largest * ROUNDING;
  }

  /** Takes up to {@link BLOCK} rows. */
  async update(taken: Float32Array): Promise<void> {
    const dimensions = this.#dimensions;
    const count = taken.length / dimensions;
    const centres = new Float32Array(dimensions * BLOCK);
    const squares = new Float32Array(BLOCK);
    for (let column = 0; column < BLOCK; column += 1) {
      // A block that is not full repeats its last row.
      const from = Math.min(column, count - 1) * dimensions;
      for (let axis = 0; axis < dimensions; axis += 1) {
        const value = taken[from + axis] as number;
        centres[axis * BLOCK + column] = -2 * value;
        squares[column] = (squares[column] as number) + value * value;
      }
    }
    const { nearest } = await this.#session.run({
      centres: new ort.Tensor('float32', centres, [dimensions, BLOCK]),
      squares: new ort.Tensor('float32', squares, [1, BLOCK]),
    });
    const partial = nearest?.data as Float32Array;
    const distances = this.#distances;
    for (let row = 0; row < distances.length; row += 1) {
      const distance = (partial[row] as number) + (this.#squares[row] as number);
      if (distance < (distances[row] as number)) distances[row] = distance > this.#least ? distance : 0;
    }
  }

  /** The next rows to take, at most `count`, as long as one is farther than the squared distance `near`. */
  farthest(count: number, near: number): number[] {
    const distances = this.#distances;
    // While nothing is taken all are equally far.
    if (distances[0] === Infinity) return [0];
    const ascending = Float32Array.from(distances).sort();
    const bound = ascending[Math.max(0, ascending.length - LEADERS)] as number;
    const leaders = [...distances.keys()]
      .filter((row) => (distances[row] as number) >= bound)
      .sort((one, other) => (distances[other] as number) - (distances[one] as number) || one - other);
    const exact = Float64Array.from(leaders, (row) => distances[row] as number);
    const known = new Uint8Array(leaders.length);
    const taken: number[] = [];
    while (taken.length < count) {
      let best = -1;
      let farthest = near;
      for (let place = 0; place < leaders.length; place += 1) {
        const row = leaders[place] as number;
        // Distances fall: those that follow cannot be farther.
        if ((distances[row] as number) <= farthest) break;
        for (let from = known[place] as number; from < taken.length; from += 1) {
          exact[place] = Math.min(exact[place] as number, this.#between(row, taken[from] as number));
        }
        known[place] = taken.length;
        if ((exact[place] as number) > farthest) {
          farthest = exact[place] as number;
          best = row;
        }
      }
      // Behind the leaders there may be one that is farther.
      if (best < 0 || (farthest < bound && leaders.length < distances.length)) break;
      taken.push(best);
    }
    return taken;
  }

  radius(): number {
    return Math.sqrt(this.#distances.reduce((farthest, distance) => Math.max(farthest, distance), 0));
  }

  close(): Promise<void> {
    return this.#session.release();
  }

  #between(one: number, other: number): number {
    const dimensions = this.#dimensions;
    let sum = 0;
    for (let axis = 0; axis < dimensions; axis += 1) {
      const difference =
        (this.#rows[one * dimensions + axis] as number) - (this.#rows[other * dimensions + axis] as number);
      sum += difference * difference;
    }
    return sum;
  }
}
