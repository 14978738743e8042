/**
 * Where a camera looks: a small picture of what stands still in its scene, and how far a frame lies
 * from it. Parts come and go, so what differs between good frames has little weight.
 */
import { bandOf, isOutside, KIND_SHARE, median, outlierBand, type Band } from './band.ts';
import type { Thumbnail } from './luminance.ts';
import { ShiftReference } from './shift.ts';

/** Side of a block of {@link Scene.steadiness}. */
const BLOCK = 8;

/** Of a pixel of the thumbnail: what registration itself errs on real pictures. */
const SHIFT_FLOOR = 0.15;
/** Grey levels of median change between good frames at which a block counts an eighth… */
const UNSTEADY_LEVELS = 2;
/** …by 1 / (1 + (change / 2)²)³. Chosen of 2 to 4 levels and powers 1 to 10 by what parts shift on real pictures. */
const UNSTEADY_POWER = 3;
/** Peaks of pictures that have nothing in common are 0.1 to 0.2 high. */
const LEAST_QUALITY = 0.25;
/** A scene that fewer of its good frames fit stands nowhere still. */
const LEAST_FITTING = 0.8;
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

/**
 * How far a frame lies from where good ones lie, and how far it may in that direction, in pixels.
 * Good ones lie in the ellipse inside the two bands: a box would allow 1.4 times as much across.
 */
export function wander(shift: FrameShift, { x, y }: Framing): { distance: number; most: number } {
  const dx = shift.x - (x.low + x.high) / 2;
  const dy = shift.y - (y.low + y.high) / 2;
  const distance = Math.hypot(dx, dy);
  const share = Math.hypot((2 * dx) / (x.high - x.low), (2 * dy) / (y.high - y.low));
  return { distance, most: share > 0 ? distance / share : Infinity };
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
    steadiness: change.map(
      (sum, i) => (1 + (sum / (pixels[i] as number) / UNSTEADY_LEVELS) ** 2) ** -UNSTEADY_POWER,
    ),
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
  const floorX = (SHIFT_FLOOR * width) / thumbnail.width;
  const floorY = (SHIFT_FLOOR * height) / thumbnail.height;
  const shifts = good
    .map((picture) => meter.measure(picture))
    .filter((shift) => shift.quality >= LEAST_QUALITY);
  if (shifts.length < LEAST_FITTING * good.length) return undefined;
  const alike = withoutOutliers(withoutOutliers(shifts, 'x', floorX), 'y', floorY);
  const x = bandOf(
    alike.map((shift) => shift.x),
    floorX,
  );
  const y = bandOf(
    alike.map((shift) => shift.y),
    floorY,
  );
  if (x.high - x.low > 2 * MOST_WANDERING * width || y.high - y.low > 2 * MOST_WANDERING * height) {
    return undefined;
  }
  const quality = Math.max(LEAST_QUALITY, median(shifts.map((shift) => shift.quality)) / 3);
  return { ...scene, x, y, quality };
}

/** A single picture that fits elsewhere by chance must not widen the band; a camera that wanders must. */
function withoutOutliers(
  shifts: readonly FrameShift[],
  axis: 'x' | 'y',
  floor: number,
): readonly FrameShift[] {
  const band = outlierBand(
    shifts.map((shift) => shift[axis]),
    floor,
  );
  const inside = shifts.filter((shift) => !isOutside(shift[axis], band));
  return shifts.length - inside.length < KIND_SHARE * shifts.length ? inside : shifts;
}
