/**
 * What all pictures of the line have in common, computed once per picture size: the stamped bracket as
 * layers in its own coordinates, the brushed texture, the conveyor, and a tile of sensor noise. A picture
 * is then a rotated look-up into these layers, which is what keeps it under 40 ms.
 *
 * The bracket is a height field over signed distances (negative inside): a plate with a tab, a notch, a
 * chamfer, a bent flange on the right, two embossed ribs, an extruded collar, a stamped number, and eight
 * pierced holes. Shading is Lambert plus Blinn–Phong on the normals of that height field.
 */
import { randomFrom, type Random } from './random.ts';

/** A pierced opening, in design units (960 × 720 picture) from the middle of the part. */
export interface Opening {
  x: number;
  y: number;
  radius: number;
  /** Half the straight length of a vertical slot; 0 for a round hole. */
  halfLength: number;
}

/** Channels of one template pixel, interleaved in this order. */
export const CHANNELS = 4;

export interface PartTemplate {
  width: number;
  height: number;
  /** Picture pixels per design unit. */
  scale: number;
  /** Coverage 0..1 · shade 0..1 · shadow on the belt 0..1 · gloss 0..1, row by row. */
  layers: Float32Array;
  /** The same sheet with nothing pierced: what a missing punch leaves. */
  unpierced: Float32Array;
  /** 1024 × 1024, mean 0, standard deviation about 1, streaks along x; wraps both ways. */
  brush: Float32Array;
  /** Conveyor colour, 512 × 512 × RGB; wraps both ways. */
  belt: Float32Array;
  /** Guide rails at the top and bottom, RGB per row; weight 0 where the belt shows. */
  rail: Float32Array;
  railWeight: Float32Array;
  /** Normally distributed, 2^18 values, wraps. */
  noise: Float32Array;
}

export const BRUSH_SIZE = 1024;
export const BELT_SIZE = 512;
export const NOISE_SIZE = 1 << 18;
/** Columns over which the brush tile's two ends are blended. */
const SEAM = 96;

const DESIGN_WIDTH = 960;
const DESIGN_HEIGHT = 720;

/** Farthest the sheet reaches from its middle, in design units; what the picture loop has to visit. */
export const PART_REACH = { left: 392, right: 332, top: 218, bottom: 218 };

export const OPENINGS: readonly [Opening, ...Opening[]] = [
  { x: -235, y: -146, radius: 23, halfLength: 0 },
  { x: -235, y: 146, radius: 23, halfLength: 0 },
  { x: 250, y: -98, radius: 17, halfLength: 0 },
  { x: 250, y: 22, radius: 15, halfLength: 48 },
  { x: -340, y: 0, radius: 21, halfLength: 0 },
  { x: 128, y: -62, radius: 11, halfLength: 0 },
  { x: 128, y: 62, radius: 11, halfLength: 0 },
  { x: 10, y: 0, radius: 64, halfLength: 0 },
];

/** The collar is formed over its hole, so a press cannot leave that one out. */
export const PIERCED_ONLY = OPENINGS.slice(0, -1);

const BEND_X = 186;
const RIBS: readonly (readonly [number, number, number, number])[] = [
  [-158, -136, 112, -136],
  [-158, 136, 112, 136],
];

function smoothstep(low: number, high: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - low) / (high - low)));
  return t * t * (3 - 2 * t);
}

function roundedBox(x: number, y: number, halfWidth: number, halfHeight: number, radius: number): number {
  const dx = Math.abs(x) - halfWidth + radius;
  const dy = Math.abs(y) - halfHeight + radius;
  return Math.min(Math.max(dx, dy), 0) + Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) - radius;
}

function segment(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const lengthSquared = (bx - ax) ** 2 + (by - ay) ** 2;
  const t = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / lengthSquared));
  return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay));
}

/** Union with a fillet of the given radius (Inigo Quilez, "smooth minimum", polynomial form). */
function filletUnion(a: number, b: number, radius: number): number {
  const h = Math.max(radius - Math.abs(a - b), 0) / radius;
  return Math.min(a, b) - (h * h * radius) / 4;
}

function blank(x: number, y: number): number {
  const body = roundedBox(x - 10, y, 312, 206, 24);
  const tab = roundedBox(x + 330, y, 56, 58, 20);
  const notch = roundedBox(x - 330, y + 214, 92, 62, 14);
  const chamfer = x * Math.SQRT1_2 + y * Math.SQRT1_2 - 326;
  return Math.max(filletUnion(body, tab, 40), -notch, chamfer);
}

