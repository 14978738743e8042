/**
 * Defects painted on pictures of good parts, by which methods are compared where no real defect is at
 * hand: a piece of the part in the wrong place (CutPaste, Li et al., CVPR 2021), a scratch, a stain, a
 * hairline crack. Places, sizes and contrasts vary from hardly visible to plain; none is so large that any
 * method would find it.
 */
import type { Random } from '../statistics/random.ts';
import { seededRandom } from '../statistics/random.ts';
import type { Features, Grid, Size } from './backbone.ts';
import type { PaintedPart } from './folds.ts';

export const PAINT_KINDS = ['cut-paste', 'scratch', 'stain', 'crack'] as const;
export type PaintKind = (typeof PAINT_KINDS)[number];

export interface Painted {
  kind: PaintKind;
  /** A copy, RGB, 8 bit, row by row. */
  pixels: Uint8Array;
  /** One byte for each pixel, 255 where it was changed visibly. */
  mask: Uint8Array;
}

/** A picture as the network sees it. */
interface Picture extends Size {
  pixels: Uint8Array;
}

/** The new colour of a channel of a pixel, from what it was and the share of paint on it, 0..1. */
type Paint = (value: number, cover: number, channel: number) => number;

interface Point {
  x: number;
  y: number;
}

/** Change in grey levels that can be seen. */
const VISIBLE = 6;
const FEWEST_PIXELS = 6;
/** Paint on a place like itself is invisible; then another place is tried. */
const ATTEMPTS = 20;

const between = (random: Random, least: number, most: number): number =>
  least + (most - least) * random.uniform();

/** Paints one defect, of a random kind unless told. Deterministic by the state of `random`. */
export function paintDefect(
  pixels: Uint8Array,
  { width, height }: Size,
  random: Random,
  kind: PaintKind = PAINT_KINDS[random.below(PAINT_KINDS.length)] as PaintKind,
): Painted {
  const picture = { pixels, width, height };
  const draw = DRAW[kind];
  let painted = seen(picture, kind, draw(picture, random));
  for (let attempt = 1; attempt < ATTEMPTS && count(painted.mask) < FEWEST_PIXELS; attempt += 1) {
    painted = seen(picture, kind, draw(picture, random));
  }
  return painted;
}

function seen({ pixels, width, height }: Picture, kind: PaintKind, changed: Uint8Array): Painted {
  const mask = new Uint8Array(width * height);
  for (let index = 0; index < pixels.length; index += 1) {
    const change = Math.abs((changed[index] as number) - (pixels[index] as number));
    if (change >= VISIBLE) mask[Math.floor(index / 3)] = 255;
  }
  return { kind, pixels: changed, mask };
}

function count(mask: Uint8Array): number {
  return mask.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
}

const DRAW: Readonly<Record<PaintKind, (picture: Picture, random: Random) => Uint8Array>> = {
  'cut-paste': cutPaste,
  scratch,
  stain,
  crack,
};

