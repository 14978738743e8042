/**
 * Draws one defect into a finished picture. A pixel changes only where the mask is set, so that the
 * picture without the mask's pixels is the good twin's, byte for byte.
 */
import type { Pose } from './part-image.ts';
import {
  CHANNELS,
  type Opening,
  OPENINGS,
  openingDistance,
  PART_REACH,
  type PartTemplate,
  PIERCED_ONLY,
  shadeOfSlope,
} from './part-template.ts';
import type { Random } from './random.ts';

export const DEFECT_KINDS = ['crack', 'scratch', 'dent', 'stain', 'missing-hole'] as const;
export type DefectKind = (typeof DEFECT_KINDS)[number];

/** A hole the press left out: the layers to draw the sheet with, and where they differ. */
export interface MissingOpening {
  opening: Opening;
  layers: Float32Array;
}

export interface DefectRequest {
  kind: DefectKind;
  pixels: Uint8ClampedArray;
  /** One byte per pixel, all 0; set to 255 where the picture was changed. */
  mask: Buffer;
  template: PartTemplate;
  pose: Pose;
  missing: MissingOpening | null;
  /** 0 barely visible … 1 plain. */
  severity: number;
  random: Random;
}

interface Point {
  x: number;
  y: number;
}

/** How a picture pixel changes: `new = old · (1 − dark · tint) + light`. */
interface Change {
  left: number;
  top: number;
  width: number;
  height: number;
  dark: Float32Array;
  light: Float32Array;
  tint: readonly [number, number, number];
}

/** Smallest change that counts as part of the defect, as a share of the brightness: one grey level. */
const VISIBLE = 1 / 128;
/** Around a pierced rim the sheet is drawn down this far, in design units. */
const RIM = 14;

export function missingOpening(template: PartTemplate, random: Random): MissingOpening {
  const [first, ...rest] = PIERCED_ONLY;
  const opening = random.pick([first ?? OPENINGS[0], ...rest]);
  const layers = template.layers.slice();
  eachTemplatePixel(template, opening, (pixel) => {
    for (let channel = 0; channel < CHANNELS; channel++) {
      layers[pixel * CHANNELS + channel] = template.unpierced[pixel * CHANNELS + channel] ?? 0;
    }
  });
  return { opening, layers };
}

function eachTemplatePixel(template: PartTemplate, opening: Opening, visit: (pixel: number) => void): void {
  const { width, height, scale } = template;
  const reach = opening.radius + RIM;
  const top = Math.floor((opening.y - opening.halfLength - reach) * scale + height / 2);
  const bottom = Math.ceil((opening.y + opening.halfLength + reach) * scale + height / 2);
  const left = Math.floor((opening.x - reach) * scale + width / 2);
  const right = Math.ceil((opening.x + reach) * scale + width / 2);
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const x = (column + 0.5 - width / 2) / scale;
      const y = (row + 0.5 - height / 2) / scale;
      if (openingDistance(opening, x, y) < RIM) visit(row * width + column);
    }
  }
}

export function applyDefect(request: DefectRequest): void {
  switch (request.kind) {
    case 'crack':
      change(request, crack(request));
      break;
    case 'scratch':
      change(request, scratch(request));
      break;
    case 'dent':
      change(request, dent(request));
      break;
    case 'stain':
      change(request, stain(request));
      break;
    case 'missing-hole':
      maskOpening(request);
      break;
  }
}

/** Everything the interpolation between changed and unchanged template pixels can reach. */
function maskOpening({ mask, template, pose, missing, pixels, severity, random }: DefectRequest): void {
  if (missing === null) return;
  const { opening } = missing;
  const { width, height, scale } = template;
  const middle = toPicture(template, pose, opening);
  const reach = (opening.radius + opening.halfLength + RIM + 3) * scale;
  // A broken punch often still marks the sheet: a faint ring where it should have gone through.
  const witness = (1 - severity) * random.between(0.1, 0.3);
  for (let row = Math.floor(middle.y - reach); row <= middle.y + reach; row++) {
    for (let column = Math.floor(middle.x - reach); column <= middle.x + reach; column++) {
      if (row < 0 || column < 0 || row >= height || column >= width) continue;
      const point = toDesign(template, pose, column, row);
      const distance = openingDistance(opening, point.x, point.y);
      if (distance > RIM + 2 / scale) continue;
      const pixel = row * width + column;
      mask[pixel] = 255;
      const ring = 1 - witness * Math.exp(-((distance / 1.4) ** 2));
      for (let channel = 0; channel < 3; channel++) {
        pixels[pixel * 3 + channel] = (pixels[pixel * 3 + channel] ?? 0) * ring;
      }
    }
  }
}

