/**
 * How well a frame can be judged at all: focus, exposure, and whether the camera still sees.
 *
 * Decoding and scaling run in sharp's own threads; the main thread only loops over a luminance
 * picture of at most 320 × 320. One picture is under way at a time, so that a burst of frames
 * cannot take all threads from the rest of Node-RED.
 */
import sharp from 'sharp';
import type { HealthSection } from '../inspection/inspection.ts';
import { CodedError } from '../errors.ts';
import { bytesOf, type Frame } from './frame.ts';

class HealthError extends CodedError<'IMAGE_INVALID'> {}

const MAX_SIDE = 320;
/** Grey levels of 0..255 that count as cut off; one beside the end, because scaling rounds. */
const DARK_END = 1;
const BRIGHT_END = 254;

export type Luminance = Pick<HealthSection, 'sharpness' | 'brightness' | 'clipped'>;

/**
 * Sharpness, brightness and clipped share of a luminance picture, 8 bit, row by row.
 *
 * Sharpness is the variance of the 4-neighbour Laplacian in squared grey levels
 * (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000).
 */
export function measureLuminance(pixels: Uint8Array, width: number, height: number): Luminance {
  let sum = 0;
  let clipped = 0;
  const count = width * height;
  for (let index = 0; index < count; index += 1) {
    const level = pixels[index] ?? 0;
    sum += level;
    if (level <= DARK_END || level >= BRIGHT_END) clipped += 1;
  }
  let laplacianSum = 0;
  let laplacianSquares = 0;
  for (let row = 1; row < height - 1; row += 1) {
    const end = row * width + width - 1;
    for (let index = row * width + 1; index < end; index += 1) {
      const laplacian =
        (pixels[index - width] ?? 0) +
        (pixels[index - 1] ?? 0) +
        (pixels[index + 1] ?? 0) +
        (pixels[index + width] ?? 0) -
        4 * (pixels[index] ?? 0);
      laplacianSum += laplacian;
      laplacianSquares += laplacian * laplacian;
    }
  }
  const inner = Math.max(1, (width - 2) * (height - 2));
  const mean = laplacianSum / inner;
  return {
    sharpness: Math.max(0, laplacianSquares / inner - mean * mean),
    brightness: sum / count / 255,
    clipped: clipped / count,
  };
}

/**
 * Size to look at: halved as often as needed, at most three times, because that is what a JPEG
 * decoder gives for free; only what is larger then is really scaled.
 */
export function inspectedSize(width: number, height: number): { width: number; height: number } {
  let factor = 1;
  while (factor < 8 && Math.max(width, height) / factor > MAX_SIDE) factor *= 2;
  const scale = Math.min(1 / factor, MAX_SIDE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Measures the frames of one camera, one after the other. */
export class HealthMeter {
  #turn: Promise<unknown> = Promise.resolve();
  #previousSha256: string | undefined;

  /**
   * Frames are compared with the one measured before, in the order of the calls.
   *
   * @throws HealthError `IMAGE_INVALID` when the image cannot be decoded
   */
  measure(frame: Frame): Promise<HealthSection> {
    const frozen = frame.sha256 === this.#previousSha256;
    this.#previousSha256 = frame.sha256;
    const measured = this.#turn.then(async () => ({ ...(await luminanceOf(frame)), frozen }));
    this.#turn = measured.catch(() => undefined);
    return measured;
  }
}

async function luminanceOf(frame: Frame): Promise<Luminance> {
  const { width, height, format } = frame;
  const raw = { width, height, channels: format === 'rgb' ? (3 as const) : (1 as const) };
  const isRaw = format === 'rgb' || format === 'gray';
  const size = inspectedSize(width, height);
  try {
    const { data, info } = await sharp(await bytesOf(frame), isRaw ? { raw } : { failOn: 'error' })
      .resize({ ...size, fit: 'fill', kernel: 'linear' })
      .grayscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return measureLuminance(firstChannel(data, info.channels), info.width, info.height);
  } catch (error) {
    throw new HealthError('IMAGE_INVALID', `the image of ${frame.source} cannot be decoded`, {
      cause: error,
    });
  }
}

/** A picture with transparency comes with a second channel. */
function firstChannel(data: Buffer, channels: number): Uint8Array {
  return channels === 1 ? data : data.filter((_level, index) => index % channels === 0);
}
