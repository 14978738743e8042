/**
 * Golden samples: pictures of which a model's maker says what the model says about them. They run
 * where the model will run, because a driver, a provider or a quantised copy that computes something
 * else gives plausible nonsense, not an error.
 *
 * What is expected must be there, more may be: numbers |expected − got| ≤ absolute + relative ·
 * |expected| (as NumPy's `allclose`), texts and lengths exactly. Things with a label and a score
 * come best first; two whose scores are equal within the tolerance may change places. Of segments the
 * corners of the outline are left out: one pixel more or less moves them, and area and box say where it lies.
 */
import type { GoldenFrame } from '../bundle/golden.ts';
import type { Tolerance } from '../bundle/manifest.ts';
import { InferenceError } from '../errors.ts';

export interface Difference {
  /** Such as `objects[0].box[2]`. */
  path: string;
  expected: unknown;
  got: unknown;
  /** How many times the tolerance the numbers are apart; null for what has no tolerance. */
  excess: number | null;
}

/** What became of one sample. */
export interface GoldenResult {
  name: string;
  passed: boolean;
  /** Largest first. */
  differences: Difference[];
}

/**
 * Entries of a list that may change places; a longer one is compared in its order. The time goes with their
 * square, in the process of the flows: 500 of one label and score, in reverse order, and then none that fits, take 0.15 s.
 */
const MOST_PAIRED = 500;

/** Named in the message of the error; the rest is in `samples`. */
const SHOWN = 3;

/** `MODEL_GOLDEN_MISMATCH` with every difference of every sample, for whoever shows them. */
export class GoldenMismatch extends InferenceError {
  readonly samples: readonly GoldenResult[];

  constructor(samples: readonly GoldenResult[], provider: string) {
    const failed = samples.filter(({ passed }) => !passed);
    const [first] = failed;
    const shown = first?.differences.slice(0, SHOWN).map(sentenceOf).join('; ') ?? '';
    const more = (first?.differences.length ?? 0) - SHOWN;
    super(
      'MODEL_GOLDEN_MISMATCH',
      `on ${provider} ${failed.length} of ${samples.length} golden samples came out differently; '${first?.name ?? ''}': ${shown}${more > 0 ? `; and ${more} more` : ''}`,
      {
        hint: 'The model does not compute here what its maker saw: check that it is the right bundle, or try another provider.',
      },
    );
    this.samples = samples;
  }
}

/** Digits that count: few are read, all where fewer would show the same twice. */
const FEW_DIGITS = 4;

function sentenceOf({ path, expected, got }: Difference): string {
  const isClose = spelled(expected, FEW_DIGITS) === spelled(got, FEW_DIGITS);
  const digits = isClose ? undefined : FEW_DIGITS;
  return `${path} should be ${spelled(expected, digits)}, is ${spelled(got, digits)}`;
}

function spelled(value: unknown, digits?: number): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(digits ?? 17)));
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

type Entry = Record<string, unknown> & { label: string; score: number };

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { label, score } = value as Partial<Entry>;
  return typeof label === 'string' && typeof score === 'number';
}

/** What counts of a thing: of a segment not its outline. */
function comparable(expected: object): [string, unknown][] {
  const entries = Object.entries(expected) as [string, unknown][];
  return 'area' in expected && 'box' in expected ? entries.filter(([name]) => name !== 'polygons') : entries;
}

/** The excess of a number over its tolerance, 1 being just within; Infinity for a tolerance of nothing. */
function excessOf(expected: number, got: number, { absolute, relative }: Tolerance): number {
  const apart = Math.abs(expected - got);
  return apart === 0 ? 0 : apart / (absolute + relative * Math.abs(expected));
}

/** Sum over the differences, what has no tolerance counting most. */
function weightOf(differences: readonly Difference[]): number {
  return differences.reduce((sum, { excess }) => sum + (excess ?? 1e9), 0);
}

