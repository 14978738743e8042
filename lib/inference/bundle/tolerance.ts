/** How far from its expected answer a golden picture may come out, where nobody says: by what the answer is. */
import type { Tolerance } from './manifest.ts';

/**
 * Of answers whose numbers are shares, scores and pixels. Providers differ by 1e-5 in scores and by hundredths
 * of a pixel in boxes; fp16 by more.
 */
const TOLERANCE: Tolerance = { absolute: 0.01, relative: 0.01 };

/** Of the largest number of an answer: measurements may be of any size. */
const SHARE_OF_LARGEST = 0.001;
/** Of a vector's root mean square. Within it everywhere, the cosine is 0.998 at least (0.05 and 1 %: √(1 − 0.06²)). */
const SHARE_OF_MEAN = 0.05;
/** Of an answer of zeros. */
const LEAST = 1e-6;

function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}

function scaled(absolute: number): Tolerance {
  return { absolute: Math.max(LEAST, Number(absolute.toPrecision(2))), relative: TOLERANCE.relative };
}

export function toleranceOf(expected: Record<string, unknown>): Tolerance {
  if (expected['task'] === 'embed') {
    const vector = numbersIn(expected['vector']);
    const squares = vector.reduce((sum, value) => sum + value * value, 0);
    return scaled(SHARE_OF_MEAN * Math.sqrt(squares / Math.max(vector.length, 1)));
  }
  if (expected['task'] !== 'regress') return TOLERANCE;
  const values = (expected['values'] ?? []) as { value?: unknown }[];
  const largest = numbersIn(values.map(({ value }) => value)).reduce(
    (most, value) => Math.max(most, Math.abs(value)),
    0,
  );
  return scaled(SHARE_OF_LARGEST * largest);
}
