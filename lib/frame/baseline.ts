/**
 * How a camera sees when all is well: for each measure the band in which good frames lie, and a
 * small picture of the framing. Kept as short text in a node's configuration.
 */
import { CodedError } from '../errors.ts';
import type { HealthReason } from '../inspection/inspection.ts';
import type { Band } from './band.ts';
import { blocksOf, ShiftMeter, wander, type Framing, type FrameShift } from './framing.ts';
import { thumbnailSize, type Luminance, type Thumbnail } from './luminance.ts';

class BaselineError extends CodedError<'BASELINE_INVALID'> {}

export type Measure = keyof Luminance;

export interface HealthFinding {
  reason: HealthReason;
  /** What was measured: a measure, or what lies outside the band. */
  measure: Measure | 'shift' | 'frozen';
  value: number;
  band: Band;
}

/** What a frame was measured as. */
export interface Measured {
  luminance: Luminance;
  shift?: FrameShift | undefined;
  frozen: boolean;
}

export interface BaselineProperties {
  /** Size of the frames in pixels. */
  width: number;
  height: number;
  /** Number of good frames it was learned from. */
  frames: number;
  bands: Record<Measure, Band>;
  /** Absent where nothing stands still enough to see the framing by. */
  framing?: Framing | undefined;
}

const VERSION = 1;
/** Twice what a full baseline needs: 128 × 64 pixels in base64 are 11 kB. */
const MAX_TEXT = 24_000;
const MAX_SIDE = 65_535;

/** What it means when a measure is below or above its band. */
const REASONS: Record<Measure, { low?: HealthReason; high?: HealthReason }> = {
  sharpness: { low: 'blurred' },
  fineness: { low: 'blurred' },
  brightness: { low: 'too-dark', high: 'too-bright' },
  contrast: { low: 'low-contrast' },
  clippedDark: { high: 'too-dark' },
  clippedBright: { high: 'too-bright' },
  castBlue: { low: 'colour-cast', high: 'colour-cast' },
  castRed: { low: 'colour-cast', high: 'colour-cast' },
};

/** Needs no baseline. */
export const FROZEN: HealthFinding = {
  reason: 'frozen',
  measure: 'frozen',
  value: 1,
  band: { low: 0, high: 0 },
};

export const MEASURES = Object.keys(REASONS) as Measure[];

export class Baseline {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly bands: Readonly<Record<Measure, Band>>;
  readonly #framing: Framing | undefined;
  readonly #shiftMeter: ShiftMeter | undefined;

  constructor({ width, height, frames, bands, framing }: BaselineProperties) {
    this.width = width;
    this.height = height;
    this.frames = frames;
    this.bands = bands;
    this.#framing = framing;
    this.#shiftMeter = framing && new ShiftMeter(framing, width, height);
  }

  /** Bands of the shift in pixels of the frame; undefined where nothing stands still in the scene. */
  get shift(): { x: Band; y: Band } | undefined {
    return this.#framing && { x: this.#framing.x, y: this.#framing.y };
  }

  /** Frames of another size cannot be compared: a smaller picture is a sharper one. */
  fits(width: number, height: number): boolean {
    return this.width === width && this.height === height;
  }

  /** Where a frame that {@link fits} lies against the good ones. */
  shiftOf(thumbnail: Thumbnail): FrameShift | undefined {
    return this.#shiftMeter?.measure(thumbnail);
  }

