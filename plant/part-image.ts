/**
 * Draws the picture the camera takes of one stamped bracket on the conveyor. Everything that varies from
 * part to part (pose, light, texture, belt, noise) follows from the seed alone, and the defect from a seed
 * of its own: the same seed with and without a defect is the same part, and differs only inside the mask.
 */
import { applyDefect, type DefectKind, missingOpening } from './defects.ts';
import {
  BELT_SIZE,
  BRUSH_SIZE,
  CHANNELS,
  NOISE_SIZE,
  PART_REACH,
  partTemplate,
  type PartTemplate,
} from './part-template.ts';
import { mixSeed, randomFrom, type Random } from './random.ts';

export type { DefectKind } from './defects.ts';

export interface PartRequest {
  seed: number;
  defect: DefectKind | null;
  /** Where and how the defect lies; parts from one broken die share it. Default: follows from `seed`. */
  defectSeed?: number;
  /** 0 (barely visible) to 1 (plain). Default: drawn from the defect's seed. */
  severity?: number;
  /** Pixels; 960 × 720 unless told. */
  width?: number;
  height?: number;
}

export interface PartImage {
  /** Rows of 3 × 8 bit without padding. */
  rgb: Buffer;
  width: number;
  height: number;
  /** One byte per pixel, 255 where the defect is; null for a good part. */
  mask: Buffer | null;
  /** The mask's bounding box: left, top, width, height. */
  box: [x: number, y: number, width: number, height: number] | null;
}

/** Turns picture pixels into template pixels: `template = middle + rotation · (picture − middle − shift)`. */
export interface Pose {
  cosine: number;
  sine: number;
  shiftX: number;
  shiftY: number;
}

const MAX_SHIFT_PIXELS = 6;
const MAX_ROTATION_DEGREES = 1.5;
/** Standard deviations of the sensor noise in grey levels: all channels together, and each alone. */
const NOISE_LUMA = 1.5;
const NOISE_CHROMA = 0.9;

/** Draws one part. Deterministic; 20–35 ms for 960 × 720 on one core, after the first of a size. */
export function drawPart(request: PartRequest): PartImage {
  const template = partTemplate(request.width ?? 960, request.height ?? 720);
  const random = randomFrom(request.seed);
  const defectRandom = randomFrom(mixSeed(request.defectSeed ?? request.seed, 0xdef));
  const pose = poseOf(random, template.scale);
  const missing = request.defect === 'missing-hole' ? missingOpening(template, defectRandom) : null;
  const pixels = new Uint8ClampedArray(template.width * template.height * 3);
  if (missing === null) compose(pixels, template, template.layers, pose, random);
  else compose(pixels, template, missing.layers, pose, random);
  const rgb = Buffer.from(pixels.buffer);
  const image = { rgb, width: template.width, height: template.height };
  if (request.defect === null) return { ...image, mask: null, box: null };
  const mask = Buffer.alloc(template.width * template.height);
  const severity = request.severity ?? defectRandom.between(0.2, 1);
  applyDefect({
    kind: request.defect,
    pixels,
    mask,
    template,
    pose,
    missing,
    severity,
    random: defectRandom,
  });
  return { ...image, mask, box: boundingBox(mask, template.width) };
}

/** The first that chance decides of a part. */
function poseOf(random: Random, scale: number): Pose {
  const turn = (random.between(-MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES) * Math.PI) / 180;
  const reach = MAX_SHIFT_PIXELS * scale;
  const cosine = Math.cos(turn);
  const sine = Math.sin(turn);
  return { cosine, sine, shiftX: random.between(-reach, reach), shiftY: random.between(-reach, reach) };
}

/** How the part of this seed lies: pixels to the right and down, degrees clockwise about the middle. */
export function partPose(
  seed: number,
  { width, height }: { width: number; height: number },
): { x: number; y: number; angle: number; scale: 1 } {
  const { cosine, sine, shiftX, shiftY } = poseOf(randomFrom(seed), partTemplate(width, height).scale);
  return { x: shiftX, y: shiftY, angle: (Math.atan2(sine, cosine) * 180) / Math.PI, scale: 1 };
}