function crack({ template, pose, severity, random }: DefectRequest): Change {
  // Cracks start where forming strains the sheet: at a rim, or at the end of a rib.
  const start = crackStart(random);
  const length = random.between(55, 95) + 75 * severity;
  const strokes: Stroke[] = [];
  const grow = (from: Point, heading: number, reach: number, widest: number, depth: number): void => {
    let direction = heading;
    let point = from;
    const steps = Math.max(4, Math.round(reach / 5));
    for (let step = 0; step < steps; step++) {
      direction += random.normal() * 0.3 + (heading - direction) * 0.25;
      const next = { x: point.x + 5 * Math.cos(direction), y: point.y + 5 * Math.sin(direction) };
      const taper = 1 - step / steps;
      strokes.push({ from: point, to: next, width: 0.5 + widest * taper * random.between(0.7, 1.1) });
      if (depth < 2 && step > 1 && random.next() < 0.09 + 0.06 * severity) {
        const side = random.next() < 0.5 ? -1 : 1;
        grow(
          next,
          direction + side * random.between(0.5, 0.95),
          reach * taper * 0.5,
          widest * 0.65,
          depth + 1,
        );
      }
      point = next;
    }
  };
  grow(start.point, start.heading, length, 1 + 1.4 * severity, 0);
  const depth = 0.4 + 0.48 * severity;
  return drawStrokes(template, pose, strokes, { dark: depth, light: 20 + 26 * severity, ridge: 1.5 });
}

function crackStart(random: Random): { point: Point; heading: number } {
  if (random.next() < 0.3) {
    const right = random.next() < 0.5;
    const lower = random.next() < 0.5;
    const outward = right ? 0 : Math.PI;
    return {
      point: { x: right ? 130 : -176, y: lower ? 136 : -136 },
      heading: outward + random.between(0.3, 0.8) * (right === lower ? -1 : 1),
    };
  }
  const middle = random.next() < 0.5 ? OPENINGS[OPENINGS.length - 1] : random.pick(OPENINGS);
  const opening = middle ?? OPENINGS[0];
  // Towards the middle of the sheet, so that the crack stays in it.
  const home = Math.atan2(-opening.y, -opening.x);
  const heading = opening.radius > 40 ? random.between(-Math.PI, Math.PI) : home + random.between(-0.9, 0.9);
  const radius = opening.radius + 1;
  const slot = opening.halfLength * Math.sign(Math.sin(heading));
  return {
    point: {
      x: opening.x + radius * Math.cos(heading),
      y: opening.y + slot + radius * Math.sin(heading),
    },
    heading,
  };
}

function scratch({ template, pose, severity, random }: DefectRequest): Change {
  const middle = onFlatSheet(template, random, 24);
  const heading = random.between(0, 2 * Math.PI);
  const bow = random.between(-0.0022, 0.0022);
  const length = random.between(90, 150) + 170 * severity;
  const strokes: Stroke[] = [];
  const companions = random.below(3);
  for (let line = 0; line <= companions; line++) {
    const aside = line === 0 ? 0 : random.between(4, 9) * (line === 1 ? 1 : -1);
    const share = line === 0 ? 1 : random.between(0.3, 0.6);
    let direction = heading - (bow * length) / 2;
    let point = {
      x: middle.x - Math.cos(heading) * (length / 2) * share - Math.sin(heading) * aside,
      y: middle.y - Math.sin(heading) * (length / 2) * share + Math.cos(heading) * aside,
    };
    const steps = Math.round((length * share) / 7);
    for (let step = 0; step < steps; step++) {
      direction += bow * 7;
      const next = { x: point.x + 7 * Math.cos(direction), y: point.y + 7 * Math.sin(direction) };
      const taper = Math.sin((Math.PI * (step + 0.5)) / steps) ** 0.5;
      // The tool skips: some of the line is hardly there.
      const pressure = random.next() < 0.12 ? 0.35 : 1;
      const width = (0.5 + (0.9 + 0.9 * severity) * taper) * (line === 0 ? 1 : 0.75) * pressure;
      strokes.push({ from: point, to: next, width });
      point = next;
    }
  }
  return drawStrokes(template, pose, strokes, { dark: 0.16 + 0.16 * severity, light: 34 + 50 * severity, ridge: -0.9 }); // prettier-ignore
}

