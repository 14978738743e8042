/**
 * When alarms come faster than a person can take them in. Pure: time comes in with every call, in monotonic
 * milliseconds. More than ten within ten minutes are a flood, and fewer than five end it (ISA-18.2-2016, 16.5.2;
 * EEMUA 191).
 */

const FLOOD_WINDOW_MS = 10 * 60 * 1000;
const FLOOD_BEGINS_ABOVE = 10;
const FLOOD_ENDS_BELOW = 5;
const HOUR_MS = 60 * 60 * 1000;
/** Of one station (EEMUA 191: an operator can manage about six an hour, at most twelve). */
export const HOURLY_BUDGET = 12;

export class FloodMeter {
  /** When alarms came, oldest first; none older than an hour. */
  #at: number[] = [];
  #since: number | null = null;

  /** An alarm that a person is told of came now. */
  add(nowMs: number): void {
    this.#forget(nowMs);
    this.#at.push(nowMs);
    const within = this.#within(nowMs);
    if (this.#since === null && within.length > FLOOD_BEGINS_ABOVE) this.#since = within[0] ?? nowMs;
  }

  /** When the first alarm of the flood came; null while there is none. */
  since(nowMs: number): number | null {
    if (this.#since !== null && this.#within(nowMs).length < FLOOD_ENDS_BELOW) this.#since = null;
    return this.#since;
  }

  lastHour(nowMs: number): number {
    this.#forget(nowMs);
    return this.#at.length;
  }

  #within(nowMs: number): number[] {
    return this.#at.filter((at) => nowMs - at < FLOOD_WINDOW_MS);
  }

  #forget(nowMs: number): void {
    this.#at = this.#at.filter((at) => nowMs - at < HOUR_MS);
  }
}