/** Whether nothing differs; ends at the first that does. */
function fits(expected: unknown, got: unknown, tolerance: Tolerance): boolean {
  if (typeof expected === 'number' && typeof got === 'number') return excessOf(expected, got, tolerance) <= 1;
  if (Array.isArray(expected) && Array.isArray(got)) {
    return (
      expected.length === got.length && expected.every((value, index) => fits(value, got[index], tolerance))
    );
  }
  if (typeof expected === 'object' && expected !== null && typeof got === 'object' && got !== null) {
    return comparable(expected).every(([name, value]) =>
      fits(value, (got as Record<string, unknown>)[name], tolerance),
    );
  }
  return expected === got;
}

function isClose(entry: Entry, other: Entry, tolerance: Tolerance): boolean {
  return other.label === entry.label && excessOf(entry.score, other.score, tolerance) <= 1;
}

/** The one that differs least of those that could have changed places with `entry`. */
function nearest(entry: Entry, left: readonly Entry[], tolerance: Tolerance): number {
  let best = { index: 0, weight: Infinity };
  for (const [index, other] of left.entries()) {
    if (!isClose(entry, other, tolerance)) continue;
    const weight = weightOf(compare(entry, other, tolerance, ''));
    if (weight < best.weight) best = { index, weight };
  }
  return best.index;
}

/** `got` in the order of `expected`, as far as scores that are equal within the tolerance allow. */
function inOrderOf(expected: readonly Entry[], got: readonly Entry[], tolerance: Tolerance): Entry[] {
  const left = [...got];
  const partners = expected.map((entry) => {
    const index = left.findIndex(
      (other) => isClose(entry, other, tolerance) && fits(entry, other, tolerance),
    );
    return index === -1 ? undefined : left.splice(index, 1)[0];
  });
  // the sample has failed; what is shown first is worth a search
  let searched = 0;
  return partners.map((partner, at) => {
    if (partner !== undefined) return partner;
    searched += 1;
    const index = searched > SHOWN ? 0 : nearest(expected[at] as Entry, left, tolerance);
    return left.splice(index, 1)[0] as Entry;
  });
}

function compareLists(
  expected: readonly unknown[],
  got: readonly unknown[],
  tolerance: Tolerance,
  path: string,
): Difference[] {
  if (expected.length !== got.length) {
    return [{ path: `${path}.length`, expected: expected.length, got: got.length, excess: null }];
  }
  const mayChangePlaces = expected.length <= MOST_PAIRED && expected.every(isEntry) && got.every(isEntry);
  const ordered = mayChangePlaces ? inOrderOf(expected, got, tolerance) : got;
  return expected.flatMap((value, index) => compare(value, ordered[index], tolerance, `${path}[${index}]`));
}

function compare(expected: unknown, got: unknown, tolerance: Tolerance, path: string): Difference[] {
  if (typeof expected === 'number' && typeof got === 'number') {
    const excess = excessOf(expected, got, tolerance);
    return excess <= 1 ? [] : [{ path, expected, got, excess }];
  }
  if (Array.isArray(expected) && Array.isArray(got)) return compareLists(expected, got, tolerance, path);
  if (typeof expected === 'object' && expected !== null && typeof got === 'object' && got !== null) {
    return comparable(expected).flatMap(([name, value]) =>
      compare(
        value,
        (got as Record<string, unknown>)[name],
        tolerance,
        path === '' ? name : `${path}.${name}`,
      ),
    );
  }
  return expected === got ? [] : [{ path, expected, got, excess: null }];
}

/** Where `got` is not what the sample expects, the largest difference first; empty when it passed. */
export function differencesOf(
  { expected, tolerance }: Pick<GoldenFrame, 'expected' | 'tolerance'>,
  got: Record<string, unknown>,
): Difference[] {
  const found = compare(expected, got, tolerance, '');
  return found.sort((a, b) => (b.excess ?? Infinity) - (a.excess ?? Infinity) || (a.path < b.path ? -1 : 1));
}

/** What became of a sample that the model said `got` about. */
export function goldenResult(sample: GoldenFrame, got: Record<string, unknown>): GoldenResult {
  const differences = differencesOf(sample, got);
  return { name: sample.name, passed: differences.length === 0, differences };
}
