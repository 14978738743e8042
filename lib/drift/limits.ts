/**
 * From which value on each test of a stream alarms, so that all of them together keep the rate of false
 * alarms. The exact p-values behind it take up to a tenth of a second to work out: once for each model,
 * in the thread that makes its baseline, and carried in that as plain JSON.
 */
import type { Direction } from '../statistics/detector.ts';
import { repeatedLevel, smirnovThreshold } from '../statistics/ks.ts';
import { frozenBins, stabilityThreshold, type FrozenBins } from '../statistics/psi.ts';

export interface StreamLimits {
  direction: Direction;
  /** Smallest Kolmogorov–Smirnov distance that is an alarm, for each of {@link WINDOWS}; null: none is. */
  distances: (number | null)[];
  /** PSI above which it is an alarm; null: none is. */
  stability: number | null;
  /** δ of ADWIN. */
  adwin: number;
  /** λ of Page–Hinkley. */
  hinkley: number;
}

/** Kolmogorov–Smirnov distance that is no drift. Distances obey the triangle inequality, so it is added. */
const DISTANCE_TOLERANCE = 0.15;

/**
 * A short one finds what is gross within a dozen parts, a long one what is slight within two hundred.
 * The shortest asks for no less than all its parts beyond all good ones, so that eight defects in a row
 * are not enough whatever the two parts beside them are.
 */
export const WINDOWS = [
  { length: 10, stride: 1, tolerance: 1 },
  { length: 15, stride: 1, tolerance: DISTANCE_TOLERANCE },
  { length: 25, stride: 1, tolerance: DISTANCE_TOLERANCE },
  { length: 50, stride: 5, tolerance: DISTANCE_TOLERANCE },
  { length: 200, stride: 20, tolerance: DISTANCE_TOLERANCE },
] as const;
export const LONGEST = 200;
export const PSI_STRIDE = 20;
export const ADWIN_CLOCK = 32;
/** A fifth of the way from the middle of the good parts to their end: less is not worth a person's time. */
export const ADWIN_TOLERANCE = 0.1;
export const HINKLEY_TOLERANCE = 0.1;
const PSI_BINS = 10;
/** PSI that is no drift: what practice calls a minor change ends at 0.25. Its square root adds up like a distance. */
const STABILITY_TOLERANCE = 0.25;
/** Kolmogorov–Smirnov on each window, PSI, ADWIN, Page–Hinkley. */
const TESTS = WINDOWS.length + 3;

/** For streams compared with `n` good parts. `rate`: false alarms per part for all tests. */
export function streamLimits(
  n: number,
  { rate, direction }: { rate: number; direction: Direction },
): StreamLimits {
  return {
    direction,
    distances: WINDOWS.map(({ length, stride, tolerance }) => {
      const chance = smirnovThreshold(repeatedLevel(rate, stride, TESTS), n, length, direction);
      // With few good parts nothing but a window that lies above all of them may be sure enough, or not even that.
      return chance > 1 ? null : Math.min(1, chance + tolerance);
    }),
    stability: stabilityLimit(n, rate),
    adwin: repeatedLevel(rate, ADWIN_CLOCK, TESTS),
    hinkley: hinkleyThreshold(rate / TESTS / (direction === 'both' ? 2 : 1)),
  };
}

/** Deciles of the ranks of `n` good parts; undefined for too few. */
export function binsOf(n: number): FrozenBins | undefined {
  if (n < 2 * PSI_BINS) return undefined;
  return frozenBins(
    Array.from({ length: n }, (_, rank) => rank),
    PSI_BINS,
  );
}

function stabilityLimit(n: number, rate: number): number | null {
  const bins = binsOf(n);
  if (bins === undefined) return null;
  const chance = stabilityThreshold(bins, LONGEST, repeatedLevel(rate, PSI_STRIDE, TESTS));
  return Number.isFinite(chance) ? (Math.sqrt(chance) + Math.sqrt(STABILITY_TOLERANCE)) ** 2 : null;
}

/**
 * λ of Page–Hinkley at which a stream that is uniform on 0 … 1 alarms at most once in 1/rate values:
 * ARL ≥ e^{θλ} (G. Lorden, Ann. Math. Statist. 42, 1971, 1897–1908), θ > 0 from E e^{θ(X − ½ − δ)} = 1.
 */
export function hinkleyThreshold(rate: number): number {
  const growth = (theta: number): number =>
    Math.log((2 * Math.sinh(theta / 2)) / theta) - theta * HINKLEY_TOLERANCE;
  let low = 0.1;
  let high = 50;
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (growth(middle) > 0) high = middle;
    else low = middle;
  }
  return -Math.log(rate) / low;
}
