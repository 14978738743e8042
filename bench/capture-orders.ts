/** What `bench/capture.ts` says to the process that measures one source, and what it answers. */

export interface CaptureOrder {
  /** Of camera-capture; the floor reads from it what it needs. */
  camera: Record<string, string | number | boolean>;
  /** Where a picture says when it was made: in its pixels, in its part id, or beside it. */
  stamp: 'pixels' | 'partId' | 'capturedAt';
  frames: number;
}

export interface CaptureAnswer {
  /** From the start of the source to its first frame. */
  firstMs: number;
  /** From the making of each picture until it was at hand, in milliseconds. */
  latencies: number[];
  /** Processor time of the process and its children ÷ wall time, once frames came. */
  cpuShare: number;
}

/** Milliseconds since 1970, finer than Date.now(). */
export const wallMs = (): number => performance.timeOrigin + performance.now();

/** The first pictures pay for connections and compilation. */
export const WARM_FRAMES = 10;

/** Collects what a source brings and answers when there is enough. */
export class Collector {
  readonly #frames: number;
  readonly #cpuSeconds: () => number;
  readonly #startedAt = performance.now();
  readonly #latencies: number[] = [];
  #firstMs = NaN;
  #seen = 0;
  #measuredFrom = { at: 0, cpu: 0 };

  constructor(frames: number, cpuSeconds: () => number) {
    this.#frames = frames;
    this.#cpuSeconds = cpuSeconds;
  }

  /** @param latencyMs undefined for a picture whose stamp cannot be read */
  add(latencyMs: number | undefined): void {
    if (this.#latencies.length >= this.#frames) return;
    if (this.#seen === 0) this.#firstMs = performance.now() - this.#startedAt;
    this.#seen += 1;
    if (this.#seen === WARM_FRAMES) this.#measuredFrom = { at: performance.now(), cpu: this.#cpuSeconds() };
    if (this.#seen <= WARM_FRAMES || latencyMs === undefined) return;
    this.#latencies.push(latencyMs);
    if (this.#latencies.length < this.#frames) return;
    const seconds = (performance.now() - this.#measuredFrom.at) / 1000;
    const cpuShare = (this.#cpuSeconds() - this.#measuredFrom.cpu) / seconds;
    const answer: CaptureAnswer = { firstMs: this.#firstMs, latencies: this.#latencies, cpuShare };
    process.send?.(answer);
  }
}
