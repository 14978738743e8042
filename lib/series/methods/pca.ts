/**
 * Principal components of normal operation: how far a row lies along them (Hotelling's T²) and off
 * them (squared prediction error, SPE or Q), and which sensor makes it so.
 *
 * Source: T. Kourti, J. MacGregor, "Process analysis, monitoring and diagnosis, using multivariate
 * projection methods", Chemom. Intell. Lab. Syst. 28 (1995) 3–21; both in one number as
 * φ = T²/limit(T²) + SPE/limit(SPE): H. Yue, S. J. Qin, Ind. Eng. Chem. Res. 40 (2001) 4403–4414.
 */
import { bisect, regularizedBeta } from '../../statistics/special.ts';
import { symmetricEigen } from '../libraries.ts';
import type { Row } from '../scaling.ts';
import type { Evidence, Method } from './method.ts';

export interface Components {
  mean: number[];
  /** One row per component, of length one, most variance first. */
  loadings: number[][];
  /** Variance along each. */
  variances: number[];
  /** At 99 % under normality. They weigh T² against SPE; verdicts come from calibration, not from them. */
  t2Limit: number;
  speLimit: number;
}

/** Components that hold this share of the variance are kept. */
const KEPT_VARIANCE = 0.9;
const TAIL = 0.01;
const NORMAL_QUANTILE = 2.3263478740408408;
/** Of the mean variance: sensors that follow each other exactly leave no residual to divide by. */
const LEAST_VARIANCE = 1e-6;

export const pca: Method<Components> = {
  memory: 0,

  async learn(rows) {
    const columns = rows[0]?.length ?? 0;
    const mean = Array.from(
      { length: columns },
      (_, column) => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0) / rows.length,
    );
    const { values, vectors } = await symmetricEigen(covariance(rows, mean));
    // Ascending from the library.
    const order = values.map((_, index) => index).reverse();
    const floor =
      (LEAST_VARIANCE * values.reduce((sum, value) => sum + Math.max(value, 0), 0)) / columns ||
      LEAST_VARIANCE;
    const variances = order.map((index) => Math.max(values[index] ?? 0, floor));
    const kept = componentsKept(variances);
    return {
      mean,
      loadings: order.slice(0, kept).map((index) => vectors.map((row) => row[index] ?? 0)),
      variances: variances.slice(0, kept),
      t2Limit: hotellingLimit(kept, rows.length),
      speLimit: jacksonMudholkarLimit(variances.slice(kept)) || floor,
    };
  },

  open(components) {
    return { step: (row) => evidenceOf(components, row), reset: () => undefined };
  },
};

/** T² and SPE of a scaled row, each with what every column adds. */
export function statisticsOf(
  { mean, loadings, variances }: Components,
  row: Row,
): { t2: Evidence; spe: Evidence } {
  const away = row.map((value, column) => value - (mean[column] ?? 0));
  const residual = [...away];
  const along = new Array<number>(row.length).fill(0);
  let t2 = 0;
  loadings.forEach((loading, component) => {
    const score = away.reduce((sum, value, column) => sum + value * (loading[column] ?? 0), 0);
    const weight = score / (variances[component] ?? 1);
    t2 += score * weight;
    loading.forEach((share, column) => {
      residual[column] = (residual[column] ?? 0) - score * share;
      along[column] = (along[column] ?? 0) + weight * share * (away[column] ?? 0);
    });
  });
  const squares = residual.map((value) => value * value);
  return {
    // Columns that pull back towards normal are set to zero, as Kourti and MacGregor do.
    t2: { score: t2, contributions: along.map((value) => Math.max(value, 0)) },
    spe: { score: squares.reduce((sum, value) => sum + value, 0), contributions: squares },
  };
}

function evidenceOf(components: Components, row: Row): Evidence {
  const { t2, spe } = statisticsOf(components, row);
  const { t2Limit, speLimit } = components;
  return {
    score: t2.score / t2Limit + spe.score / speLimit,
    contributions: t2.contributions.map(
      (value, column) => value / t2Limit + (spe.contributions[column] ?? 0) / speLimit,
    ),
  };
}

function covariance(rows: readonly Row[], mean: readonly number[]): number[][] {
  const sums = mean.map(() => new Array<number>(mean.length).fill(0));
  for (const row of rows) {
    const away = row.map((value, column) => value - (mean[column] ?? 0));
    for (const [i, sum] of sums.entries()) {
      for (let j = 0; j <= i; j += 1) sum[j] = (sum[j] ?? 0) + (away[i] ?? 0) * (away[j] ?? 0);
    }
  }
  const divisor = Math.max(rows.length - 1, 1);
  return mean.map((_, i) => mean.map((__, j) => (sums[Math.max(i, j)]?.[Math.min(i, j)] ?? 0) / divisor));
}

function componentsKept(variances: readonly number[]): number {
  const total = variances.reduce((sum, value) => sum + value, 0);
  let held = 0;
  const enough = variances.findIndex((variance) => (held += variance) >= KEPT_VARIANCE * total);
  // One is left for the residual, or nothing would ever be off the components.
  return Math.max(1, Math.min(enough + 1, variances.length - 1));
}

/** k(n² − 1)/(n(n − k)) · F_{k, n−k; 99 %} for a new row (Kourti and MacGregor 1995, eq. 3). */
function hotellingLimit(components: number, rows: number): number {
  const [k, n] = [components, Math.max(rows, components + 2)];
  // F ≤ f ⟺ Beta(k/2, (n−k)/2) ≤ kf/(kf + n − k)
  const share = bisect(0, 1, (x) => regularizedBeta(x, k / 2, (n - k) / 2) >= 1 - TAIL);
  const f = ((n - k) * share) / (k * (1 - share));
  return ((k * (n * n - 1)) / (n * (n - k))) * f;
}

/** J. E. Jackson, G. S. Mudholkar, Technometrics 21 (1979) 341–349, eq. 3.4; 0 without residual variance. */
function jacksonMudholkarLimit(residual: readonly number[]): number {
  const [t1, t2, t3] = [1, 2, 3].map((power) => residual.reduce((sum, value) => sum + value ** power, 0));
  if (t1 === undefined || t2 === undefined || t3 === undefined || t1 === 0) return 0;
  const h = 1 - (2 * t1 * t3) / (3 * t2 * t2);
  const base = (NORMAL_QUANTILE * Math.sqrt(2 * t2 * h * h)) / t1 + 1 + (t2 * h * (h - 1)) / (t1 * t1);
  return t1 * base ** (1 / h);
}
