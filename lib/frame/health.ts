/**
 * How well the frames of a camera can be judged at all. The measuring runs in a thread of its own
 * (`health-worker.ts`) that all cameras of the process share; it is there while a meter is open.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { HealthSection } from '../inspection/inspection.ts';
import { Baseline, type HealthFinding } from './baseline.ts';
import { holdingPixels, type Frame } from './frame.ts';
import { HealthError } from './health-gauge.ts';
import type { FromHealthWorker, ToHealthWorker } from './health-protocol.ts';

/** Good frames to learn from. */
const LEARN = 20;

type Measured = FromHealthWorker & { type: 'measured' };

interface Waiter {
  resolve(measured: Measured): void;
  reject(error: Error): void;
}

/** The thread and what it was asked; a new one takes over where it has ended. */
class HealthThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiter>();
  #nextId = 1;

  constructor(ended: (thread: HealthThread) => void) {
    this.#worker = new Worker(new URL(`./health-worker${extname(import.meta.url)}`, import.meta.url));
    this.#worker.on('message', (message: FromHealthWorker) => {
      const waiter = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (this.#waiting.size === 0) this.#worker.unref();
      if (message.type === 'measured') waiter?.resolve(message);
      else waiter?.reject(new HealthError(message.code as HealthError['code'], message.message));
    });
    const end = (reason: string): void => {
      ended(this);
      for (const waiter of this.#waiting.values()) waiter.reject(new HealthError('HEALTH_FAILED', reason));
      this.#waiting.clear();
    };
    this.#worker.on('error', (error) => end(`measuring the health ended: ${String(error)}`));
    this.#worker.on('exit', () => end('the thread that measures the health has ended'));
    // It keeps the process alive only while somebody waits for it.
    this.#worker.unref();
  }

  tell(message: ToHealthWorker): void {
    this.#worker.postMessage(message);
  }

  measure(request: Omit<ToHealthWorker & { type: 'measure' }, 'type' | 'id'>): Promise<Measured> {
    const id = this.#nextId++;
    const { pixels } = request.picture;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      const transfer = 'bytes' in pixels ? [pixels.bytes.buffer as ArrayBuffer] : [];
      this.#worker.postMessage({ type: 'measure', id, ...request } satisfies ToHealthWorker, transfer);
    });
  }

  /** Nothing is under way any more: nobody asks, and nobody has a meter. */
  end(): void {
    void this.#worker.terminate();
  }
}

let thread: HealthThread | undefined;
let nextGauge = 1;
/** Gauges that are open. */
const open = new Set<number>();

function threadOf(): HealthThread {
  thread ??= new HealthThread((ended) => {
    if (thread === ended) thread = undefined;
  });
  return thread;
}

export interface HealthMeterOptions {
  /** What the camera saw when all was well; learned from the first good frames when absent. */
  baseline?: Baseline | undefined;
  /** Good frames to learn a baseline from; 0 for none. */
  learn?: number | undefined;
}

/** Measures the frames of one camera, one after the other. */
export class HealthMeter {
  readonly #gauge = nextGauge++;
  readonly #learn: number;
  /** The one that knows the gauge. */
  #thread: HealthThread | undefined;
  #previousSha256: string | undefined;
  #baseline: Baseline | undefined;
  #findings: readonly HealthFinding[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor({ baseline, learn = LEARN }: HealthMeterOptions = {}) {
    this.#baseline = baseline;
    this.#learn = learn;
    open.add(this.#gauge);
  }

  /** The one given, or the one learned meanwhile. */
  get baseline(): Baseline | undefined {
    return this.#baseline;
  }

  /** What is outside its band in the frame measured last, with values and bands. */
  get findings(): readonly HealthFinding[] {
    return this.#findings;
  }

  /**
   * Frames are compared with the one measured before, in the order of the calls.
   *
   * @throws HealthError `IMAGE_INVALID` when the image cannot be decoded, `HEALTH_FAILED`
   */
  async measure(frame: Frame): Promise<HealthSection> {
    const { format, width, height, source, sha256 } = frame;
    const frozen = sha256 === this.#previousSha256;
    this.#previousSha256 = sha256;
    const measuring = holdingPixels(frame, (pixels) =>
      this.#threadWithGauge().measure({
        gauge: this.#gauge,
        // a copy that is moved there: 0.05 ms for the 400 kB of a 1080p JPEG
        picture: {
          format,
          width,
          height,
          source,
          frozen,
          pixels: Buffer.isBuffer(pixels) ? { bytes: new Uint8Array(pixels) } : pixels,
        },
      }),
    );
    this.#last = measuring.catch(() => undefined);
    const { section, findings, learned } = await measuring;
    this.#findings = findings;
    if (learned !== undefined) this.#baseline = Baseline.fromText(learned);
    return section;
  }

  /** Waits for what is under way; the last one ends the thread. */
  async close(): Promise<void> {
    await this.#last;
    open.delete(this.#gauge);
    this.#thread?.tell({ type: 'close', gauge: this.#gauge });
    if (open.size > 0) return;
    thread?.end();
    thread = undefined;
  }

  #threadWithGauge(): HealthThread {
    const current = threadOf();
    if (this.#thread !== current) {
      this.#thread = current;
      const baseline = this.#baseline?.toText();
      current.tell({ type: 'open', gauge: this.#gauge, baseline, learn: this.#learn });
    }
    return current;
  }
}