/** Signed distance to the rim of an opening, negative in the hole. */
export function openingDistance(opening: Opening, x: number, y: number): number {
  const dy = Math.max(0, Math.abs(y - opening.y) - opening.halfLength);
  return Math.hypot(x - opening.x, dy) - opening.radius;
}

/** Strokes of the stamped number, as line segments of a plain engraving font on a 2 × 4 grid. */
const GLYPHS: Readonly<Record<string, readonly (readonly [number, number, number, number])[]>> = {
  '4': [[1.6, 4, 1.6, 0], [1.6, 0, 0, 2.7], [0, 2.7, 2, 2.7]], // prettier-ignore
  '2': [[0, 0.6, 0.6, 0], [0.6, 0, 1.5, 0], [1.5, 0, 2, 0.7], [2, 0.7, 2, 1.3], [2, 1.3, 0, 4], [0, 4, 2, 4]], // prettier-ignore
  '0': [[0.5, 0, 1.5, 0], [1.5, 0, 2, 0.8], [2, 0.8, 2, 3.2], [2, 3.2, 1.5, 4], [1.5, 4, 0.5, 4], [0.5, 4, 0, 3.2], [0, 3.2, 0, 0.8], [0, 0.8, 0.5, 0]], // prettier-ignore
  '7': [[0, 0, 2, 0], [2, 0, 0.8, 4]], // prettier-ignore
  '-': [[0.4, 2, 1.6, 2]], // prettier-ignore
  B: [[0, 0, 0, 4], [0, 0, 1.4, 0], [1.4, 0, 1.9, 0.9], [1.9, 0.9, 1.4, 1.9], [1.4, 1.9, 0, 1.9], [1.4, 1.9, 2, 2.9], [2, 2.9, 1.4, 4], [1.4, 4, 0, 4]], // prettier-ignore
};
const STAMP = { text: 'B4-270', x: -268, y: -18, unit: 9, pitch: 27 };

function stampDistance(x: number, y: number): number {
  if (x < STAMP.x - 8 || x > STAMP.x + STAMP.text.length * STAMP.pitch || Math.abs(y) > 34) return 99;
  let nearest = 99;
  for (const [index, letter] of Array.from(STAMP.text).entries()) {
    const left = STAMP.x + index * STAMP.pitch;
    for (const [ax, ay, bx, by] of GLYPHS[letter] ?? []) {
      nearest = Math.min(
        nearest,
        segment(x, y, left + ax * STAMP.unit, STAMP.y + ay * STAMP.unit, left + bx * STAMP.unit, STAMP.y + by * STAMP.unit), // prettier-ignore
      );
    }
  }
  return nearest;
}

interface Relief {
  /** Signed distance to the nearest cut edge, negative in the sheet. */
  edge: number;
  /** Height over the plate in design units. */
  height: number;
}

function relief(x: number, y: number, pierced: boolean): Relief {
  let edge = blank(x, y);
  if (pierced) for (const opening of OPENINGS) edge = Math.max(edge, -openingDistance(opening, x, y));
  // Shear edges are drawn down by the punch: a roll-over a few tenths of the sheet thickness wide.
  let height = -4.2 * Math.exp(Math.min(0, edge) / 3.2);
  for (const [ax, ay, bx, by] of RIBS) {
    height += 10 * (1 - smoothstep(7, 23, segment(x, y, ax, ay, bx, by)));
  }
  const fromCollar = Math.hypot(x - 10, y);
  height += 13 * (1 - smoothstep(78, 94, fromCollar)) * smoothstep(60, 76, fromCollar);
  // The flange is bent down about 10°: a radius of 14 units, then a plane.
  const beyond = x - BEND_X;
  height -= 0.17 * 7 * Math.log1p(Math.exp(Math.min(40, beyond / 7)));
  height -= 2.2 * (1 - smoothstep(0.8, 3.4, stampDistance(x, y)));
  // Two weld projections.
  height += 5 * Math.exp(-((x + 128) ** 2 + (y - 84) ** 2) / 60);
  height += 5 * Math.exp(-((x + 128) ** 2 + (y + 84) ** 2) / 60);
  return { edge, height };
}

const LIGHT = normalised(-0.42, -0.5, 0.76);
const HALFWAY = normalised(LIGHT[0], LIGHT[1], LIGHT[2] + 1);