/** Paints where `coverAt` is above 0, within `reach` pixels of the points. */
function painted(
  { pixels, width, height }: Picture,
  points: readonly Point[],
  reach: number,
  coverAt: (x: number, y: number) => number,
  paint: Paint,
): Uint8Array {
  const copy = Uint8Array.from(pixels);
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const right = Math.min(width - 1, Math.ceil(Math.max(...xs) + reach));
  const bottom = Math.min(height - 1, Math.ceil(Math.max(...ys) + reach));
  for (let y = Math.max(0, Math.floor(Math.min(...ys) - reach)); y <= bottom; y += 1) {
    for (let x = Math.max(0, Math.floor(Math.min(...xs) - reach)); x <= right; x += 1) {
      const cover = coverAt(x, y);
      if (cover <= 0) continue;
      for (let channel = 0; channel < 3; channel += 1) {
        const at = (y * width + x) * 3 + channel;
        const value = paint(pixels[at] as number, cover, channel);
        copy[at] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
  }
  return copy;
}

/** Away from the border, where most parts end. */
function anywhere({ width, height }: Size, random: Random): Point {
  return { x: width * between(random, 0.08, 0.92), y: height * between(random, 0.08, 0.92) };
}

function cutPaste(picture: Picture, random: Random): Uint8Array {
  const { pixels, width, height } = picture;
  const side = Math.min(width, height);
  const area = (side * between(random, 0.04, 0.12)) ** 2;
  const aspect = Math.exp(between(random, -1, 1));
  const [halfWidth, halfHeight] = [Math.sqrt(area * aspect) / 2, Math.sqrt(area / aspect) / 2];
  const [from, to] = [anywhere(picture, random), anywhere(picture, random)];
  const turn = between(random, -Math.PI, Math.PI);
  const [cosine, sine] = [Math.cos(turn), Math.sin(turn)];
  const strength = between(random, 0.5, 1);
  const clamp = (value: number, length: number): number =>
    Math.min(length - 1, Math.max(0, Math.round(value)));
  const sourceOf = (x: number, y: number): number => {
    const [dx, dy] = [x - to.x, y - to.y];
    const column = clamp(from.x + cosine * dx - sine * dy, width);
    return (clamp(from.y + sine * dx + cosine * dy, height) * width + column) * 3;
  };
  const inside = (distance: number, half: number): number =>
    Math.min(1, Math.max(0, half + 0.5 - Math.abs(distance)));
  let source = 0;
  return painted(
    picture,
    [to],
    Math.max(halfWidth, halfHeight) + 1,
    (x, y) => {
      source = sourceOf(x, y);
      return strength * inside(x - to.x, halfWidth) * inside(y - to.y, halfHeight);
    },
    (value, cover, channel) => value + cover * ((pixels[source + channel] as number) - value),
  );
}

/** Share of a pixel that a line along the points covers. */
function lineCover(points: readonly Point[], width: number): (x: number, y: number) => number {
  return (x, y) => {
    let nearest = Infinity;
    for (let index = 1; index < points.length; index += 1) {
      const [start, end] = [points[index - 1] as Point, points[index] as Point];
      const [dx, dy] = [end.x - start.x, end.y - start.y];
      const along = ((x - start.x) * dx + (y - start.y) * dy) / (dx * dx + dy * dy || 1);
      const share = Math.min(1, Math.max(0, along));
      nearest = Math.min(nearest, Math.hypot(x - start.x - share * dx, y - start.y - share * dy));
    }
    return Math.min(1, Math.max(0, width / 2 + 0.5 - nearest)) * Math.min(1, width);
  };
}

/** A path of steps from one point, each turned against the one before by up to `bend`. */
function wander(start: Point, steps: number, step: number, bend: number, random: Random): Point[] {
  const points = [start];
  let direction = between(random, -Math.PI, Math.PI);
  const heading = direction;
  while (points.length <= steps) {
    const { x, y } = points.at(-1) as Point;
    const length = step * between(random, 0.5, 1.5);
    points.push({ x: x + length * Math.cos(direction), y: y + length * Math.sin(direction) });
    // back to the heading in the long run, as cracks and scratches do
    direction += between(random, -bend, bend) + (heading - direction) * 0.3;
  }
  return points;
}

/** A light or dark line, nearly straight. */
function scratch(picture: Picture, random: Random): Uint8Array {
  const side = Math.min(picture.width, picture.height);
  const length = side * between(random, 0.06, 0.22);
  const points = wander(anywhere(picture, random), 6, length / 6, 0.12, random);
  const levels = between(random, 25, 100) * (random.below(2) === 0 ? -1 : 1);
  const width = side * between(random, 0.005, 0.012);
  return painted(
    picture,
    points,
    width + 1,
    lineCover(points, width),
    (value, cover) => value + cover * levels,
  );
}

/** A dark, thin, jagged line. */
function crack(picture: Picture, random: Random): Uint8Array {
  const side = Math.min(picture.width, picture.height);
  const length = side * between(random, 0.08, 0.25);
  const points = wander(anywhere(picture, random), 14, length / 14, 0.9, random);
  const dark = between(random, 0.35, 0.85);
  const width = side * between(random, 0.004, 0.009);
  return painted(
    picture,
    points,
    width + 1,
    lineCover(points, width),
    (value, cover) => value * (1 - cover * dark),
  );
}

/** A soft spot of uneven outline, tinted. */
function stain(picture: Picture, random: Random): Uint8Array {
  const side = Math.min(picture.width, picture.height);
  const centre = anywhere(picture, random);
  const radius = side * between(random, 0.02, 0.06);
  const lobes = [2, 3, 5].map((waves) => ({
    waves,
    phase: between(random, 0, 2 * Math.PI),
    height: between(random, 0, 0.2),
  }));
  const tint = [0, 1, 2].map(() => between(random, 0.4, 1));
  const strength = between(random, 0.15, 0.55) * (random.below(4) === 0 ? -1 : 1);
  return painted(
    picture,
    [centre],
    radius * 1.7,
    (x, y) => {
      const angle = Math.atan2(y - centre.y, x - centre.x);
      const edge = lobes.reduce(
        (sum, { waves, phase, height }) => sum + height * Math.sin(waves * angle + phase),
        1,
      );
      const distance = Math.hypot(x - centre.x, y - centre.y) / (radius * edge);
      return Math.min(1, Math.max(0, (1.1 - distance) * 4));
    },
    (value, cover, channel) => value * (1 - cover * strength * (tint[channel] as number)),
  );
}

/** Parts that are painted on, each with one defect of every kind. */
const PAINTED_PARTS = 16;

export interface PaintSource extends Size {
  /** Good parts there are. */
  parts: number;
  seed: number;
  grid: Grid;
  /** One byte for each patch, row by row; 0 where nobody looks. */
  mask?: Uint8Array;
  /** The picture of a part as the network sees it: RGB, 8 bit, row by row. */
  pixelsOf: (part: number) => Promise<Uint8Array>;
  featuresOf: (pixels: Uint8Array) => Promise<Features>;
}

/**
 * What `auto` chooses by: up to 64 defects on 16 parts evenly spread over all. Takes as long as the features of as
 * many pictures (4 ms each). A defect that is not where anybody looks is painted again.
 */
export async function paintParts(source: PaintSource): Promise<PaintedPart[]> {
  const { parts, seed, grid, mask, pixelsOf, featuresOf } = source;
  const random = seededRandom(seed);
  const chosen = Math.min(parts, PAINTED_PARTS);
  const all: PaintedPart[] = [];
  for (let index = 0; index < chosen; index += 1) {
    const part = Math.floor((index * parts) / chosen);
    const pixels = await pixelsOf(part);
    for (const kind of PAINT_KINDS) {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const defect = paintDefect(pixels, source, random, kind);
        const patches = patchesOf(defect.mask, source, grid);
        if (!patches.some((value, patch) => value !== 0 && mask?.[patch] !== 0)) continue;
        all.push({ part, features: await featuresOf(defect.pixels), mask: patches });
        break;
      }
    }
  }
  return all;
}

/** Patches that hold a changed pixel. */
function patchesOf(mask: Uint8Array, { width, height }: Size, { columns, rows }: Grid): Uint8Array {
  const patches = new Uint8Array(columns * rows);
  mask.forEach((value, pixel) => {
    if (value === 0) return;
    const column = Math.floor(((pixel % width) * columns) / width);
    const row = Math.floor((Math.floor(pixel / width) * rows) / height);
    patches[row * columns + column] = 1;
  });
  return patches;
}