function compose(
  pixels: Uint8ClampedArray,
  template: PartTemplate,
  layers: Float32Array,
  pose: Pose,
  random: Random,
): void {
  const { width, height, scale, brush, belt, rail, railWeight, noise } = template;
  const { cosine, sine, shiftX, shiftY } = pose;
  const exposure = random.between(0.975, 1.025);
  const gradientX = random.between(-0.09, -0.05) / width;
  const gradientY = random.between(-0.13, -0.09) / height;
  const highlightX = width * random.between(0.4, 0.46);
  const highlight = random.between(0.12, 0.16);
  const brushStart = random.below(BRUSH_SIZE * BRUSH_SIZE);
  const brushRow = brushStart >> 10;
  const brushColumn = brushStart & (BRUSH_SIZE - 1);
  const beltColumn = random.below(BELT_SIZE);
  const warmth = random.between(-0.006, 0.006);

  // Along a row only these change, so they are looked up.
  const glow = new Float32Array(width);
  const vignette = new Float32Array(width);
  for (let column = 0; column < width; column++) {
    glow[column] = highlight * Math.exp(-(((column - highlightX) / (0.24 * width)) ** 2));
    vignette[column] = gradientX * (column - width / 2) - 0.1 * ((column - width / 2) / (width / 2)) ** 2;
  }
  const middleX = width / 2;
  const middleY = height / 2;
  const margin = 34 * scale;
  const firstColumn = Math.max(0, Math.floor(middleX - PART_REACH.left * scale - margin));
  const lastColumn = Math.min(width - 1, Math.ceil(middleX + PART_REACH.right * scale + margin));
  const firstRow = middleY - PART_REACH.top * scale - margin;
  const lastRow = middleY + PART_REACH.bottom * scale + margin;
  const stride = width * CHANNELS;
  const textureStep = 1 / scale;

  for (let row = 0; row < height; row++) {
    const noiseStart = random.below(NOISE_SIZE);
    const light = exposure * (1 + gradientY * (row - middleY) - 0.08 * ((row - middleY) / middleY) ** 2);
    const weight = railWeight[row] ?? 0;
    const railRed = (rail[row * 3] ?? 0) * weight;
    const railGreen = (rail[row * 3 + 1] ?? 0) * weight;
    const railBlue = (rail[row * 3 + 2] ?? 0) * weight;
    const beltStart = (Math.floor(row * textureStep) & (BELT_SIZE - 1)) * BELT_SIZE;
    const partRow = row >= firstRow && row <= lastRow;
    const down = row - middleY - shiftY;
    for (let column = 0; column < width; column++) {
      const lit = light + (vignette[column] as number);
      const beltAt = (beltStart + ((Math.floor(column * textureStep) + beltColumn) & (BELT_SIZE - 1))) * 3;
      let red = (belt[beltAt] as number) * (1 - weight) + railRed;
      let green = (belt[beltAt + 1] as number) * (1 - weight) + railGreen;
      let blue = (belt[beltAt + 2] as number) * (1 - weight) + railBlue;
      if (partRow && column >= firstColumn && column <= lastColumn) {
        const right = column - middleX - shiftX;
        const x = cosine * right + sine * down + middleX;
        const y = cosine * down - sine * right + middleY;
        const left = Math.floor(x);
        const top = Math.floor(y);
        if (left >= 0 && top >= 0 && left < width - 1 && top < height - 1) {
          const fx = x - left;
          const fy = y - top;
          const at = top * stride + left * CHANNELS;
          const w00 = (1 - fx) * (1 - fy);
          const w10 = fx * (1 - fy);
          const w01 = (1 - fx) * fy;
          const w11 = fx * fy;
          const right0 = at + CHANNELS;
          const below = at + stride;
          const right1 = below + CHANNELS;
          const cover =
            (layers[at] as number) * w00 +
            (layers[right0] as number) * w10 +
            (layers[below] as number) * w01 +
            (layers[right1] as number) * w11;
          if (cover < 0.999) {
            const shade =
              1 -
              0.72 *
                ((layers[at + 2] as number) * w00 +
                  (layers[right0 + 2] as number) * w10 +
                  (layers[below + 2] as number) * w01 +
                  (layers[right1 + 2] as number) * w11);
            red *= shade;
            green *= shade;
            blue *= shade;
          }
          if (cover > 0.001) {
            const shade =
              (layers[at + 1] as number) * w00 +
              (layers[right0 + 1] as number) * w10 +
              (layers[below + 1] as number) * w01 +
              (layers[right1 + 1] as number) * w11;
            const gloss = layers[at + 3] as number;
            const textureY = y * textureStep + brushRow;
            const textureRow = Math.floor(textureY);
            const blend = textureY - textureRow;
            const textureX = (Math.floor(x * textureStep) + brushColumn) & (BRUSH_SIZE - 1);
            const streak =
              (brush[(textureRow & (BRUSH_SIZE - 1)) * BRUSH_SIZE + textureX] as number) * (1 - blend) +
              (brush[((textureRow + 1) & (BRUSH_SIZE - 1)) * BRUSH_SIZE + textureX] as number) * blend;
            // The highlight of ground metal spreads across the grinding direction, and only where it is flat.
            const glare = (glow[column] as number) * gloss;
            const metal = 255 * (shade + glare) * (1 + (0.035 + 0.09 * glare) * streak * gloss);
            red += cover * (metal * (0.972 + warmth) - red);
            green += cover * (metal * 0.985 - green);
            blue += cover * (metal * (1.0 - warmth) - blue);
          }
        }
      }
      const grain = NOISE_LUMA * (noise[(noiseStart + column) & (NOISE_SIZE - 1)] as number);
      const at = (row * width + column) * 3;
      const colour = noiseStart + column * 3 + 7919;
      pixels[at] = red * lit + grain + NOISE_CHROMA * (noise[colour & (NOISE_SIZE - 1)] as number);
      pixels[at + 1] =
        green * lit + grain + NOISE_CHROMA * (noise[(colour + 1) & (NOISE_SIZE - 1)] as number);
      pixels[at + 2] = blue * lit + grain + NOISE_CHROMA * (noise[(colour + 2) & (NOISE_SIZE - 1)] as number);
    }
  }
}

function boundingBox(mask: Buffer, width: number): PartImage['box'] {
  let left = width;
  let right = -1;
  let top = -1;
  let bottom = -1;
  for (let pixel = mask.indexOf(255); pixel >= 0; pixel = mask.indexOf(255, pixel + 1)) {
    const column = pixel % width;
    const row = (pixel - column) / width;
    if (top < 0) top = row;
    bottom = row;
    if (column < left) left = column;
    if (column > right) right = column;
  }
  return top < 0 ? null : [left, top, right - left + 1, bottom - top + 1];
}