function normalised(x: number, y: number, z: number): [number, number, number] {
  const length = Math.hypot(x, y, z);
  return [x / length, y / length, z / length];
}

/** How bright a surface with this slope is beside a flat one, under the ring light from the upper left. */
export function shadeOfSlope(slopeX: number, slopeY: number): number {
  const length = Math.hypot(slopeX, slopeY, 1);
  const diffuse = Math.max(0, (-slopeX * LIGHT[0] - slopeY * LIGHT[1] + LIGHT[2]) / length);
  const mirror = Math.max(0, (-slopeX * HALFWAY[0] - slopeY * HALFWAY[1] + HALFWAY[2]) / length);
  return 0.13 + 0.5 * diffuse + 0.38 * mirror ** 26;
}

function drawLayers(width: number, height: number, scale: number, pierced: boolean): Float32Array {
  const layers = new Float32Array(width * height * CHANNELS);
  const heights = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    const y = (row + 0.5 - height / 2) / scale;
    for (let column = 0; column < width; column++) {
      const x = (column + 0.5 - width / 2) / scale;
      const pixel = row * width + column;
      if (x < -PART_REACH.left || x > PART_REACH.right || Math.abs(y) > PART_REACH.top) continue;
      const { edge, height: level } = relief(x, y, pierced);
      heights[pixel] = level;
      layers[pixel * CHANNELS] = Math.min(1, Math.max(0, 0.5 - edge * scale));
    }
  }
  for (let row = 1; row < height - 1; row++) {
    for (let column = 1; column < width - 1; column++) {
      const pixel = row * width + column;
      const slopeX = (((heights[pixel + 1] ?? 0) - (heights[pixel - 1] ?? 0)) / 2) * scale;
      const slopeY = (((heights[pixel + width] ?? 0) - (heights[pixel - width] ?? 0)) / 2) * scale;
      const shade = shadeOfSlope(slopeX, slopeY);
      layers[pixel * CHANNELS + 1] = shade;
      layers[pixel * CHANNELS + 3] = 1 / (1 + 6 * Math.hypot(slopeX, slopeY));
    }
  }
  drawShadow(layers, width, height, scale);
  return layers;
}

/** Coverage, shifted away from the light and blurred twice with a box. */
function drawShadow(layers: Float32Array, width: number, height: number, scale: number): void {
  const shift = Math.round(9 * scale);
  let from = new Float32Array(width * height);
  for (let row = shift; row < height; row++) {
    for (let column = shift; column < width; column++) {
      from[row * width + column] = layers[((row - shift) * width + column - shift) * CHANNELS] ?? 0;
    }
  }
  const radius = Math.max(1, Math.round(6 * scale));
  for (const [length, count, along, across] of [
    [width, height, 1, width],
    [height, width, width, 1],
    [width, height, 1, width],
    [height, width, width, 1],
  ] as const) {
    const to = new Float32Array(width * height);
    for (let line = 0; line < count; line++) {
      let sum = 0;
      for (let step = -radius; step < length + radius; step++) {
        if (step + radius < length) sum += from[line * across + (step + radius) * along] ?? 0;
        if (step - radius - 1 >= 0) sum -= from[line * across + (step - radius - 1) * along] ?? 0;
        if (step >= 0 && step < length) to[line * across + step * along] = sum / (2 * radius + 1);
      }
    }
    from = to;
  }
  for (let pixel = 0; pixel < width * height; pixel++) layers[pixel * CHANNELS + 2] = from[pixel] ?? 0;
}

/** Streaks of the grinding belt: each row its own level, plus first-order autoregressive runs along it. */
function drawBrush(random: Random): Float32Array {
  const tile = new Float32Array(BRUSH_SIZE * BRUSH_SIZE);
  for (let row = 0; row < BRUSH_SIZE; row++) {
    const level = random.normal() * 0.35;
    let long = random.normal();
    let short = random.normal();
    const run = new Float32Array(BRUSH_SIZE + SEAM);
    for (let column = 0; column < run.length; column++) {
      long = 0.992 * long + 0.126 * random.normal();
      short = 0.88 * short + 0.475 * random.normal();
      run[column] = level + 0.65 * long + 0.62 * short;
    }
    for (let column = 0; column < BRUSH_SIZE; column++) {
      const overlap = Math.max(0, 1 - column / SEAM);
      const own = (run[column] ?? 0) * Math.sqrt(1 - overlap);
      // The first columns fade in from what follows the last, so that the wrap shows no seam.
      tile[row * BRUSH_SIZE + column] =
        overlap === 0 ? own : own + (run[column + BRUSH_SIZE] ?? 0) * Math.sqrt(overlap);
    }
  }
  return tile;
}