function dent({ template, pose, severity, random }: DefectRequest): Change {
  const radius = random.between(17, 24) + 14 * severity;
  const middle = onFlatSheet(template, random, radius * 0.9);
  const stretch = random.between(0.7, 1);
  const turn = random.between(0, Math.PI);
  const depth = (0.1 + 0.2 * severity) * radius;
  const reach = radius * 1.9;
  const flat = shadeOfSlope(0, 0);
  return drawField(template, pose, middle, reach, [1, 1, 1], (x, y) => {
    const along = Math.cos(turn) * x + Math.sin(turn) * y;
    const across = (-Math.sin(turn) * x + Math.cos(turn) * y) / stretch;
    const distance = Math.hypot(along, across) / radius;
    // Bowl with a slight wall thrown up around it; slope by the derivative of −d·e^(−2.2r²)(1 − 0.5r²).
    const slope = depth * Math.exp(-2.2 * distance * distance) * (5.4 - 2.2 * distance * distance) * (distance / radius); // prettier-ignore
    const length = Math.max(1e-6, Math.hypot(x, y));
    const fade = Math.max(0, Math.min(1, (1.85 - distance) * 3));
    const shade = shadeOfSlope((slope * x) / length, (slope * y) / length) - flat;
    return { dark: Math.max(0, -shade / flat) * fade, light: Math.max(0, shade) * 255 * fade };
  });
}

function stain({ template, pose, severity, random }: DefectRequest): Change {
  const radius = random.between(24, 34) + 22 * severity;
  const middle = onFlatSheet(template, random, radius * 0.6);
  const drops = Array.from({ length: 5 + random.below(4) }, () => ({
    x: random.normal() * radius * 0.42,
    y: random.normal() * radius * 0.42,
    size: random.between(0.35, 0.7) * radius,
  }));
  const ripple = [1, 2, 3, 5].map((order) => ({ order, phase: random.between(0, 6.28), size: 0.16 / order }));
  const strength = 0.07 + 0.17 * severity;
  // Dried oil is brownish: it takes more of the blue.
  return drawField(template, pose, middle, radius * 2.1, [0.82, 1, 1.3], (x, y) => {
    let field = 0;
    for (const drop of drops) field += Math.exp(-((x - drop.x) ** 2 + (y - drop.y) ** 2) / drop.size ** 2);
    const angle = Math.atan2(y, x);
    for (const { order, phase, size } of ripple) field *= 1 + size * Math.sin(order * angle + phase);
    const body = Math.min(1, Math.max(0, (field - 0.5) * 4));
    // Drying carries the residue to the border.
    const border = Math.exp(-(((field - 0.62) / 0.11) ** 2));
    return { dark: strength * (0.72 * body + 0.5 * border * body), light: 0 };
  });
}

interface Stroke {
  from: Point;
  to: Point;
  /** Design units. */
  width: number;
}

interface Ink {
  /** Share of the brightness the line takes. */
  dark: number;
  /** Grey levels its bright edge adds. */
  light: number;
  /** How far the bright edge lies from the line, in design units, towards the lower right. */
  ridge: number;
}

function drawStrokes(template: PartTemplate, pose: Pose, strokes: readonly Stroke[], ink: Ink): Change {
  const placed = strokes.map(({ from, to, width }) => ({
    from: toPicture(template, pose, from),
    to: toPicture(template, pose, to),
    width: width * template.scale,
  }));
  const xs = placed.flatMap(({ from, to }) => [from.x, to.x]);
  const ys = placed.flatMap(({ from, to }) => [from.y, to.y]);
  const field = emptyChange(template, Math.min(...xs) - 6, Math.min(...ys) - 6, Math.max(...xs) + 6, Math.max(...ys) + 6, [1, 1, 1]); // prettier-ignore
  const ridge = ink.ridge * template.scale;
  for (const { from, to, width } of placed) {
    const reach = width + Math.abs(ridge) + 2;
    const top = Math.max(field.top, Math.floor(Math.min(from.y, to.y) - reach));
    const bottom = Math.min(field.top + field.height - 1, Math.ceil(Math.max(from.y, to.y) + reach));
    const left = Math.max(field.left, Math.floor(Math.min(from.x, to.x) - reach));
    const right = Math.min(field.left + field.width - 1, Math.ceil(Math.max(from.x, to.x) + reach));
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const at = (row - field.top) * field.width + column - field.left;
        // A line thinner than a pixel covers less than the whole of it.
        const thin = Math.min(1, width);
        const line = thin * Math.min(1, Math.max(0, width / 2 + 0.5 - gap(column, row, from, to)));
        const edge = thin * Math.min(1, Math.max(0, width / 2 + 0.5 - gap(column - ridge, row - ridge, from, to))); // prettier-ignore
        field.dark[at] = Math.max(field.dark[at] ?? 0, ink.dark * line);
        field.light[at] = Math.max(field.light[at] ?? 0, ink.light * edge);
      }
    }
  }
  // The bright edge never lights the bottom of the line.
  if (ink.ridge > 0) {
    for (let at = 0; at < field.dark.length; at++) {
      field.light[at] = (field.light[at] ?? 0) * (1 - (field.dark[at] ?? 0) / ink.dark);
    }
  }
  return field;
}

