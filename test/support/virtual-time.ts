/**
 * A time that only moves when everything has come to rest, for simulations: hours pass at once, and the same seed
 * gives the same run. Timers belong to the simulated process, which may be killed, or to the world around it.
 */
import type { Clock } from '../../lib/clock.ts';

type Owner = 'process' | 'world';

interface Timer {
  at: number;
  order: number;
  owner: Owner;
  callback: () => void;
}

const START_MS = 1000;
const WALL_MS = Date.UTC(2026, 0, 1);
/** Turns of the real loop after which nothing more follows from what has happened (the engine uses one). */
const TURNS = 3;

const realSetImmediate = setImmediate;

export class VirtualTime {
  readonly #timers = new Set<Timer>();
  #now = START_MS;
  #order = 0;

  now(): number {
    return this.#now;
  }

  clock(owner: Owner): Clock {
    const after = (delayMs: number, callback: () => void): (() => void) => {
      const timer = { at: this.#now + Math.max(0, delayMs), order: (this.#order += 1), owner, callback };
      this.#timers.add(timer);
      return () => this.#timers.delete(timer);
    };
    return {
      now: () => this.#now,
      wallNow: () => WALL_MS + this.#now,
      after,
      every: (intervalMs, callback) => {
        const beat = (): void => {
          cancel = after(intervalMs, beat);
          callback();
        };
        let cancel = after(intervalMs, beat);
        return () => cancel();
      },
    };
  }

  wait(delayMs: number, owner: Owner): Promise<void> {
    return new Promise((resolve) => this.clock(owner).after(delayMs, resolve));
  }

  /** Nothing the process had begun goes on. */
  killProcess(): void {
    for (const timer of this.#timers) if (timer.owner === 'process') this.#timers.delete(timer);
  }

  /** Runs what is due until then, one after the other, each after all that follows from the one before. */
  async runUntil(end: number): Promise<void> {
    await rest();
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.callback();
      await rest();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Puts the process's `setTimeout` on this time until the returned function is called. */
  install(): () => void {
    const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
    const clock = this.clock('process');
    const start = (callback: () => void, delayMs = 0): { cancel: () => void; unref: () => void } => {
      return { cancel: clock.after(delayMs, callback), unref: () => undefined };
    };
    const clear = (timer: { cancel?: () => void } | undefined): void => timer?.cancel?.();
    Object.assign(globalThis, { setTimeout: start, clearTimeout: clear });
    return () => {
      Object.assign(globalThis, real);
    };
  }
}

async function rest(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    await new Promise<void>((resolve) => {
      realSetImmediate(resolve);
    });
  }
}
