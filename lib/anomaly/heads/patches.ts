/** Patches of good parts as rows, one after the other, and the part each came from. */
import { seededRandom } from '../../statistics/random.ts';
import type { Features } from '../backbone.ts';

export interface Patches {
  rows: Float32Array;
  /** Index of the part, for each row. */
  parts: Uint32Array;
}

/**
 * The `limit` indices below `count` that a lottery draws first, in the order of the draw. Each index draws its lot from
 * the seed alone, so a few more indices change little of what was drawn before.
 */
function drawn(count: number, limit: number, seed: number): number[] {
  const random = seededRandom(seed);
  const lots = Float64Array.from({ length: count }, () => random.uniform());
  const last = lots.length > limit ? (lots.slice().sort()[limit - 1] as number) : 1;
  return [...lots.keys()]
    .filter((index) => (lots[index] as number) <= last)
    .sort((one, other) => (lots[one] as number) - (lots[other] as number) || one - other)
    .slice(0, limit);
}

/**
 * At most `limit` rows, in random order: of all patches at `places` (indices within the grid) of all
 * parts, or, where they are more, of a sample.
 */
export function samplePatches(
  parts: readonly Features[],
  {
    channels,
    places,
    limit,
    seed,
  }: { channels: number; places: readonly number[]; limit: number; seed: number },
): Patches {
  const picked = drawn(parts.length * places.length, limit, seed);
  const rows = new Float32Array(picked.length * channels);
  const origins = new Uint32Array(picked.length);
  picked.forEach((index, row) => {
    const place = index % places.length;
    const part = (index - place) / places.length;
    origins[row] = part;
    copyPatch(
      parts[part] as Features,
      places[place] as number,
      rows.subarray(row * channels, (row + 1) * channels),
    );
  });
  return { rows, parts: origins };
}

/** The numbers of one patch of the grid. */
export function copyPatch(features: Features, patch: number, into: Float32Array): void {
  const inPlane = features.length / into.length;
  for (let channel = 0; channel < into.length; channel += 1) {
    into[channel] = features[channel * inPlane + patch] as number;
  }
}

/** Two lots, the second behind the first. */
export function joinPatches(one: Patches, other: Patches): Patches {
  const rows = new Float32Array(one.rows.length + other.rows.length);
  rows.set(one.rows);
  rows.set(other.rows, one.rows.length);
  return { rows, parts: Uint32Array.from([...one.parts, ...other.parts]) };
}
