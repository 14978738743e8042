/**
 * Says when a camera as such has gone bad, not when one frame looks odd: a reason counts once it was
 * found in 3 of the last 5 frames, and is over when it was found in none of the last 3.
 */
import type { HealthReason } from '../inspection/inspection.ts';

export interface HealthWatchOptions {
  /** Frames with the same finding that make the camera bad… */
  trips?: number;
  /** …of so many last ones. */
  of?: number;
}

export interface CameraState {
  state: 'good' | 'bad';
  /** True when this frame turned the state or changed its reasons. */
  changed: boolean;
  /** Why it is bad, in the order in which the reasons came. */
  reasons: HealthReason[];
}

export class HealthWatch {
  readonly #trips: number;
  readonly #of: number;
  /** Findings of the last frames, the newest last. */
  readonly #frames: (readonly HealthReason[])[] = [];
  readonly #reasons = new Set<HealthReason>();

  constructor({ trips = 3, of = 5 }: HealthWatchOptions = {}) {
    this.#trips = trips;
    this.#of = Math.max(trips, of);
  }

  /** Takes the findings of the next frame. */
  observe(findings: readonly HealthReason[]): CameraState {
    this.#frames.push(findings);
    if (this.#frames.length > this.#of) this.#frames.shift();
    const newest = this.#frames.slice(-this.#trips);
    let changed = false;
    for (const reason of this.#reasons) {
      if (newest.some((frame) => frame.includes(reason))) continue;
      this.#reasons.delete(reason);
      changed = true;
    }
    for (const reason of new Set(findings)) {
      if (this.#reasons.has(reason)) continue;
      const times = this.#frames.filter((frame) => frame.includes(reason)).length;
      if (times < this.#trips) continue;
      this.#reasons.add(reason);
      changed = true;
    }
    return { state: this.#reasons.size > 0 ? 'bad' : 'good', changed, reasons: [...this.#reasons] };
  }
}
