/**
 * What a model's good parts looked like when it was taught, in the two numbers that drift is watched
 * by: the score, and the distance of a picture's mean feature vector (its embedding) from the good
 * ones'. Both of parts that what measures them had not seen. Plain JSON, kept beside the model.
 */
import {
  distanceFrom,
  fitLowRankGaussian,
  outOfFoldDistances,
  type LowRankGaussian,
} from '../statistics/low-rank-gaussian.ts';
import { seededRandom, shuffledIndices } from '../statistics/random.ts';
import { DriftError } from './errors.ts';
import { streamLimits, type StreamLimits } from './limits.ts';

/** Fewer parts cannot tell what is usual. */
const FEWEST_PARTS = 10;
/** Of more, a random sample says the same and takes no longer. */
const MOST_PARTS = 500;
/**
 * False alarms per part: a fifth of the one in a million that is promised, because ADWIN's bound and the
 * tail of PSI hold only in the limit of many parts.
 */
const RATE = 2e-7;

export interface EmbeddingBaseline {
  gaussian: LowRankGaussian;
  /** Out-of-fold distances of the good parts, ascending. */
  distances: number[];
  limits: StreamLimits;
}

export interface DriftBaseline {
  /** Out-of-fold scores of the good parts, ascending. */
  scores: number[];
  limits: StreamLimits;
  /** Absent for a model that gives no embedding. */
  embedding?: EmbeddingBaseline;
}

/**
 * Of the mean feature vectors of the good parts, one row each. Takes about half a second for a hundred
 * parts of 128 features: work for a process or thread of its own (`learnBaseline`).
 * Throws `DRIFT_BASELINE_TOO_SMALL`, and `OPTION_INVALID` for rows of unequal length.
 */
export function embeddingBaseline(embeddings: readonly ArrayLike<number>[], seed = 1): EmbeddingBaseline {
  requireParts(embeddings.length);
  const order = shuffledIndices(embeddings.length, seededRandom(seed));
  const rows = embeddings.filter((_, index) => (order[index] ?? 0) < MOST_PARTS);
  return {
    gaussian: rounded(fitLowRankGaussian(rows)),
    distances: outOfFoldDistances(rows, seed).sort((one, other) => one - other),
    limits: streamLimits(rows.length, { rate: RATE / 2, direction: 'up' }),
  };
}

/** `scores`: out-of-fold, in any order. As much work as that. Throws `DRIFT_BASELINE_TOO_SMALL`. */
export function driftBaseline(scores: readonly number[], embedding?: EmbeddingBaseline): DriftBaseline {
  requireParts(scores.length);
  const ascending = [...scores].sort((one, other) => one - other);
  const rate = embedding === undefined ? RATE : RATE / 2;
  const limits = streamLimits(scores.length, { rate, direction: 'both' });
  return embedding === undefined ? { scores: ascending, limits } : { scores: ascending, limits, embedding };
}

/** How far from the good parts a picture as a whole is: about 1 for one of them. */
export function embeddingDistance({ gaussian }: EmbeddingBaseline, embedding: ArrayLike<number>): number {
  return distanceFrom(gaussian, embedding);
}

function requireParts(count: number): void {
  if (count >= FEWEST_PARTS) return;
  throw new DriftError(
    'DRIFT_BASELINE_TOO_SMALL',
    `${count} good parts are too few to see drift (at least ${FEWEST_PARTS})`,
    { hint: 'Teach the model with more good parts.' },
  );
}

/** Six digits: a third of the text, and far below what a camera can tell. */
function rounded(gaussian: LowRankGaussian): LowRankGaussian {
  const six = (value: number): number => Number(value.toPrecision(6));
  return {
    mean: gaussian.mean.map(six),
    scale: gaussian.scale.map(six),
    components: gaussian.components.map((direction) => direction.map(six)),
    variances: gaussian.variances.map(six),
    residual: six(gaussian.residual),
  };
}
