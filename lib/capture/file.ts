/**
 * One file as a camera: each trigger reads it anew, as it is then. A file that is being written is
 * waited for until the image in it is complete; one that was renamed into its place is complete at once.
 * A picture that did not change is given again: that it is the same is for the image health to say.
 * One read at a time: while a share hangs, triggers wait for the read that hangs and begin none.
 */
import { dirname, basename, resolve } from 'node:path';
import { sleep, systemClock, type Clock } from '../clock.ts';
import { asCaptureError, CaptureError, isOutage } from './errors.ts';
import { fileState, readWhole } from './folder-files.ts';
import { MAX_IMAGE_BYTES, receiveImage } from './source.ts';
import type { CameraSource, CapturedImage, SourceListener } from './source.ts';
import { Turns } from './turns.ts';
import { within } from './within.ts';

/** How often a file that is still being written is looked at. */
const RECHECK_MS = 50;
/** Shorter than any image: its writer has just begun. */
const BEGUN_BYTES = 16;

export interface FileOptions {
  file: string;
  /** For a trigger to get a complete image. */
  timeoutMs: number;
  maxImageBytes?: number;
  clock?: Clock;
}

export class FileSource implements CameraSource {
  readonly name: string;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #maxImageBytes: number;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #turns = new Turns();
  #listener: SourceListener | undefined;
  #state: 'unknown' | 'up' | 'lost' = 'unknown';

  constructor({ file, timeoutMs, maxImageBytes = MAX_IMAGE_BYTES, clock = systemClock }: FileOptions) {
    this.#path = resolve(file);
    this.name = basename(this.#path);
    this.#timeoutMs = timeoutMs;
    this.#maxImageBytes = maxImageBytes;
    this.#clock = clock;
  }

  async start(listener: SourceListener): Promise<void> {
    this.#listener = listener;
    const { signal } = this.#closed;
    try {
      const state = this.#turns.take(() => this.#stateNow(), signal);
      if ((await this.#within(state, signal)) === undefined) throw this.#absent();
      this.#note(undefined);
    } catch (error) {
      this.#note(asCaptureError(error, 'NO_IMAGE', this.#path));
    }
  }

  async grab(signal: AbortSignal): Promise<CapturedImage> {
    const given = new AbortController();
    const waited: { for: CaptureError | undefined } = { for: undefined };
    try {
      const whole = this.#whole(given.signal, waited);
      const image = await this.#within(whole, AbortSignal.any([signal, this.#closed.signal]));
      this.#note(undefined);
      return image;
    } catch (thrown) {
      const error = asCaptureError(thrown, 'IMAGE_INVALID', this.#path);
      const reason = error.code === 'CAPTURE_TIMEOUT' ? (waited.for ?? error) : error;
      this.#note(reason);
      throw reason;
    } finally {
      given.abort(new CaptureError('CLOSED', `nobody waits for ${this.#path} any longer`));
    }
  }

  close(): Promise<void> {
    this.#closed.abort(new CaptureError('CLOSED', `${this.name} was closed`));
    return Promise.resolve();
  }

  #within<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
    return within(work, { timeoutMs: this.#timeoutMs, signal, what: this.#path, clock: this.#clock });
  }

  /** Announces what changed: the file is there, or what keeps us from it. */
  #note(error: CaptureError | undefined): void {
    if (error === undefined) {
      if (this.#state !== 'up') this.#listener?.restored();
      this.#state = 'up';
    } else if (isOutage(error)) {
      if (this.#state !== 'lost') this.#listener?.lost(error);
      this.#state = 'lost';
    }
  }

  /** Reads until the image is complete; `waited.for` is what kept it from being so. */
  async #whole(signal: AbortSignal, waited: { for: CaptureError | undefined }): Promise<CapturedImage> {
    for (;;) {
      try {
        return await this.#turns.take(() => this.#read(), signal);
      } catch (error) {
        if (!(error instanceof CaptureError) || error.code !== 'IMAGE_TRUNCATED') throw error;
        waited.for = error;
        await sleep(this.#clock, RECHECK_MS, signal);
      }
    }
  }

  /** @throws CaptureError `NO_IMAGE`, `IMAGE_INVALID`; `IMAGE_TRUNCATED` when it is not complete yet */
  async #read(): Promise<CapturedImage> {
    if ((await this.#stateNow()) === undefined) throw this.#absent();
    const what = this.#path;
    const limits = { what, maxBytes: this.#maxImageBytes };
    const { bytes, modified } = await readWhole(what, limits).catch((error: unknown) => {
      throw asCaptureError(error, 'NO_IMAGE', `${what} cannot be read`);
    });
    if (bytes.length < BEGUN_BYTES) {
      throw new CaptureError('IMAGE_TRUNCATED', `${what} has ${bytes.length} bytes`);
    }
    return receiveImage(bytes, { what, file: this.name, capturedAt: modified });
  }

  async #stateNow(): ReturnType<typeof fileState> {
    return await fileState(dirname(this.#path), this.name);
  }

  #absent(): CaptureError {
    return new CaptureError('NO_IMAGE', `there is no file ${this.#path}`, {
      hint: 'Check the path, and that the user Node-RED runs as may read it.',
    });
  }
}
