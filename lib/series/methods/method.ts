/**
 * What every way of knowing normal operation has in common: it learns from scaled rows, what it
 * learnt is plain JSON, and a running detector takes one row after the other.
 */
import type { Row } from '../scaling.ts';

/** How far a row is from normal (higher is worse, never negative), and what each column adds to that. */
export interface Evidence {
  score: number;
  /** One per column, never negative, in the method's own units. */
  contributions: number[];
}

export interface Detector {
  step(row: Row): Evidence;
  /** Forgets the rows before: after a gap, or between two unconnected stretches. */
  reset(): void;
}

export interface Method<Learnt> {
  learn(rows: readonly Row[]): Promise<Learnt> | Learnt;
  open(learnt: Learnt): Detector;
  /** Rows a detector must have seen before its score no longer depends on where it began. */
  memory: number;
}
