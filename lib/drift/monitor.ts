/**
 * Says when what a model sees is no longer what it was taught on, so that the station stops trusting
 * promises that rest on it. Promises at most one false alarm in a million parts (in expectation over
 * the choice of good parts it was taught from), and is not moved by defects as such: a tenth of the
 * parts, or eight in a row, may be defective.
 */
import { embeddingDistance, type DriftBaseline } from './baseline.ts';
import { DriftError } from './errors.ts';
import { DriftStream, type DriftTest, type StreamAlarm, type StreamState } from './stream.ts';

export interface DriftFinding {
  code: 'DRIFT';
  /** `score`: creeps; `distribution`: the scores as a whole; `embedding`: the pictures as a whole. */
  what: 'score' | 'embedding' | 'distribution';
  test: DriftTest;
  /** Parts ago that it began, as far as can be said. */
  since: number;
  message: string;
}

export interface DriftState {
  /** Parts seen. */
  parts: number;
  score: StreamState;
  embedding?: StreamState;
}

export interface DriftReading {
  /** Undefined or not finite where the part got none: what is not known cannot drift. */
  score?: number;
  /** Mean feature vector of the picture, as many numbers as the baseline's. */
  embedding?: ArrayLike<number>;
}

export class DriftMonitor {
  readonly #baseline: DriftBaseline;
  readonly #score: DriftStream;
  readonly #embedding: DriftStream | undefined;
  #parts: number;

  /** `state`: of a monitor of the same baseline, to go on after a restart. */
  constructor(baseline: DriftBaseline, state?: DriftState) {
    this.#baseline = baseline;
    const { scores, limits, embedding } = baseline;
    this.#score = new DriftStream(scores, limits, state?.score);
    this.#embedding =
      embedding === undefined
        ? undefined
        : new DriftStream(embedding.distances, embedding.limits, state?.embedding);
    this.#parts = state?.parts ?? 0;
  }

  /** Parts seen. */
  get parts(): number {
    return this.#parts;
  }

  /**
   * Takes the next part, whatever its verdict; undefined while all is as it was. After a finding it
   * begins anew, so that drift that lasts is found again.
   * Throws `DRIFT_EMBEDDING_INVALID` for an embedding of another length or with a number that is not finite.
   */
  add({ score, embedding }: DriftReading): DriftFinding | undefined {
    this.#parts += 1;
    const distance = this.#distanceOf(embedding);
    const pictures = distance === undefined ? undefined : this.#embedding?.add(distance);
    const scores = score !== undefined && Number.isFinite(score) ? this.#score.add(score) : undefined;
    if (pictures === undefined && scores === undefined) return undefined;
    // One cause, one finding: what else has gathered is part of it.
    this.restart();
    if (pictures !== undefined) return finding('embedding', pictures);
    if (scores === undefined) return undefined;
    return finding(scores.test === 'ks' || scores.test === 'psi' ? 'distribution' : 'score', scores);
  }

  /** Forgets what gathered, not what is good: for a person who says the cause is gone. */
  restart(): void {
    this.#score.restart();
    this.#embedding?.restart();
  }

  toJSON(): DriftState {
    return {
      parts: this.#parts,
      score: this.#score.toJSON(),
      ...(this.#embedding === undefined ? {} : { embedding: this.#embedding.toJSON() }),
    };
  }

  #distanceOf(embedding: ArrayLike<number> | undefined): number | undefined {
    const { embedding: good } = this.#baseline;
    if (good === undefined || embedding === undefined) return undefined;
    const expected = good.gaussian.mean.length;
    const distance = embedding.length === expected ? embeddingDistance(good, embedding) : NaN;
    if (Number.isFinite(distance)) return distance;
    throw new DriftError(
      'DRIFT_EMBEDDING_INVALID',
      `an embedding of ${embedding.length} numbers cannot be compared with the taught ones of ${expected}`,
      { hint: 'Teach the model again: its graph and its baseline do not belong together.' },
    );
  }
}

function finding(what: DriftFinding['what'], { test, since, level }: StreamAlarm): DriftFinding {
  const share = `${Math.round(level * 100)} %`;
  const parts = `the last ${since} parts`;
  const message =
    what === 'embedding'
      ? `the pictures of ${parts} are unlike the taught ones: on average further away than ${share} of them`
      : `the scores of ${parts} are not those of the taught ones: on average above ${share} of them`;
  return { code: 'DRIFT', what, test, since, message: `${message} (${test})` };
}
