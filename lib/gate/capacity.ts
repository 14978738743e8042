/**
 * How wide the review band may be, so that people are asked no more than so many times an hour: the share
 * of good parts that k reviews are of the parts that come in an hour. It follows the measured rate
 * slowly, within bounds, and every change has a number, so that a verdict can be traced to its band.
 *
 * The promise is about good parts under the calibration. Defects and parts that cannot be judged come on
 * top; when more than k were asked for in the last hour, `isOver` says so, and nothing is accepted for it.
 */
import { remembered, usable, type Remembering } from './judgement.ts';

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
/** A rate of fewer minutes or parts is chance. */
const MIN_MINUTES = 10;
const MIN_PARTS = 30;
/** The band moves at most this often … */
const MIN_INTERVAL_MS = 15 * MINUTE_MS;
/** … and not for less than this change of its share. */
const MIN_CHANGE = 0.2;
const MAX_SHARE = 0.5;

interface Minute {
  startMs: number;
  parts: number;
  reviews: number;
}

export interface Band {
  /** Share of good parts that may go to a person, 0..0.5. */
  share: number;
  /** 0 before the rate was known. */
  version: number;
  /** The rate it was sized for; null before it was known. */
  partsPerHour: number | null;
}

export class ReviewCapacity implements Remembering {
  readonly #now: () => number;
  #reviewsPerHour: number;
  #minutes: Minute[] = [];
  #band: Band = { share: 0, version: 0, partsPerHour: null };
  #changedAt = -Infinity;

  /** `now`: monotonic milliseconds. */
  constructor(reviewsPerHour: number, now: () => number = () => performance.now()) {
    this.#reviewsPerHour = reviewsPerHour;
    this.#now = now;
  }

  get band(): Band {
    return this.#band;
  }

  /** A person changed it: the band follows with the next part. */
  setReviewsPerHour(reviewsPerHour: number): void {
    this.#reviewsPerHour = reviewsPerHour;
    this.#changedAt = -Infinity;
  }

  /** Counts a part. Returns the band when this part made it change. */
  part(reviewed: boolean): Band | undefined {
    const now = this.#now();
    const current = this.#minutes.at(-1);
    if (current === undefined || now - current.startMs >= MINUTE_MS) {
      this.#minutes.push({ startMs: now, parts: 1, reviews: Number(reviewed) });
      this.#minutes = this.#minutes.filter(({ startMs }) => now - startMs < HOUR_MINUTES * MINUTE_MS);
    } else {
      current.parts += 1;
      current.reviews += Number(reviewed);
    }
    return this.#resize(now);
  }

  /** Parts of the last hour, as parts per hour; undefined while it has been watched too short. */
  partsPerHour(): number | undefined {
    const now = this.#now();
    const first = this.#minutes[0];
    const parts = this.#minutes.reduce((sum, minute) => sum + minute.parts, 0);
    if (first === undefined || parts < MIN_PARTS) return undefined;
    const watchedMs = now - first.startMs;
    return watchedMs < MIN_MINUTES * MINUTE_MS ? undefined : (parts / watchedMs) * HOUR_MINUTES * MINUTE_MS;
  }

  /** Parts sent to a person in the last hour. */
  reviewsInHour(): number {
    const now = this.#now();
    return this.#minutes
      .filter(({ startMs }) => now - startMs < HOUR_MINUTES * MINUTE_MS)
      .reduce((sum, { reviews }) => sum + reviews, 0);
  }

  get isOver(): boolean {
    return this.reviewsInHour() > this.#reviewsPerHour;
  }

  state(): unknown {
    return this.#band;
  }

  restore(state: unknown): void {
    const [share, version] = [usable(remembered(state, 'share')), usable(remembered(state, 'version'))];
    if (share === undefined || version === undefined || !(share >= 0 && share <= MAX_SHARE)) return;
    this.#band = { share, version, partsPerHour: usable(remembered(state, 'partsPerHour')) ?? null };
  }

  #resize(now: number): Band | undefined {
    const partsPerHour = this.partsPerHour();
    if (partsPerHour === undefined || now - this.#changedAt < MIN_INTERVAL_MS) return undefined;
    const share = Math.min(MAX_SHARE, this.#reviewsPerHour / partsPerHour);
    const { share: before, version } = this.#band;
    if (Math.abs(share - before) <= MIN_CHANGE * before) return undefined;
    this.#changedAt = now;
    this.#band = { share, version: version + 1, partsPerHour: Math.round(partsPerHour) };
    return this.#band;
  }
}
