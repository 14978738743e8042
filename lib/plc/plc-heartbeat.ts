/**
 * The beat of the PLC: a counter of its own program, watched here. A server can go on answering while the program
 * behind it stands still, and then a write that reads back right has reached nothing that runs.
 *
 * Only a change is a beat: what is found when the watch begins, or the link comes back, may have stood there for long.
 */
import { systemClock, type Clock } from '../clock.ts';
import type { Watch } from './manual-bit.ts';
import type { TagValue } from './tag-type.ts';

export interface PlcHeartbeatOptions {
  watch: Watch;
  /** A counter, or anything else that the program of the PLC keeps changing. */
  tag: string;
  /** Without a change for longer than this it stands still. */
  timeoutMs: number;
  /** Told true when that time is up, whatever the reason, and false with the next change. */
  onLost: (isLost: boolean) => void;
  clock?: Clock;
}

export class PlcHeartbeat {
  readonly #options: PlcHeartbeatOptions;
  readonly #clock: Clock;
  #last: TagValue | undefined;
  #isLost = false;
  #cancel: () => void = () => undefined;
  #stop: (() => void) | undefined;

  constructor(options: PlcHeartbeatOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  start(): void {
    if (this.#stop !== undefined) return;
    this.#wait();
    const { watch, tag } = this.#options;
    this.#stop = watch.watch(tag, (seen) => {
      // What the PLC itself doubts is no sign of life.
      if (seen instanceof Error || !seen.good || seen.value === this.#last) return;
      const isFirst = this.#last === undefined;
      this.#last = seen.value;
      if (!isFirst) this.#beat();
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#cancel();
  }

  #beat(): void {
    this.#wait();
    if (!this.#isLost) return;
    this.#isLost = false;
    this.#options.onLost(false);
  }

  #wait(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(this.#options.timeoutMs, () => {
      this.#isLost = true;
      this.#options.onLost(true);
    });
  }
}
