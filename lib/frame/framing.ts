/**
 * Where a camera looks: a small picture of what stands still in its scene, and how far a frame lies
 * from it. Parts come and go, so what differs between good frames has little weight.
 */
import { bandOf, median, type Band } from './band.ts';
import type { Thumbnail } from './luminance.ts';
import { ShiftReference } from './shift.ts';

/** Side of a block of {@link Scene.steadiness}. */
const BLOCK = 8;

/** Of a pixel of the thumbnail: what registration itself errs on real pictures. */
const SHIFT_FLOOR = 0.15;
/** Grey levels of median change between good frames at which a block counts half. */
const UNSTEADY_LEVELS = 4;
/** Peaks of pictures that have nothing in common are 0.1 to 0.2 high. */
const LEAST_QUALITY = 0.25;
/** A scene whose good frames wander by more of a side than this cannot be seen to shift. */
const MOST_WANDERING = 0.05;
/** A thumbnail with a shorter side shows no framing. */
const LEAST_SIDE = 16;

export interface Scene {
  /** What good frames have in common. */
  thumbnail: Thumbnail;
  /** 0…1 for each block of 8 × 8 pixels of the thumbnail: 1 where good frames are alike. */
  steadiness: Float64Array;
}

/** Where the picture lies, in pixels of the whole frame. */
export interface FrameShift {
  x: number;
  y: number;
  /** Height of the correlation's peak, 0…1. */
  quality: number;
}

export interface Framing extends Scene {
  x: Band;
  y: Band;
  /** Below this quality a picture is too different to say where it lies. */
  quality: number;
}

/** Number of blocks across and down; the last of each may be cut. */
export function blocksOf({ width, height }: { width: number; height: number }): {
  across: number;
  down: number;
} {
  return { across: Math.ceil(width / BLOCK), down: Math.ceil(height / BLOCK) };
}

/** Weights of blocks → of pixels, without steps, which would be edges that never move. */
function smooth(steadiness: Float64Array, size: { width: number; height: number }): Float64Array {
  const { across, down } = blocksOf(size);
  const at = (column: number, row: number): number =>
    steadiness[
      Math.max(0, Math.min(down - 1, row)) * across + Math.max(0, Math.min(across - 1, column))
    ] as number;
  return Float64Array.from({ length: size.width * size.height }, (_, i) => {
    const x = ((i % size.width) + 0.5) / BLOCK - 0.5;
    const y = (Math.floor(i / size.width) + 0.5) / BLOCK - 0.5;
    const column = Math.floor(x);
    const row = Math.floor(y);
    const right = x - column;
    const below = y - row;
    return (
      (at(column, row) * (1 - right) + at(column + 1, row) * right) * (1 - below) +
      (at(column, row + 1) * (1 - right) + at(column + 1, row + 1) * right) * below
    );
  });
}

/** Measures where frames of `width` × `height` pixels lie against a scene. */
export class ShiftMeter {
  readonly #reference: ShiftReference;
  readonly #scaleX: number;
  readonly #scaleY: number;

  constructor({ thumbnail, steadiness }: Scene, width: number, height: number) {
    this.#reference = new ShiftReference(thumbnail, smooth(steadiness, thumbnail));
    this.#scaleX = width / thumbnail.width;
    this.#scaleY = height / thumbnail.height;
  }

  measure(thumbnail: Thumbnail): FrameShift {
    const { x, y, quality } = this.#reference.measure(thumbnail);
    return { x: x * this.#scaleX, y: y * this.#scaleY, quality };
  }
}

/** Median of the good pictures, and how much each block of them differs from it. */
function sceneOf(good: readonly Thumbnail[]): { thumbnail: Thumbnail; steadiness: Float64Array } {
  const [first] = good;
  if (first === undefined) throw new RangeError('no pictures');
  const { width, height } = first;
  const { across, down } = blocksOf(first);
  const change = new Float64Array(across * down);
  const pixels = new Float64Array(across * down);
  const data = first.data.map((_, i) => {
    const levels = good.map((thumbnail) => thumbnail.data[i] as number);
    const middle = median(levels);
    const block = Math.floor(Math.floor(i / width) / BLOCK) * across + Math.floor((i % width) / BLOCK);
    change[block] = (change[block] as number) + median(levels.map((level) => Math.abs(level - middle)));
    pixels[block] = (pixels[block] as number) + 1;
    return middle;
  });
  return {
    thumbnail: { data, width, height },
    steadiness: change.map((sum, i) => 1 / (1 + (sum / (pixels[i] as number) / UNSTEADY_LEVELS) ** 2)),
  };
}

/**
 * Learns the framing of good frames of `width` × `height` pixels; undefined where the scene shows
 * none: it is too small, or nothing in it stands still.
 */
export function learnFraming(good: readonly Thumbnail[], width: number, height: number): Framing | undefined {
  const scene = sceneOf(good);
  const { thumbnail } = scene;
  if (Math.min(thumbnail.width, thumbnail.height) < LEAST_SIDE) return undefined;
  const meter = new ShiftMeter(scene, width, height);
  const shifts = good.map((picture) => meter.measure(picture));
  const x = bandOf(
    shifts.map((shift) => shift.x),
    (SHIFT_FLOOR * width) / thumbnail.width,
  );
  const y = bandOf(
    shifts.map((shift) => shift.y),
    (SHIFT_FLOOR * height) / thumbnail.height,
  );
  if (x.high - x.low > 2 * MOST_WANDERING * width || y.high - y.low > 2 * MOST_WANDERING * height) {
    return undefined;
  }
  const quality = Math.max(LEAST_QUALITY, median(shifts.map((shift) => shift.quality)) / 2);
  return { ...scene, x, y, quality };
}
