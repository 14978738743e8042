/** Patches of good parts as rows, one after the other, and the part each came from. */
import { seededRandom, shuffledIndices } from '../../statistics/random.ts';
import type { Features } from '../backbone.ts';

export interface Patches {
  rows: Float32Array;
  /** Index of the part, for each row. */
  parts: Uint32Array;
}

/**
 * At most `limit` rows, in random order: of all patches at `places` (indices within the grid) of all
 * parts, or, where they are more, of a sample. So long as there are fewer parts than `limit` the memory
 * it takes does not go with their number.
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
  const picked = shuffledIndices(parts.length * places.length, seededRandom(seed)).subarray(0, limit);
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
