/**
 * Two-sample Kolmogorov–Smirnov test: could both samples come from one distribution? Exact for small
 * samples, whatever the distribution; ties make it conservative.
 */
import { finite, requireOption, type Direction } from './detector.ts';

/** Beyond so many products of sizes the limit distribution is used instead of counting paths. */
const EXACT_UP_TO = 250_000;

/** Largest distance between the empirical distributions. Throws `OPTION_INVALID` for an empty sample, `NOT_FINITE`. */
export function smirnovDistance(one: readonly number[], other: readonly number[]): number {
  requireOption(one.length > 0 && other.length > 0, 'an empty sample has no distribution');
  const [a, b] = [one, other].map((sample) => Float64Array.from(sample, finite).sort());
  return a === undefined || b === undefined ? 0 : distanceOfAscending(a, b);
}

function distanceOfAscending(a: Float64Array, b: Float64Array): number {
  let distance = 0;
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i] ?? 0, b[j] ?? 0);
    while (i < a.length && a[i] === value) i += 1;
    while (j < b.length && b[j] === value) j += 1;
    distance = Math.max(distance, Math.abs(i / a.length - j / b.length));
  }
  return distance;
}

/**
 * P(D ≥ distance) for samples of n and m from one continuous distribution. Exact by counting the lattice
 * paths that come so far from the diagonal (J. Hodges, Ark. Mat. 3, 1958, 469–486; T. Viehmann,
 * arXiv:2102.08037, which counts the outside so that tiny tails keep their digits); for large samples
 * Kolmogorov's limit with Stephens' small-sample term (J. R. Stat. Soc. B 32, 1970, 115–122).
 * With a direction, of the distance to that side alone; both sides have the same distribution.
 */
export function smirnovPValue(distance: number, n: number, m: number, direction: Direction = 'both'): number {
  if (distance <= 0) return 1;
  if (n * m <= EXACT_UP_TO) return pathsOutside(distance, n, m, direction === 'both');
  return kolmogorovTail(distance, n, m, direction === 'both');
}

/**
 * Share of the paths from (0, 0) to (n, m) that touch |i/n − j/m| ≥ distance: by steps, the chance that
 * a random path through (i, j) has touched, from its two predecessors (i − 1, j) and (i, j − 1), which
 * a path to (i, j) comes from with i/(i + j) and j/(i + j).
 */
function pathsOutside(distance: number, n: number, m: number, bothSides: boolean): number {
  // Distances are multiples of 1/(n m): in whole numbers there is no rounding at the border.
  const limit = Math.ceil(distance * n * m - 1e-7);
  const touched = new Float64Array(m + 1);
  for (let i = 0; i <= n; i += 1) {
    for (let j = 0; j <= m; j += 1) {
      const away = i * m - j * n;
      if ((bothSides ? Math.abs(away) : away) >= limit) touched[j] = 1;
      else if (i === 0 && j === 0) touched[j] = 0;
      else {
        const fromBelow = i === 0 ? 0 : (touched[j] as number) * i;
        const fromLeft = j === 0 ? 0 : (touched[j - 1] as number) * j;
        touched[j] = (fromBelow + fromLeft) / (i + j);
      }
    }
  }
  return touched[m] as number;
}

function kolmogorovTail(distance: number, n: number, m: number, bothSides: boolean): number {
  const root = Math.sqrt((n * m) / (n + m));
  const lambda = (root + 0.12 + 0.11 / root) * distance;
  if (!bothSides) return Math.exp(-2 * lambda ** 2);
  // Below, the series needs many terms and the tail is 1 to all digits that matter.
  if (lambda < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k += 1) {
    const term = Math.exp(-2 * (k * lambda) ** 2);
    sum += k % 2 === 1 ? term : -term;
    if (term < 1e-17 * sum) break;
  }
  return Math.min(1, 2 * sum);
}

/** Smallest distance whose p-value is at most `level`; above 1 when samples so small can never say it. */
export function smirnovThreshold(level: number, n: number, m: number, direction: Direction = 'both'): number {
  requireOption(level > 0 && level < 1, `a level lies between 0 and 1, not at ${level}`);
  const steps = n * m;
  let low = 0;
  let high = steps + 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (smirnovPValue(middle / steps, n, m, direction) <= level) high = middle;
    else low = middle;
  }
  return high / steps;
}

/**
 * Level of each single test when one window after another of a stream is tested against the same
 * baseline: `ratePerValue` false alarms are expected per value in all, shared by `tests` kinds of test on
 * windows that lie `stride` values apart. Bonferroni's bound: it needs no independence, and tests against
 * one baseline are not independent.
 */
export function repeatedLevel(ratePerValue: number, stride: number, tests = 1): number {
  requireOption(ratePerValue > 0 && stride > 0 && tests > 0, 'rate, stride and tests are above 0');
  return Math.min(0.5, (ratePerValue * stride) / tests);
}
