/**
 * What a person drew on the picture: regions that become parts, and masks for what must not be seen.
 * Checked here, once, because it comes out of a saved configuration and may be anything.
 */
import { CodedError } from '../errors.ts';
import { areaOf, type Point } from './polygon.ts';

export type RegionErrorCode =
  /** Drawn or named in a way that has no meaning. */
  | 'REGION_INVALID'
  /** Holds no pixel of the picture that came. */
  | 'REGION_OUTSIDE';

export class RegionError extends CodedError<RegionErrorCode> {}

export interface Region {
  /** Of a part: 1 to 64 printable characters, once. Of a mask: for people only, may be empty. */
  name: string;
  kind: 'part' | 'mask';
  /** Outline in pixels of the turned picture. Four corners with upright sides are a rectangle. */
  points: readonly Point[];
}

const MAX_REGIONS = 32;
const MAX_POINTS = 256;
const PRINTABLE = /^\P{C}{0,64}$/u;

/** @throws RegionError `REGION_INVALID`, naming the region */
export function checkRegions(regions: unknown): Region[] {
  if (!Array.isArray(regions)) throw new RegionError('REGION_INVALID', 'the regions are not a list');
  if (regions.length > MAX_REGIONS) {
    throw new RegionError('REGION_INVALID', `${regions.length} regions are more than ${MAX_REGIONS}`);
  }
  const names = new Set<string>();
  return regions.map((value: unknown, index) => {
    const region = checkRegion(value, index);
    if (region.kind === 'mask') return region;
    if (names.has(region.name)) {
      throw new RegionError('REGION_INVALID', `two regions are named ${region.name}`);
    }
    names.add(region.name);
    return region;
  });
}

function checkRegion(value: unknown, index: number): Region {
  const { name, kind, points } = (value ?? {}) as Record<keyof Region, unknown>;
  const called = typeof name === 'string' && name !== '' ? name.slice(0, 64) : `${index + 1}`;
  const refuse = (what: string): never => {
    throw new RegionError('REGION_INVALID', `region ${called} ${what}`);
  };
  if (kind !== 'part' && kind !== 'mask') return refuse('is neither a part nor a mask');
  if (typeof name !== 'string' || !PRINTABLE.test(name) || (kind === 'part' && name.trim() === '')) {
    return refuse('needs a name of 1 to 64 printable characters');
  }
  if (!Array.isArray(points) || points.length < 3) return refuse('has fewer than 3 points');
  if (points.length > MAX_POINTS) return refuse(`has more than ${MAX_POINTS} points`);
  const outline = points.map((point: unknown) =>
    isPoint(point) ? ([point[0], point[1]] as const) : refuse('has a point that is not two numbers from 0'),
  );
  if (areaOf(outline) === 0) return refuse('has no area');
  return { name, kind, points: outline };
}

function isPoint(value: unknown): value is Point {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    value.every(
      (coordinate) => typeof coordinate === 'number' && Number.isFinite(coordinate) && coordinate >= 0,
    )
  );
}
