/**
 * Learns a {@link Baseline} from the first good frames of a camera.
 *
 * A frame counts when there is something to see in it, when it is not the one before, and when it is
 * like the others.
 */
import { bandOf, isOutside, KIND_SHARE, outlierBand, type Band } from './band.ts';
import { Baseline, MEASURES, type Measure } from './baseline.ts';
import { learnFraming } from './framing.ts';
import type { Luminance, Thumbnail } from './luminance.ts';

/** Candidates kept at most, for each frame to learn from. */
const CANDIDATES = 3;

/** A picture that is nearly all at one end of the range, or nearly flat, shows nothing. */
const MOST_CLIPPED = 0.95;
const LEAST_CONTRAST = 0.01;

/** Half a band is never narrower than this, in the unit of the measure or of its logarithm. */
const FLOORS: Record<Measure, { scale: 'linear' | 'log'; floor: number }> = {
  sharpness: { scale: 'log', floor: Math.log(1.5) },
  fineness: { scale: 'log', floor: Math.log(1.2) },
  contrast: { scale: 'log', floor: Math.log(1.25) },
  brightness: { scale: 'linear', floor: 0.04 },
  clippedDark: { scale: 'linear', floor: 0.03 },
  clippedBright: { scale: 'linear', floor: 0.03 },
  castBlue: { scale: 'linear', floor: 0.02 },
  castRed: { scale: 'linear', floor: 0.02 },
};

interface Candidate {
  luminance: Luminance;
  thumbnail: Thumbnail;
}

export class BaselineLearner {
  readonly #wanted: number;
  #candidates: Candidate[] = [];
  #size = { width: 0, height: 0 };

  /** `frames` is the number of good frames to learn from. */
  constructor(frames: number) {
    this.#wanted = frames;
  }

  /** Number of frames so far that were like each other. */
  get learned(): number {
    return Math.min(this.#wanted, this.#alike().length);
  }

  /** Takes the next frame; gives the baseline once there are enough good ones. */
  add(width: number, height: number, candidate: Candidate, frozen: boolean): Baseline | undefined {
    const { clippedDark, clippedBright, contrast } = candidate.luminance;
    if (frozen || Math.max(clippedDark, clippedBright) > MOST_CLIPPED || contrast < LEAST_CONTRAST) {
      return undefined;
    }
    if (width !== this.#size.width || height !== this.#size.height) this.#candidates = [];
    this.#size = { width, height };
    this.#candidates.push(candidate);
    if (this.#candidates.length > CANDIDATES * this.#wanted) this.#candidates.shift();
    if (this.#candidates.length < this.#wanted) return undefined;
    const good = this.#alike();
    if (good.length < this.#wanted) return undefined;
    return new Baseline({
      width,
      height,
      frames: good.length,
      bands: bandsOf(good.map(({ luminance }) => luminance)),
      framing: learnFraming(
        good.map(({ thumbnail }) => thumbnail),
        width,
        height,
      ),
    });
  }

  #alike(): Candidate[] {
    const odd = new Set<Candidate>();
    for (const measure of MEASURES) {
      const { scale, floor } = FLOORS[measure];
      const values = this.#candidates.map(({ luminance }) => scaled(luminance[measure], scale));
      const band = outlierBand(values, floor);
      const outside = this.#candidates.filter((_, i) => isOutside(values[i] as number, band));
      if (outside.length < KIND_SHARE * values.length) outside.forEach((candidate) => odd.add(candidate));
    }
    return this.#candidates.filter((candidate) => !odd.has(candidate));
  }
}

function scaled(value: number, scale: 'linear' | 'log'): number {
  return scale === 'log' ? Math.log(Math.max(value, 1e-6)) : value;
}

function bandsOf(good: readonly Luminance[]): Record<Measure, Band> {
  return Object.fromEntries(
    MEASURES.map((measure) => {
      const { scale, floor } = FLOORS[measure];
      const band = bandOf(
        good.map((luminance) => scaled(luminance[measure], scale)),
        floor,
      );
      return [measure, scale === 'log' ? { low: Math.exp(band.low), high: Math.exp(band.high) } : band];
    }),
  ) as Record<Measure, Band>;
}
