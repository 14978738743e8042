/** How old something is by the wall clock, and whether that clock can be believed: it may have been set since the start. */

/** The wall clock may differ by this much from what it should be by the monotonic one. */
export const CLOCK_SLACK_MS = 3_600_000;

export interface AgeClockOptions {
  /** Milliseconds since 1970. */
  now?: (() => number) | undefined;
  monotonicNow?: (() => number) | undefined;
}

export class AgeClock {
  readonly now: () => number;
  readonly #monotonicNow: () => number;
  readonly #startedAt: { wall: number; monotonic: number };

  constructor({ now = Date.now, monotonicNow = () => performance.now() }: AgeClockOptions = {}) {
    this.now = now;
    this.#monotonicNow = monotonicNow;
    this.#startedAt = { wall: now(), monotonic: monotonicNow() };
  }

  /** True from a jump of more than an hour on, unless it is taken back. */
  get hasJumped(): boolean {
    const { wall, monotonic } = this.#startedAt;
    return Math.abs(this.now() - (wall + this.#monotonicNow() - monotonic)) > CLOCK_SLACK_MS;
  }
}
