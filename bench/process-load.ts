/** What work does to the process it is done in: delay of its event loop, full garbage collections. */
import { constants, createHistogram, PerformanceObserver } from 'node:perf_hooks';

const RESOLUTION_MS = 1;

interface Collection {
  duration: number;
  detail: { kind: number };
}

export interface Load {
  /** Milliseconds, 99th percentile at a resolution of 1 ms. */
  loopDelayP99: number;
  /** Milliseconds of each full garbage collection. */
  collections: number[];
}

/**
 * Adds up over the stretches of work it is told of, and leaves out what is between them. Samples like
 * `monitorEventLoopDelay`, which cannot do that: enabled again, it takes the pause for a delay.
 */
export class ProcessLoad {
  /** Nanoseconds from one tick to the next. */
  readonly #delays = createHistogram();
  readonly #collections: number[] = [];
  #isOn = false;

  constructor() {
    new PerformanceObserver((list) => {
      for (const { detail, duration } of list.getEntries() as unknown as Collection[]) {
        const isMajor = detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
        if (this.#isOn && isMajor) this.#collections.push(duration);
      }
    }).observe({ entryTypes: ['gc'] });
  }

  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#isOn = true;
    let tickedAt = process.hrtime.bigint();
    const ticks = setInterval(() => {
      const now = process.hrtime.bigint();
      this.#delays.record(now - tickedAt);
      tickedAt = now;
    }, RESOLUTION_MS);
    try {
      return await work();
    } finally {
      clearInterval(ticks);
      this.#isOn = false;
    }
  }

  get total(): Load {
    return { loopDelayP99: this.#delays.percentile(99) / 1e6, collections: this.#collections };
  }
}
