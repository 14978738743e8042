/**
 * What is pointed out about pictures before a model is taught from them. Each is compared with the
 * others of its set: what is usual for a camera and its parts is never a finding.
 *
 * A part seen twice makes a model too sure: it is scored by a head that has seen it. A blurred or burnt
 * out one widens what counts as normal.
 */
import type { RgbImage } from '../frame/decode.ts';
import { resizeRgb } from '../frame/resize.ts';
import type { PartMeasures } from './parts.ts';

export type FindingKind = 'duplicate' | 'blurred' | 'clipped' | 'other-size' | 'unreadable';

export interface Finding {
  kind: FindingKind;
  /** Id of the part; its source where it has none, because it could not be read. */
  part: string;
  source: string;
  /** The part it is a duplicate of, and where that came from. */
  of?: string;
  ofSource?: string;
  /** True for the same pixels, false for pixels as alike as two pictures of one part at rest. */
  exact?: boolean;
  /** What was measured, and the limit it passed. */
  value?: number;
  limit?: number;
  /** True when the model was taught without it. */
  leftOut: boolean;
}

/** What the findings are made from: small, so that it can be kept for a thousand parts. */
export interface PartLook {
  id: string;
  source: string;
  width: number;
  height: number;
  measures: PartMeasures;
  /** See {@link signatureOf}. */
  signature: Float32Array;
}

/** Fewer say nothing about what is usual. */
const MINIMUM_SET = 5;
const SIGNATURE_SIDE = 32;
/**
 * Grey levels by which cells of two pictures of one part at rest differ at most: 2.8 after noise of 4 levels
 * or a second JPEG compression, where pictures of different parts differed by 9.2 and more (three real sets).
 */
const SAME_PART_LEVELS = 4;
/** A set whose parts are all alike has no duplicates: they lie well below what is usual between neighbours. */
const SAME_PART_SHARE = 1 / 3;
/**
 * Against the medians of the set. Sharp parts of three real sets lay above .44 and .81; a blur of one
 * pixel left at most .41 and .68.
 */
const BLURRED_SHARPNESS = 0.6;
const BLURRED_FINENESS = 0.75;
/** Share of pixels burnt out, or lost in the dark, beyond the median of the set; sharp sets stayed within .011. */
const CLIPPED_EXCESS = 0.05;

/** Mean luminance, 0…255, of each cell of the picture. */
export function signatureOf(image: RgbImage): Float32Array {
  const { data } = resizeRgb(image, { width: SIGNATURE_SIDE, height: SIGNATURE_SIDE, fit: 'stretch' });
  return Float32Array.from(
    { length: SIGNATURE_SIDE ** 2 },
    // ITU-R BT.601
    (_, i) =>
      (77 * (data[3 * i] as number) + 150 * (data[3 * i + 1] as number) + 29 * (data[3 * i + 2] as number)) /
      256,
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[sorted.length >> 1] ?? NaN;
}

/** Largest difference of a cell; Infinity as soon as it is above `limit`. */
function differenceOf(one: Float32Array, other: Float32Array, limit: number): number {
  let largest = 0;
  for (let cell = 0; cell < one.length; cell += 1) {
    const difference = Math.abs((one[cell] as number) - (other[cell] as number));
    if (difference > limit) return Infinity;
    if (difference > largest) largest = difference;
  }
  return largest;
}

/** For each part, what is left of the difference to the part it is most like. */
function nearestDifferences(parts: readonly PartLook[]): number[] {
  const nearest = new Array<number>(parts.length).fill(Infinity);
  parts.forEach(({ signature }, index) => {
    for (let before = 0; before < index; before += 1) {
      const limit = Math.max(nearest[index] as number, nearest[before] as number);
      const difference = differenceOf(signature, (parts[before] as PartLook).signature, limit);
      nearest[index] = Math.min(nearest[index] as number, difference);
      nearest[before] = Math.min(nearest[before] as number, difference);
    }
  });
  return nearest;
}

function duplicatesIn(parts: readonly PartLook[], leaveOut: boolean): Finding[] {
  const usual = median(nearestDifferences(parts));
  const limit = Math.min(SAME_PART_LEVELS, usual * SAME_PART_SHARE);
  const singles: PartLook[] = [];
  const findings: Finding[] = [];
  for (const part of parts) {
    const first = singles.find(({ signature }) => differenceOf(part.signature, signature, limit) <= limit);
    if (first === undefined) singles.push(part);
    else {
      findings.push({
        kind: 'duplicate',
        part: part.id,
        source: part.source,
        of: first.id,
        ofSource: first.source,
        exact: false,
        value: differenceOf(part.signature, first.signature, limit),
        limit,
        leftOut: leaveOut,
      });
    }
  }
  return findings;
}

/** The most frequent value. */
function usualOf(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0];
}

/**
 * Near duplicates, blurred and clipped pictures, and those of another size, of parts with different ids.
 * `leaveOut` only sets the mark. 1 000 parts take about 0.2 s.
 */
export function findingsAmong(
  parts: readonly PartLook[],
  leaveOut: ReadonlySet<FindingKind> = new Set(),
): Finding[] {
  if (parts.length < MINIMUM_SET) return [];
  const of = (measure: keyof PartMeasures): number => median(parts.map(({ measures }) => measures[measure]));
  const usual = {
    sharpness: of('sharpness'),
    fineness: of('fineness'),
    clippedBright: of('clippedBright'),
    clippedDark: of('clippedDark'),
    size: usualOf(parts.map(({ width, height }) => `${width}×${height}`)),
  };
  const findings: Finding[] = duplicatesIn(parts, leaveOut.has('duplicate'));
  for (const { id, source, width, height, measures } of parts) {
    const point = (kind: FindingKind, numbers: { value?: number; limit?: number } = {}): void => {
      findings.push({ kind, part: id, source, ...numbers, leftOut: leaveOut.has(kind) });
    };
    if (
      measures.fineness < BLURRED_FINENESS * usual.fineness &&
      measures.sharpness < BLURRED_SHARPNESS * usual.sharpness
    ) {
      point('blurred', { value: measures.sharpness, limit: BLURRED_SHARPNESS * usual.sharpness });
    }
    for (const end of ['clippedBright', 'clippedDark'] as const) {
      const limit = usual[end] + CLIPPED_EXCESS;
      if (measures[end] > limit) point('clipped', { value: measures[end], limit });
    }
    if (`${width}×${height}` !== usual.size) point('other-size');
  }
  return findings;
}
