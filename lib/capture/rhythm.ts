/**
 * How often a camera sends, learned from its images, and from it how long a silence is too long. A
 * frozen camera keeps its connection, so only the missing images tell.
 */
import type { Clock } from '../clock.ts';

const MIN_WATCHDOG_MS = 2000;
const WATCHDOG_PERIODS = 3;
/** Weight of the newest gap in the running mean of the frame period. */
const PERIOD_WEIGHT = 0.2;

export class ImageRhythm {
  readonly #clock: Clock;
  #periodMs: number | undefined;
  #lastImageAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Mean gap between images; undefined before the second. */
  get periodMs(): number | undefined {
    return this.#periodMs;
  }

  /** Three periods, at least two seconds. */
  get watchdogMs(): number {
    return Math.max(MIN_WATCHDOG_MS, WATCHDOG_PERIODS * (this.#periodMs ?? 0));
  }

  /** A connection begins: the gap to the image before it says nothing. */
  begin(): void {
    this.#lastImageAt = undefined;
  }

  /** What the camera itself says, until its images show otherwise. */
  expect(periodMs: number): void {
    this.#periodMs = periodMs;
  }

  /** @param count images since the last call, where not every one is told */
  image(count = 1): void {
    const now = this.#clock.now();
    if (this.#lastImageAt !== undefined) {
      const gap = (now - this.#lastImageAt) / count;
      this.#periodMs = (this.#periodMs ?? gap) * (1 - PERIOD_WEIGHT) + gap * PERIOD_WEIGHT;
    }
    this.#lastImageAt = now;
  }
}
