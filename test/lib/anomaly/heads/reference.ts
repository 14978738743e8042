/** Plain computations in double precision that the graphs of heads are compared with, and drawn features. */
import assert from 'node:assert/strict';
import type { Features } from '../../../../lib/anomaly/backbone.ts';
import {
  activePatches,
  HIGHEST_PATCHES,
  type FeatureSet,
  type HeadShape,
} from '../../../../lib/anomaly/heads/head.ts';
import { seededRandom } from '../../../../lib/statistics/random.ts';

/** Parts that are alike from place to place: each place has a mean of its own, and noise. */
export function drawnParts(shape: HeadShape, count: number, seed: number, noise = 0.3): Features[] {
  const { channels, grid } = shape;
  const length = channels * grid.columns * grid.rows;
  const places = seededRandom(seed);
  const means = Float32Array.from({ length }, () => places.normal());
  const random = seededRandom(seed + 1);
  return Array.from({ length: count }, () => means.map((mean) => mean + noise * random.normal()));
}

export function drawnSet(shape: HeadShape, count: number, seed: number): FeatureSet {
  return { ...shape, parts: drawnParts(shape, count, seed) };
}

export function patchOf({ channels, grid }: HeadShape, features: Features, patch: number): number[] {
  const inPlane = grid.columns * grid.rows;
  return Array.from({ length: channels }, (_, channel) => features[channel * inPlane + patch] ?? NaN);
}

export function squaredDistance(one: readonly number[], other: readonly number[]): number {
  return one.reduce((sum, value, index) => sum + (value - (other[index] ?? NaN)) ** 2, 0);
}

/** The patch at each step round a patch, itself included, that is in the grid and looked at. */
export function blockRound(shape: HeadShape, patch: number): number[] {
  const { columns } = shape.grid;
  const [column, row] = [patch % columns, Math.floor(patch / columns)];
  return activePatches(shape).filter(
    (other) => Math.abs((other % columns) - column) <= 1 && Math.abs(Math.floor(other / columns) - row) <= 1,
  );
}

/** Zero where nobody looks. */
export function mapOf(shape: HeadShape, distance: (patch: number) => number): number[] {
  const map = new Array<number>(shape.grid.columns * shape.grid.rows).fill(0);
  for (const patch of activePatches(shape)) map[patch] = distance(patch);
  return map;
}

export function meanOfHighest(map: readonly number[]): number {
  const highest = map.toSorted((one, other) => other - one).slice(0, HIGHEST_PATCHES);
  return highest.reduce((sum, value) => sum + value, 0) / HIGHEST_PATCHES;
}

/** `tolerance` is a share of the largest number expected. */
export function assertClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((value, index) => Math.abs((actual[index] ?? NaN) - value)));
  assert.ok(worst <= tolerance * largest, `differs by ${worst} of ${largest}`);
}
