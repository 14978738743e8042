/** What work does to the process it is done in: delay of its event loop, full garbage collections. */
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

interface Collection {
  duration: number;
  detail: { kind: number };
}

export class ProcessLoad {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 });
  #collections: number[] = [];

  constructor() {
    new PerformanceObserver((list) => {
      for (const { detail, duration } of list.getEntries() as unknown as Collection[]) {
        if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) this.#collections.push(duration);
      }
    }).observe({ entryTypes: ['gc'] });
  }

  /** Of the work alone, not of what was before. */
  async during<Result>(
    work: () => Promise<Result>,
  ): Promise<{ result: Result; loopDelayP99: number; collections: number[] }> {
    this.#collections = [];
    this.#delay.reset();
    this.#delay.enable();
    const result = await work();
    this.#delay.disable();
    return { result, loopDelayP99: this.#delay.percentile(99) / 1e6, collections: this.#collections };
  }
}