  /** Everything that is outside its band. A part that hides the scene is no shift. */
  judge({ luminance, shift, frozen }: Measured): HealthFinding[] {
    const findings: HealthFinding[] = [];
    for (const measure of MEASURES) {
      const value = luminance[measure];
      const band = this.bands[measure];
      const { low, high } = REASONS[measure];
      if (low !== undefined && value < band.low) findings.push({ reason: low, measure, value, band });
      if (high !== undefined && value > band.high) findings.push({ reason: high, measure, value, band });
    }
    if (shift !== undefined && this.#framing !== undefined && shift.quality >= this.#framing.quality) {
      const { distance, most } = wander(shift, this.#framing);
      if (distance > most) {
        findings.push({ reason: 'shifted', measure: 'shift', value: distance, band: { low: 0, high: most } });
      }
    }
    if (frozen) findings.push(FROZEN);
    return findings;
  }

  /** JSON of at most 12 kB. */
  toText(): string {
    const { width, height, frames } = this;
    const bands = Object.fromEntries(MEASURES.map((measure) => [measure, packBand(this.bands[measure])]));
    const framing = this.#framing && {
      x: packBand(this.#framing.x),
      y: packBand(this.#framing.y),
      quality: rounded(this.#framing.quality),
      thumbnail: packBytes(this.#framing.thumbnail.data, 1),
      steadiness: packBytes(this.#framing.steadiness, 255),
    };
    return JSON.stringify({ version: VERSION, width, height, frames, bands, framing });
  }

  /**
   * Reads what {@link toText} wrote, from a source that nobody vouches for.
   *
   * @throws BaselineError `BASELINE_INVALID`
   */
  static fromText(text: string): Baseline {
    if (text.length > MAX_TEXT) throw invalid(`it has ${text.length} characters of at most ${MAX_TEXT}`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw invalid('it is not JSON', error);
    }
    const fields = objectOf(value, 'it');
    if (fields['version'] !== VERSION) throw invalid(`its version is not ${VERSION}`);
    const width = integerOf(fields['width'], 'width', MAX_SIDE);
    const height = integerOf(fields['height'], 'height', MAX_SIDE);
    const bands = objectOf(fields['bands'], 'bands');
    return new Baseline({
      width,
      height,
      frames: integerOf(fields['frames'], 'frames', Number.MAX_SAFE_INTEGER),
      bands: Object.fromEntries(
        MEASURES.map((measure) => [measure, bandOf(bands[measure], measure)]),
      ) as Record<Measure, Band>,
      framing: fields['framing'] === undefined ? undefined : framingOf(fields['framing'], width, height),
    });
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** An open end is null: JSON has no Infinity. */
function packBand({ low, high }: Band): [number | null, number | null] {
  return [Number.isFinite(low) ? rounded(low) : null, Number.isFinite(high) ? rounded(high) : null];
}

function packBytes(values: Float64Array, scale: number): string {
  return Buffer.from(Uint8Array.from(values, (value) => Math.round(value * scale))).toString('base64');
}

function invalid(why: string, cause?: unknown): BaselineError {
  return new BaselineError('BASELINE_INVALID', `the camera's baseline cannot be read: ${why}`, {
    hint: 'learn the baseline again in the dialog of the camera',
    cause,
  });
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${name} is not an object`);
  }
  return value as Record<string, unknown>;
}

function integerOf(value: unknown, name: string, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw invalid(`${name} is not a whole number from 1 to ${most}`);
}

function bandOf(value: unknown, name: string): Band {
  const ends: unknown[] = Array.isArray(value) && value.length === 2 ? value : [undefined, undefined];
  const [low, high] = ends.map((end, i) => (end === null ? [-Infinity, Infinity][i] : end));
  if (typeof low === 'number' && typeof high === 'number' && low <= high) return { low, high };
  throw invalid(`the band of ${name} is not a pair of numbers in order`);
}

function byteValuesOf(value: unknown, name: string, length: number): Float64Array {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
  if (bytes?.length !== length) throw invalid(`${name} is not ${length} bytes in base64`);
  return Float64Array.from(bytes);
}

function framingOf(value: unknown, width: number, height: number): Framing {
  const fields = objectOf(value, 'framing');
  const size = thumbnailSize(width, height);
  const { across, down } = blocksOf(size);
  const { quality } = fields;
  if (Math.min(size.width, size.height) < 2) throw invalid('the picture is too small to have a framing');
  if (typeof quality !== 'number' || !(quality >= 0 && quality <= 1)) {
    throw invalid('the quality is not a number from 0 to 1');
  }
  return {
    thumbnail: { ...size, data: byteValuesOf(fields['thumbnail'], 'thumbnail', size.width * size.height) },
    steadiness: byteValuesOf(fields['steadiness'], 'steadiness', across * down).map((byte) => byte / 255),
    x: bandOf(fields['x'], 'shift to the right'),
    y: bandOf(fields['y'], 'shift down'),
    quality,
  };
}
