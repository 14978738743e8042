/**
 * Who waits for a frame of a camera process, and the slot of shared memory it will come in.
 *
 * Promises: every take ends in one image or one CaptureError; a slot goes back to the pool exactly
 * once, and never while the process may still write to it.
 */
import { SlotPool, type Slot } from '../../frame/slots.ts';
import { CodedError } from '../../errors.ts';
import { CaptureError } from '../errors.ts';
import type { CapturedImage } from '../source.ts';
import type { MediaMessage } from './media-child.ts';

/** Larger than every sensor we know of, and below what makes sizes overflow. */
const MAX_SIDE = 65_535;
const SHA256 = /^[0-9a-f]{64}$/;

interface Take {
  request: { take: number; slot: string; maxAgeMs: number };
  slot: Slot;
  /** Absent once nobody waits any longer. */
  waiter?: { resolve: (image: CapturedImage) => void; reject: (error: Error) => void };
}

export interface TakesOptions {
  slots?: number;
  /** The process makes a frame only when it is told to. */
  triggered: boolean;
}

export class Takes {
  readonly #pool: SlotPool;
  readonly #triggered: boolean;
  readonly #takes = new Map<number, Take>();
  #send: ((request: object) => void) | undefined;
  #nextId = 1;

  /** @throws CaptureError `FRAME_MEMORY` when there is no place for frames */
  constructor({ slots, triggered }: TakesOptions) {
    this.#triggered = triggered;
    try {
      this.#pool = new SlotPool(slots === undefined ? {} : { slots });
    } catch (error) {
      throw memoryError(error);
    }
  }

  /** A process is there: those who wait are told to it, in their order. */
  attach(send: (request: object) => void): void {
    this.#send = send;
    for (const take of this.#takes.values()) this.#ask(take);
  }

  /** The process has ended, or could not be started: nobody waits any longer. */
  detach(error: CaptureError): void {
    this.#send = undefined;
    for (const take of this.#takes.values()) {
      this.#pool.giveBack(take.slot);
      take.waiter?.reject(error);
    }
    this.#takes.clear();
  }

  /** No further frames; those in a flow stay readable. */
  close(): void {
    this.#pool.close();
  }

  /**
   * The newest frame when it is not older than `maxAgeMs`, else the next one.
   *
   * @throws CaptureError the reason of the outage; the signal's reason when aborted
   */
  async take(maxAgeMs: number, signal: AbortSignal): Promise<CapturedImage> {
    const slot = await this.#slot(signal);
    const id = this.#nextId++;
    const take: Take = { request: { take: id, slot: slot.path, maxAgeMs: Math.round(maxAgeMs) }, slot };
    const abandon = (): void => this.#abandon(id, signal.reason as Error);
    try {
      return await new Promise<CapturedImage>((resolve, reject) => {
        take.waiter = { resolve, reject };
        this.#takes.set(id, take);
        signal.addEventListener('abort', abandon, { once: true });
        if (signal.aborted) abandon();
        else this.#ask(take);
      });
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  /** @throws CaptureError `IMAGE_INVALID` when what the process says of a frame cannot be */
  took(message: MediaMessage): void {
    const { took: id = 0, width = 0, height = 0, format = '', length = 0, sha256 = '' } = message;
    const { capturedAt = Number.NaN, triggerToFrameMs } = message;
    const take = this.#takes.get(id);
    if (take === undefined) return;
    const channels = format === 'rgb' ? 3 : format === 'gray' ? 1 : 0;
    const isSize = (side: number): boolean => Number.isInteger(side) && side > 0 && side <= MAX_SIDE;
    const isFrame = channels > 0 && isSize(width) && isSize(height) && length === width * height * channels;
    if (!isFrame || !SHA256.test(sha256) || Number.isNaN(new Date(capturedAt).getTime())) {
      throw new CaptureError('IMAGE_INVALID', 'the camera process announced a frame that cannot be');
    }
    this.#takes.delete(id);
    if (take.waiter === undefined) {
      this.#pool.giveBack(take.slot);
      return;
    }
    take.waiter.resolve({
      bytes: this.#pool.filled(take.slot, { length, sha256 }),
      format: channels === 3 ? 'rgb' : 'gray',
      width,
      height,
      capturedAt: new Date(capturedAt),
      ...(typeof triggerToFrameMs === 'number' ? { triggerToFrameMs } : {}),
    });
  }

  /** The frame that was made for a take came broken. */
  failed({ failed: id = 0, message }: MediaMessage): void {
    const text = typeof message === 'string' ? message.slice(0, 500) : 'a frame came broken';
    const take = this.#takes.get(id);
    if (take === undefined) return;
    this.#takes.delete(id);
    this.#pool.giveBack(take.slot);
    take.waiter?.reject(
      new CaptureError('IMAGE_TRUNCATED', text, {
        hint: 'Packets of it were lost; check cable, switch, packet size and net.core.rmem_max.',
      }),
    );
  }

  cancelled(id: number): void {
    const take = this.#takes.get(id);
    if (take === undefined || take.waiter !== undefined) return;
    this.#takes.delete(id);
    this.#pool.giveBack(take.slot);
  }

  #ask({ request }: Take): void {
    this.#send?.(request);
    if (this.#triggered) this.#send?.({ trigger: true });
  }

  /** Nobody waits; the slot comes back with the answer to the cancellation. */
  #abandon(id: number, reason: Error): void {
    const take = this.#takes.get(id);
    const waiter = take?.waiter;
    if (take === undefined || waiter === undefined) return;
    delete take.waiter;
    if (this.#send === undefined) this.cancelled(id);
    else this.#send({ cancel: id });
    waiter.reject(reason);
  }

  async #slot(signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    const slot = this.#pool.take().catch((error: unknown) => {
      throw memoryError(error);
    });
    let abort: () => void = () => undefined;
    const aborted = new Promise<never>((_resolve, reject) => {
      abort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
    });
    try {
      return await Promise.race([slot, aborted]);
    } catch (error) {
      slot.then(
        (late) => this.#pool.giveBack(late),
        () => undefined,
      );
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

function memoryError(thrown: unknown): CaptureError {
  const { code, message, hint } = thrown as CodedError;
  return new CaptureError(code === 'CLOSED' ? 'CLOSED' : 'FRAME_MEMORY', message, {
    ...(hint === undefined ? {} : { hint }),
    cause: thrown,
  });
}
