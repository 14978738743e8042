/**
 * How well the frames of one camera can be judged at all: focus, exposure, contrast, colour, framing,
 * and whether the camera still sees. Runs in the thread of `health-worker.ts`: decoding and measuring
 * take 10 ms of a 1080p JPEG, and learning a baseline 25 ms at once.
 */
import { asCodedError, CodedError } from '../errors.ts';
import type { HealthSection } from '../inspection/inspection.ts';
import { FROZEN, type Baseline, type HealthFinding } from './baseline.ts';
import { BaselineLearner } from './baseline-learner.ts';
import { decodeRgb } from './decode.ts';
import type { FrameFormat } from './frame.ts';
import { measurePixels, type Pixels } from './luminance.ts';

export class HealthError extends CodedError<
  | 'IMAGE_INVALID'
  | 'IMAGE_TOO_LARGE'
  /** The thread that measures the health of images ended while it had this one. */
  | 'HEALTH_FAILED'
> {}

/** A frame as it reaches the worker. */
export interface Picture {
  bytes: Buffer;
  format: FrameFormat;
  width: number;
  height: number;
  /** For people. */
  source: string;
  /** True when it is byte for byte the one before. */
  frozen: boolean;
}

export interface Measurement {
  section: HealthSection;
  /** What is outside its band, with values and bands. */
  findings: readonly HealthFinding[];
  /** Only with the frame that completed it. */
  learned?: Baseline;
}

export class HealthGauge {
  #baseline: Baseline | undefined;
  #learner: BaselineLearner | undefined;
  /** Of the picture before: saves the page faults of fresh 6 MB for each frame. */
  #pixels: Buffer | undefined;

  /**
   * @param baseline what the camera saw when all was well; learned when absent
   * @param learn good frames to learn it from; 0 for none
   */
  constructor(baseline: Baseline | undefined, learn: number) {
    this.#baseline = baseline;
    if (baseline === undefined && learn > 0) this.#learner = new BaselineLearner(learn);
  }

  /**
   * One after the other: the buffers are reused.
   *
   * @throws HealthError `IMAGE_INVALID` when the image cannot be decoded, `IMAGE_TOO_LARGE`
   */
  async measure(picture: Picture): Promise<Measurement> {
    return this.#judge(await this.#pixelsOf(picture), picture.frozen);
  }

  async #pixelsOf({ bytes, format, width, height, source }: Picture): Promise<Pixels> {
    try {
      if (format === 'gray' && bytes.length === width * height) {
        return { data: bytes, width, height, channels: 1 };
      }
      const image = await decodeRgb(bytes, format, width, height, this.#pixels);
      if (format !== 'rgb') this.#pixels = image.data;
      return { ...image, channels: 3 };
    } catch (error) {
      const { code } = asCodedError(error);
      const isLarge = code === 'IMAGE_TOO_LARGE';
      throw new HealthError(isLarge ? code : 'IMAGE_INVALID', `the image of ${source} cannot be decoded`, {
        cause: error,
      });
    }
  }

  #judge(pixels: Pixels, frozen: boolean): Measurement {
    const { width, height } = pixels;
    const { luminance, thumbnail } = measurePixels(pixels);
    const fits = this.#baseline?.fits(width, height) === true;
    const shift = fits ? this.#baseline?.shiftOf(thumbnail) : undefined;
    const unfit = frozen ? [FROZEN] : [];
    const findings = fits ? (this.#baseline?.judge({ luminance, shift, frozen }) ?? []) : unfit;
    const section: HealthSection = {
      ...luminance,
      clipped: luminance.clippedDark + luminance.clippedBright,
      frozen,
      ...(shift === undefined ? {} : { shift }),
      baseline: fits ? 'ready' : this.#stateWithoutBaseline(),
      findings: [...new Set(findings.map(({ reason }) => reason))],
    };
    if (this.#baseline !== undefined) return { section, findings };
    this.#baseline = this.#learner?.add(width, height, { luminance, thumbnail }, frozen);
    if (this.#baseline === undefined) return { section, findings };
    this.#learner = undefined;
    return { section, findings, learned: this.#baseline };
  }

  #stateWithoutBaseline(): HealthSection['baseline'] {
    if (this.#baseline !== undefined) return 'other-size';
    return this.#learner === undefined ? 'none' : 'learning';
  }
}
