/**
 * What the change detectors have in common: values come in one by one, each answers whether the
 * stream has changed, and what a detector remembers is plain JSON, bounded, and goes back into the
 * constructor after a restart.
 */
import { CodedError } from '../errors.ts';

/** Which way a stream has to move for it to count as a change. */
export type Direction = 'up' | 'down' | 'both';

export interface ChangeDetector<State> {
  /** Takes the next value; true when it says change. Throws `NOT_FINITE`, and then remembers nothing of it. */
  update(value: number): boolean;
  /** What it remembers. `new Detector(options, JSON.parse(JSON.stringify(detector)))` goes on as if never stopped. */
  toJSON(): State;
}

class StatisticsError extends CodedError<
  | 'NOT_FINITE'
  /** A setting of a detector lies outside of what it can be. */
  | 'OPTION_INVALID'
> {}

/** One NaN in a running sum would silence a detector for good, so none is let in. */
export function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new StatisticsError('NOT_FINITE', `a stream of measured values cannot take ${value}`);
}

/** Throws `OPTION_INVALID` with what is wrong, unless `valid`. */
export function requireOption(valid: boolean, what: string): void {
  if (!valid) throw new StatisticsError('OPTION_INVALID', what);
}