function gap(x: number, y: number, from: Point, to: Point): number {
  const lengthSquared = Math.max(1e-9, (to.x - from.x) ** 2 + (to.y - from.y) ** 2);
  const along = ((x - from.x) * (to.x - from.x) + (y - from.y) * (to.y - from.y)) / lengthSquared;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(x - from.x - t * (to.x - from.x), y - from.y - t * (to.y - from.y));
}

function drawField(
  template: PartTemplate,
  pose: Pose,
  middle: Point,
  reach: number,
  tint: Change['tint'],
  at: (x: number, y: number) => { dark: number; light: number },
): Change {
  const centre = toPicture(template, pose, middle);
  const far = reach * template.scale;
  const field = emptyChange(template, centre.x - far, centre.y - far, centre.x + far, centre.y + far, tint);
  for (let row = 0; row < field.height; row++) {
    for (let column = 0; column < field.width; column++) {
      const point = toDesign(template, pose, column + field.left, row + field.top);
      if (Math.hypot(point.x - middle.x, point.y - middle.y) > reach) continue;
      const { dark, light } = at(point.x - middle.x, point.y - middle.y);
      field.dark[row * field.width + column] = dark;
      field.light[row * field.width + column] = light;
    }
  }
  return field;
}

function emptyChange(
  template: PartTemplate,
  left: number,
  top: number,
  right: number,
  bottom: number,
  tint: Change['tint'],
): Change {
  const firstColumn = Math.max(0, Math.floor(left));
  const firstRow = Math.max(0, Math.floor(top));
  const width = Math.max(1, Math.min(template.width - 1, Math.ceil(right)) - firstColumn + 1);
  const height = Math.max(1, Math.min(template.height - 1, Math.ceil(bottom)) - firstRow + 1);
  return {
    left: firstColumn,
    top: firstRow,
    width,
    height,
    dark: new Float32Array(width * height),
    light: new Float32Array(width * height),
    tint,
  };
}

function change({ pixels, mask, template, pose }: DefectRequest, field: Change): void {
  for (let row = 0; row < field.height; row++) {
    for (let column = 0; column < field.width; column++) {
      const dark = field.dark[row * field.width + column] ?? 0;
      const light = field.light[row * field.width + column] ?? 0;
      if (dark < VISIBLE && light < 255 * VISIBLE) continue;
      const x = column + field.left;
      const y = row + field.top;
      if (coverage(template, toDesign(template, pose, x, y)) < 0.5) continue;
      const pixel = y * template.width + x;
      mask[pixel] = 255;
      for (let channel = 0; channel < 3; channel++) {
        const old = pixels[pixel * 3 + channel] ?? 0;
        pixels[pixel * 3 + channel] = old * (1 - Math.min(1, dark * (field.tint[channel] ?? 1))) + light;
      }
    }
  }
}

/** A point of the sheet with metal all around it within `clearance` design units. */
function onFlatSheet(template: PartTemplate, random: Random, clearance: number): Point {
  for (;;) {
    const point = {
      x: random.between(-PART_REACH.left, PART_REACH.right),
      y: random.between(-PART_REACH.top, PART_REACH.bottom),
    };
    const around = Array.from({ length: 12 }, (_, index) => {
      const angle = (index * Math.PI) / 6;
      return { x: point.x + clearance * Math.cos(angle), y: point.y + clearance * Math.sin(angle) };
    });
    if ([point, ...around].every((at) => coverage(template, at) > 0.999)) return point;
  }
}

/** How much of the template's pixel nearest to a design point is metal, 0..1. */
function coverage(template: PartTemplate, point: Point): number {
  const column = Math.round(point.x * template.scale + template.width / 2 - 0.5);
  const row = Math.round(point.y * template.scale + template.height / 2 - 0.5);
  if (column < 0 || row < 0 || column >= template.width || row >= template.height) return 0;
  return template.layers[(row * template.width + column) * CHANNELS] ?? 0;
}

/** Design units from the part's middle → picture pixels. */
function toPicture(template: PartTemplate, pose: Pose, point: Point): Point {
  const x = point.x * template.scale - 0.5;
  const y = point.y * template.scale - 0.5;
  return {
    x: pose.cosine * x - pose.sine * y + template.width / 2 + pose.shiftX,
    y: pose.sine * x + pose.cosine * y + template.height / 2 + pose.shiftY,
  };
}

/** Picture pixels → design units from the part's middle. */
function toDesign(template: PartTemplate, pose: Pose, column: number, row: number): Point {
  const x = column - template.width / 2 - pose.shiftX;
  const y = row - template.height / 2 - pose.shiftY;
  return {
    x: (pose.cosine * x + pose.sine * y + 0.5) / template.scale,
    y: (pose.cosine * y - pose.sine * x + 0.5) / template.scale,
  };
}
