/** A clock that only moves when told to, for everything that takes a `Clock`. */
import type { Clock } from '../../lib/clock.ts';

export class FakeClock implements Clock {
  #now = 0;
  #wall = Date.UTC(2026, 0, 1);
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  wallNow(): number {
    return this.#wall;
  }

  every(intervalMs: number, callback: () => void): () => void {
    let cancel: () => void;
    const beat = (): void => {
      cancel = this.after(intervalMs, beat);
      callback();
    };
    cancel = this.after(intervalMs, beat);
    return () => cancel();
  }

  /** Timers that have not run yet. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Runs what is due on the way, in order. The wall clock goes along unless it is told to step. */
  advance(ms: number, wallMs = ms): void {
    this.#wall += wallMs - ms;
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#setNow(next.at);
      next.callback();
    }
    this.#setNow(end);
  }

  #setNow(now: number): void {
    this.#wall += now - this.#now;
    this.#now = now;
  }
}