/** Rubber with a woven print, worn spots and lint. */
function drawBelt(random: Random): Float32Array {
  const tile = new Float32Array(BELT_SIZE * BELT_SIZE * 3);
  const clouds = valueNoise(random, BELT_SIZE, 32);
  const fine = valueNoise(random, BELT_SIZE, 4);
  for (let row = 0; row < BELT_SIZE; row++) {
    for (let column = 0; column < BELT_SIZE; column++) {
      const pixel = row * BELT_SIZE + column;
      const weave = Math.sin(((row + column) * Math.PI) / 4) * Math.sin(((row - column) * Math.PI) / 4);
      const level =
        40 + 5.5 * weave + 9 * (clouds[pixel] ?? 0) + 6 * (fine[pixel] ?? 0) + 1.5 * random.normal();
      tile[pixel * 3] = level * 0.84;
      tile[pixel * 3 + 1] = level * 1.04;
      tile[pixel * 3 + 2] = level * 1.06;
    }
  }
  for (let speck = 0; speck < 90; speck++) {
    const pixel = random.below(BELT_SIZE * BELT_SIZE) * 3;
    for (let channel = 0; channel < 3; channel++) tile[pixel + channel] = random.between(60, 100);
  }
  return tile;
}

/** Smoothly interpolated random lattice in about -1..1, wrapping at the tile's edge. */
function valueNoise(random: Random, size: number, cell: number): Float32Array {
  const lattice = size / cell;
  const values = Float32Array.from({ length: lattice * lattice }, () => random.between(-1, 1));
  const tile = new Float32Array(size * size);
  for (let row = 0; row < size; row++) {
    const top = Math.floor(row / cell);
    const down = smoothstep(0, 1, (row % cell) / cell);
    const bottom = (top + 1) % lattice;
    for (let column = 0; column < size; column++) {
      const left = Math.floor(column / cell);
      const along = smoothstep(0, 1, (column % cell) / cell);
      const right = (left + 1) % lattice;
      const upper =
        (values[top * lattice + left] ?? 0) * (1 - along) + (values[top * lattice + right] ?? 0) * along;
      const lower =
        (values[bottom * lattice + left] ?? 0) * (1 - along) +
        (values[bottom * lattice + right] ?? 0) * along;
      tile[row * size + column] = upper * (1 - down) + lower * down;
    }
  }
  return tile;
}

/** Aluminium guide profiles along both edges of the belt: a lit lip, a groove, a shaded foot. */
function drawRails(height: number, scale: number): { rail: Float32Array; railWeight: Float32Array } {
  const rail = new Float32Array(height * 3);
  const railWeight = new Float32Array(height);
  for (let row = 0; row < height; row++) {
    const fromEdge = Math.min(row, height - 1 - row) / scale;
    const weight = 1 - smoothstep(43, 45, fromEdge);
    const upper = row < height / 2;
    const groove = 1 - 0.45 * (smoothstep(14, 16, fromEdge) - smoothstep(21, 23, fromEdge));
    const lip = smoothstep(36, 40, fromEdge) * (upper ? -34 : 46);
    const level = (112 + lip + 10 * Math.sin(fromEdge / 5)) * groove;
    rail[row * 3] = level * 0.98;
    rail[row * 3 + 1] = level;
    rail[row * 3 + 2] = level * 1.03;
    railWeight[row] = weight;
  }
  return { rail, railWeight };
}

const templates = new Map<string, PartTemplate>();

/** The template for a picture size; drawn on first use (about half a second for 960 × 720), then kept. */
export function partTemplate(width: number, height: number): PartTemplate {
  const key = `${width}x${height}`;
  const known = templates.get(key);
  if (known !== undefined) return known;
  const scale = Math.min(width / DESIGN_WIDTH, height / DESIGN_HEIGHT);
  const random = randomFrom(0x51a9);
  const template: PartTemplate = {
    width,
    height,
    scale,
    layers: drawLayers(width, height, scale, true),
    unpierced: drawLayers(width, height, scale, false),
    brush: drawBrush(random),
    belt: drawBelt(random),
    noise: Float32Array.from({ length: NOISE_SIZE }, () => random.normal()),
    ...drawRails(height, scale),
  };
  templates.set(key, template);
  return template;
}
