/** What tests do with camera sources: grab, read what was grabbed, listen. */
import { createHash } from 'node:crypto';
import type { CaptureError } from '../../lib/capture/errors.ts';
import type { CameraSource, CapturedImage, SourceListener } from '../../lib/capture/source.ts';
import { readStamp } from './stamp.ts';

export const never = new AbortController().signal;

/** The pixels of an image, wherever they lie. */
export async function pixelsOf({ bytes }: CapturedImage): Promise<Buffer> {
  return Buffer.isBuffer(bytes) ? bytes : await bytes.read();
}

/** The number in a raw picture; undefined where it carries none. */
export async function numberIn(image: CapturedImage): Promise<number | undefined> {
  return readStamp(await pixelsOf(image), image.width, image.format === 'gray' ? 1 : 3);
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A listener whose events can be waited for. */
export class Watcher implements SourceListener {
  readonly errors: CaptureError[] = [];
  restorations = 0;
  attempts = 0;
  #waiters: (() => void)[] = [];

  connecting(): void {
    this.attempts += 1;
    this.#wake();
  }

  lost(error: CaptureError): void {
    this.errors.push(error);
    this.#wake();
  }

  restored(): void {
    this.restorations += 1;
    this.#wake();
  }

  /** Resolves as soon as so many outages were told. */
  async outages(count: number): Promise<CaptureError> {
    await this.#until(() => this.errors.length >= count);
    return this.errors[count - 1] as CaptureError;
  }

  async restoredTimes(count: number): Promise<void> {
    await this.#until(() => this.restorations >= count);
  }

  async attempted(count: number): Promise<void> {
    await this.#until(() => this.attempts >= count);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

/** Starts the source; resolves when it is there, rejects when it is lost first. */
export async function startAndWait(source: CameraSource, watcher = new Watcher()): Promise<Watcher> {
  await source.start(watcher);
  await Promise.race([
    watcher.restoredTimes(1),
    watcher.outages(1).then((error) => {
      throw error;
    }),
  ]);
  return watcher;
}

/** The code a promise rejects with; undefined when it does not. */
export async function codeOfRejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
