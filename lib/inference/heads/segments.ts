/**
 * From areas of a mask to what a flow reads: label, size, box and polygons in pixels of the frame, bounded
 * whatever the mask is. Polygons of a segment are to be filled by the even-odd rule: outer outlines run
 * clockwise as seen on a screen, holes the other way round.
 */
import { labelComponents, type Components } from '../../frame/components.ts';
import { ringArea, simplifyRing, traceOutlines, type Ring } from '../../frame/outline.ts';
import type { Box } from '../../inspection/inspection.ts';
import type { ClassMap } from './class-map.ts';
import type { GrayPicture } from './head.ts';
import type { MaskNames } from './labels.ts';
import { frameBoxOf, tenth, type MaskGrid } from './mask-grid.ts';

/** Segments in a prediction, the largest ones. */
export const MAX_SEGMENTS = 100;
/** Corners of a polygon. */
const MAX_CORNERS = 200;
/** Outlines and holes of all segments together, and their corners: with the rest less than 256 kB of JSON. */
const MAX_RINGS = 500;
const CORNER_BUDGET = 9000;
/** How far a polygon may be from the border of the mask's pixels. */
const TOLERANCE = 0.5;
/** Points of a segment's box that are looked at for its score, and numbers read for those of all segments. */
const FEWEST_POINTS = 64;
const MOST_POINTS = 4096;
const READS = 131_072;

type Polygon = [x: number, y: number][];

export interface SegmentPrediction {
  /** Class. */
  index: number;
  label: string;
  /** Pixels of the frame. */
  area: number;
  /** Part of the frame, 0..1. */
  share: number;
  box: Box;
  polygons: Polygon[];
  /** 0..1: mean probability of the pixels, or the detector's for an instance. */
  score?: number;
}

export interface Segments {
  segments: SegmentPrediction[];
  /** How many there were more, where {@link MAX_SEGMENTS} were not enough. */
  omitted?: number;
}

/**
 * The rings of each segment as polygons on the frame, its largest first. Of many rings the largest of each
 * segment stay and then the largest of all, and each has fewer corners.
 */
export function polygonsOf(rings: readonly (readonly Ring[])[], grid: MaskGrid): Polygon[][] {
  const all = rings.flatMap((own, segment) =>
    own
      .map((ring) => ({ segment, ring, area: Math.abs(ringArea(ring)) }))
      .sort((one, other) => other.area - one.area)
      .map((entry, rank) => ({ ...entry, isFirst: rank === 0 })),
  );
  const kept = all
    .sort((one, other) => Number(other.isFirst) - Number(one.isFirst) || other.area - one.area)
    .slice(0, MAX_RINGS);
  const corners = Math.min(MAX_CORNERS, Math.floor(CORNER_BUDGET / Math.max(1, kept.length)));
  const polygons: Polygon[][] = rings.map(() => []);
  for (const { segment, ring } of kept) {
    const simple = simplifyRing(ring, TOLERANCE, corners);
    const polygon: Polygon = [];
    for (let i = 0; i < simple.length; i += 2) {
      polygon.push([
        tenth((simple[i] as number) * grid.pixelWidth),
        tenth((simple[i + 1] as number) * grid.pixelHeight),
      ]);
    }
    polygons[segment]?.push(polygon);
  }
  return polygons;
}

/** Area and share of so many pixels of the mask. */
export function sizeOf(pixels: number, grid: MaskGrid): { area: number; share: number } {
  const { columns, rows, pixelWidth, pixelHeight } = grid;
  return { area: tenth(pixels * pixelWidth * pixelHeight), share: pixels / (columns * rows) };
}

/** Mean probability of an area: of those of its pixels that are on a grid of about `points` over its box. */
function scoreOf(
  areas: Components,
  label: number,
  { probability, offset }: ClassMap,
  columns: number,
  points: number,
): number | undefined {
  if (probability === undefined) return undefined;
  const [left, top, right, bottom, index] = [
    areas.left,
    areas.top,
    areas.right,
    areas.bottom,
    areas.values,
  ].map((list) => list[label - 1] as number) as [number, number, number, number, number];
  const mean = (step: number): number | undefined => {
    let sum = 0;
    let count = 0;
    for (let row = top; row < bottom; row += step) {
      for (let column = left; column < right; column += step) {
        if (areas.labels[row * columns + column] !== label) continue;
        sum += probability(column, row, index - offset);
        count += 1;
      }
    }
    return count === 0 ? undefined : sum / count;
  };
  const step = Math.max(1, Math.floor(Math.sqrt(((right - left) * (bottom - top)) / points)));
  // a thin area may lie between the points of the grid
  return mean(step) ?? mean(1);
}

/** Points that are looked at for the score of one of so many segments, so that all take a millisecond or two. */
function pointsEach(segments: number, channels: number): number {
  return Math.min(MOST_POINTS, Math.max(FEWEST_POINTS, Math.floor(READS / (channels * segments))));
}

/** The connected areas of every class of at least `minArea` pixels of the frame, largest first. */
export function segmentsOf(map: ClassMap, grid: MaskGrid, names: MaskNames, minArea: number): Segments {
  const { columns, rows, pixelWidth, pixelHeight } = grid;
  const found = labelComponents(map.values, columns, rows);
  const least = minArea / (pixelWidth * pixelHeight);
  const numbers: number[] = [];
  for (let area = 0; area < found.count; area += 1) {
    if ((found.pixels[area] as number) >= least) numbers.push(area + 1);
  }
  numbers.sort(
    (one, other) => (found.pixels[other - 1] as number) - (found.pixels[one - 1] as number) || one - other,
  );
  const wanted = numbers.slice(0, MAX_SEGMENTS);
  const polygons = polygonsOf(traceOutlines(found, columns, wanted), grid);
  const points = pointsEach(wanted.length, map.channels);
  const segments = wanted.map((label, order): SegmentPrediction => {
    const area = label - 1;
    const [left, top, right, bottom] = [found.left, found.top, found.right, found.bottom].map(
      (edges) => edges[area] as number,
    ) as [number, number, number, number];
    const index = (found.values[area] as number) - map.offset;
    const score = scoreOf(found, label, map, columns, points);
    return {
      index,
      label: names.label(index),
      ...sizeOf(found.pixels[area] as number, grid),
      box: frameBoxOf(grid, left, top, right, bottom),
      polygons: polygons[order] ?? [],
      ...(score === undefined ? {} : { score }),
    };
  });
  return numbers.length > wanted.length
    ? { segments, omitted: numbers.length - wanted.length }
    : { segments };
}

/** The class of every pixel as grey; classes above 255 as 255. */
export function pictureOf({ values, offset }: ClassMap, { columns, rows }: MaskGrid): GrayPicture {
  const classes = offset === 0 ? values : values.map((value) => Math.max(0, value - offset));
  return { width: columns, height: rows, data: new Uint8Array(new Uint8ClampedArray(classes).buffer) };
}
