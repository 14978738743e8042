/**
 * What may be written to a tag at all. Out of fence is refused with a reason, never saturated to
 * what would still be inside. This is the second fence; the PLC owns the first.
 */
import { typeObjection, type Range, type TagType, type TagValue } from './tag-type.ts';

export interface FenceLimits {
  min?: number | undefined;
  max?: number | undefined;
  /** Largest change against the tag's present value. */
  maxStep?: number | undefined;
  /** Largest sum of changes, whichever way, within any minute. */
  maxSlewPerMinute?: number | undefined;
  /** Largest sum of changes, whichever way, since the station was armed. */
  maxCumulative?: number | undefined;
}

/** True where the present value has to be known before a new one can be judged. */
export function judgesChanges({ maxStep, maxSlewPerMinute, maxCumulative }: FenceLimits): boolean {
  return maxStep !== undefined || maxSlewPerMinute !== undefined || maxCumulative !== undefined;
}

/** What holds for a defined output too: no value that the machine must not have at all. */
export function rangeOf({ min, max }: FenceLimits): FenceLimits {
  return { min, max };
}

/** The range left by the engineer's limits inside the PLC's own: limits narrow it, never widen it. */
export function narrowedRange({ min, max }: FenceLimits, ofPlc?: Range): Range {
  return {
    min: Math.max(min ?? -Infinity, ofPlc?.min ?? -Infinity),
    max: Math.min(max ?? Infinity, ofPlc?.max ?? Infinity),
  };
}

/** Why a value may not be written, or undefined: then it is a value of the type, inside the range. */
export function rangeObjection(
  value: unknown,
  type: TagType,
  limits: FenceLimits,
  ofPlc?: Range,
): string | undefined {
  const wrongType = typeObjection(value, type);
  if (wrongType !== undefined || typeof value !== 'number') return wrongType;
  const { min, max } = narrowedRange(limits, ofPlc);
  // Written so that a limit that is not a number lets nothing through.
  if (!(value >= min)) return `${value} is below ${min}`;
  if (!(value <= max)) return `${value} is above ${max}`;
  return undefined;
}

/** Why a value is too far from the present one, or undefined. */
export function stepObjection(
  value: TagValue,
  present: TagValue,
  { maxStep }: FenceLimits,
): string | undefined {
  if (maxStep === undefined || typeof value !== 'number') return undefined;
  if (typeof present !== 'number') return 'the present value is not a number';
  const step = Math.abs(value - present);
  return step <= maxStep ? undefined : `${value} is ${step} away from ${present}, more than ${maxStep}`;
}

const MINUTE_MS = 60_000;

/** Sums up the changes of one tag, over the last minute and over the lease of an arming. */
export class ChangeFence {
  #recent: { at: number; by: number }[] = [];
  /** By lease: stations that write the same tag in turn each have a sum of their own. */
  readonly #sinceArming = new Map<string | null, number>();

  /** Why a change by so much at monotonic time `nowMs` is too much after the ones before it, or undefined. */
  objection(
    by: number,
    nowMs: number,
    leaseId: string | null,
    { maxSlewPerMinute = Infinity, maxCumulative = Infinity }: FenceLimits,
  ): string | undefined {
    this.#forget(nowMs);
    // Without a limit there is no sum to make of what may be hundreds of changes.
    const inMinute =
      maxSlewPerMinute === Infinity ? by : this.#recent.reduce((sum, change) => sum + change.by, by);
    // Written so that a sum or a limit that is not a number lets nothing through.
    if (!(inMinute <= maxSlewPerMinute)) return `${inMinute} within a minute, more than ${maxSlewPerMinute}`;
    const sinceArming = this.#sumOf(leaseId) + by;
    if (!(sinceArming <= maxCumulative)) return `${sinceArming} since armed, more than ${maxCumulative}`;
    return undefined;
  }

  /** Counts a change that is about to be sent; returns the way to take it back when it was not made. */
  count(by: number, nowMs: number, leaseId: string | null): () => void {
    this.#forget(nowMs);
    const change = { at: nowMs, by };
    this.#recent.push(change);
    this.#sinceArming.set(leaseId, this.#sumOf(leaseId) + by);
    return () => {
      this.#recent = this.#recent.filter((other) => other !== change);
      this.#sinceArming.set(leaseId, this.#sumOf(leaseId) - by);
    };
  }

  #forget(nowMs: number): void {
    while (this.#recent[0] !== undefined && nowMs - this.#recent[0].at >= MINUTE_MS) this.#recent.shift();
  }

  #sumOf(leaseId: string | null): number {
    return this.#sinceArming.get(leaseId) ?? 0;
  }
}

/** Counts what was let through in the last minute. */
export class RateFence {
  readonly #sentAt: number[] = [];

  /** True when one more may be sent at monotonic time `nowMs`; it is counted then. */
  admit(nowMs: number, maxPerMinute: number): boolean {
    while (this.#sentAt[0] !== undefined && nowMs - this.#sentAt[0] >= MINUTE_MS) this.#sentAt.shift();
    if (!(this.#sentAt.length < maxPerMinute)) return false;
    this.#sentAt.push(nowMs);
    return true;
  }
}
