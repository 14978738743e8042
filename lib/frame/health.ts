/**
 * How well a frame can be judged at all: focus, exposure, contrast, colour, framing, and whether the
 * camera still sees.
 *
 * Decoding runs in the threads of the codecs; the main thread only looks at 61 000 of the pixels,
 * 1 ms at 1080p. One picture is under way at a time, so that a burst of frames cannot take all
 * threads from the rest of Node-RED.
 */
import { CodedError } from '../errors.ts';
import type { HealthSection } from '../inspection/inspection.ts';
import { FROZEN, type Baseline, type HealthFinding } from './baseline.ts';
import { BaselineLearner } from './baseline-learner.ts';
import { decodeRgb } from './decode.ts';
import { bytesOf, type Frame } from './frame.ts';
import { measurePixels, type Pixels } from './luminance.ts';

class HealthError extends CodedError<'IMAGE_INVALID'> {}

/** Good frames to learn from. */
const LEARN = 20;

export interface HealthMeterOptions {
  /** What the camera saw when all was well; learned from the first good frames when absent. */
  baseline?: Baseline | undefined;
  /** Good frames to learn a baseline from; 0 for none. */
  learn?: number | undefined;
}

/** Measures the frames of one camera, one after the other. */
export class HealthMeter {
  #turn: Promise<unknown> = Promise.resolve();
  #previousSha256: string | undefined;
  #baseline: Baseline | undefined;
  #learner: BaselineLearner | undefined;
  /** Of the picture before: saves the page faults of fresh 6 MB for each frame. */
  #pixels: Buffer | undefined;
  #findings: readonly HealthFinding[] = [];

  constructor({ baseline, learn = LEARN }: HealthMeterOptions = {}) {
    this.#baseline = baseline;
    if (baseline === undefined && learn > 0) this.#learner = new BaselineLearner(learn);
  }

  /** The one given, or the one learned meanwhile. */
  get baseline(): Baseline | undefined {
    return this.#baseline;
  }

  /** What is outside its band in the frame measured last, with values and bands. */
  get findings(): readonly HealthFinding[] {
    return this.#findings;
  }

  /**
   * Frames are compared with the one measured before, in the order of the calls.
   *
   * @throws HealthError `IMAGE_INVALID` when the image cannot be decoded
   */
  measure(frame: Frame): Promise<HealthSection> {
    const frozen = frame.sha256 === this.#previousSha256;
    this.#previousSha256 = frame.sha256;
    const measured = this.#turn.then(async () => this.#section(await this.#pixelsOf(frame), frozen));
    this.#turn = measured.catch(() => undefined);
    return measured;
  }

  async #pixelsOf(frame: Frame): Promise<Pixels> {
    const { width, height, format } = frame;
    try {
      const bytes = await bytesOf(frame);
      if (format === 'gray' && bytes.length === width * height) {
        return { data: bytes, width, height, channels: 1 };
      }
      const image = await decodeRgb(bytes, format, width, height, this.#pixels);
      if (format !== 'rgb') this.#pixels = image.data;
      return { ...image, channels: 3 };
    } catch (error) {
      throw new HealthError('IMAGE_INVALID', `the image of ${frame.source} cannot be decoded`, {
        cause: error,
      });
    }
  }

  #section(pixels: Pixels, frozen: boolean): HealthSection {
    const { width, height } = pixels;
    const { luminance, thumbnail } = measurePixels(pixels);
    const fits = this.#baseline?.fits(width, height) === true;
    const shift = fits ? this.#baseline?.shiftOf(thumbnail) : undefined;
    if (fits) this.#findings = this.#baseline?.judge({ luminance, shift, frozen }) ?? [];
    else this.#findings = frozen ? [FROZEN] : [];
    const section: HealthSection = {
      ...luminance,
      clipped: luminance.clippedDark + luminance.clippedBright,
      frozen,
      ...(shift === undefined ? {} : { shift }),
      baseline: fits ? 'ready' : this.#stateWithoutBaseline(),
      findings: [...new Set(this.#findings.map(({ reason }) => reason))],
    };
    if (this.#baseline === undefined) {
      this.#baseline = this.#learner?.add(width, height, { luminance, thumbnail }, frozen);
      if (this.#baseline !== undefined) this.#learner = undefined;
    }
    return section;
  }

  #stateWithoutBaseline(): HealthSection['baseline'] {
    if (this.#baseline !== undefined) return 'other-size';
    return this.#learner === undefined ? 'none' : 'learning';
  }
}
