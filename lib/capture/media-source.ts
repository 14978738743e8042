/**
 * A camera that is read in a process of its own (media/media-process.py): RTSP, USB, video, GigE.
 *
 * Frames are asked for, not sent: what nobody wants costs nothing, and a listener that is slow gets
 * fewer of them, never older ones. Pixels stay in the shared memory the process wrote them to.
 *
 * A frame watchdog decides whether the camera lives, because decoders wait for ever for a frozen
 * one, and end with exit code 0 when it dies: no frame for three frame periods, at least two
 * seconds, and the process is killed, the camera lost, and connected anew.
 */
import { isAborted, systemClock, type Clock } from '../clock.ts';
import { asCaptureError, CaptureError } from './errors.ts';
import { MediaChild, type MediaMessage } from './media/media-child.ts';
import { findPython, type MediaKind } from './media/python.ts';
import { Takes } from './media/takes.ts';
import { keepConnected } from './reconnect.ts';
import { ImageRhythm } from './rhythm.ts';
import type { CameraSource, CapturedImage, SourceListener } from './source.ts';

/** However slow the camera: an older frame shows another part. */
const MAX_AGE_MS = 1000;
/** How old the newest frame may be for a trigger while the frame period is not known yet. */
const UNKNOWN_PERIOD_MS = 100;

export interface MediaSourceOptions {
  kind: MediaKind;
  /** For people and messages; without credentials. */
  name: string;
  /** What the process is told about the camera, with credentials; `freeRun` is added. */
  open: Record<string, unknown>;
  /** For the camera to bring its first frame, and for a trigger to get one. */
  timeoutMs: number;
  /** True where each frame is made by a software trigger of ours; nothing else says then that the camera lives. */
  triggered?: (freeRun: boolean) => boolean;
  /** True where the process beats as long as its camera answers, also while it has no frame to send. */
  beatsAlways?: boolean;
  /** What the camera says it is set to, each time it has been opened. */
  settings?: (settings: Readonly<Record<string, unknown>>) => void;
  /** False to trust the camera; for tests that show what happens then. */
  watchdog?: boolean;
  /** See ConnectionKeeper. */
  reachable?: (signal: AbortSignal) => Promise<boolean>;
  /** True for an error that is the end, such as that of a video. */
  isFinal?: (error: CaptureError) => boolean;
  /** Interpreter; found by itself where absent. */
  python?: string | undefined;
  slots?: number;
  clock?: Clock;
  random?: () => number;
}

export class MediaSource implements CameraSource {
  readonly name: string;
  readonly isPulled = true;
  readonly #options: MediaSourceOptions;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #takes: Takes | undefined;
  #listener: SourceListener | undefined;
  #running: Promise<void> | undefined;
  #outage: CaptureError | undefined;
  #child: MediaChild | undefined;
  readonly #rhythm: ImageRhythm;
  /** Sequence number of the newest frame that was told of; undefined before the first. */
  #lastBeat: number | undefined;
  #beats = 0;
  #isTriggered = false;
  #unwatch: () => void = () => undefined;

  constructor(options: MediaSourceOptions) {
    this.#options = options;
    this.name = options.name;
    this.#clock = options.clock ?? systemClock;
    this.#rhythm = new ImageRhythm(this.#clock);
  }

  /** True while beats are due; without them nothing tells a frozen camera from one that waits for its trigger. */
  get #isWatched(): boolean {
    return !this.#isTriggered || this.#options.beatsAlways === true;
  }

  /** Process id of the camera's process while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(listener: SourceListener): Promise<void> {
    const { reachable, isFinal, random = Math.random } = this.#options;
    this.#listener = listener;
    this.#isTriggered = this.#options.triggered?.(listener.image !== undefined) ?? false;
    this.#running = keepConnected(
      {
        session: (signal, up) => this.#session(signal, up),
        connecting: () => listener.connecting?.(),
        lost: (error) => {
          this.#outage = error;
          listener.lost(error);
        },
        restored: () => {
          this.#outage = undefined;
          listener.restored();
        },
        ...(reachable === undefined ? {} : { reachable }),
        ...(isFinal === undefined ? {} : { isFinal }),
        clock: this.#clock,
        random,
        what: this.name,
      },
      this.#closed.signal,
    );
    return Promise.resolve();
  }

  /**
   * The newest frame if it is not older than one frame period and one second, else the next one;
   * the one it triggers where the camera works so.
   */
  async grab(signal: AbortSignal): Promise<CapturedImage> {
    if (this.#outage !== undefined) throw this.#outage;
    const { timeoutMs } = this.#options;
    const late = new AbortController();
    const cancel = this.#clock.after(timeoutMs, () => {
      const text = `${this.name} brought no frame within ${timeoutMs} ms`;
      late.abort(new CaptureError('CAPTURE_TIMEOUT', text));
      if (!this.#isWatched) this.#bark(timeoutMs);
    });
    try {
      return await this.#take(AbortSignal.any([signal, late.signal, this.#closed.signal]));
    } catch (error) {
      if (!isAborted(signal)) throw error;
      throw new CaptureError('CLOSED', `${this.name} was closed while a trigger waited for its frame`);
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    this.#closed.abort(new CaptureError('CLOSED', `${this.name} was closed`));
    await this.#running;
    this.#takes?.close();
  }

  async #take(signal: AbortSignal): Promise<CapturedImage> {
    if (this.#takes === undefined) throw new CaptureError('CLOSED', `${this.name} was not started`);
    // A triggered frame is made for its trigger; none that was made before will do.
    const maxAgeMs = this.#isTriggered ? 0 : Math.min(MAX_AGE_MS, this.#rhythm.periodMs ?? UNKNOWN_PERIOD_MS);
    return await this.#takes.take(maxAgeMs, signal);
  }

  /** One process from start to end; rejects with the reason of its end. */
  async #session(closed: AbortSignal, up: () => void): Promise<void> {
    const { kind, open, python, timeoutMs, slots } = this.#options;
    const freeRun = this.#listener?.image !== undefined;
    const over = new AbortController();
    this.#lastBeat = undefined;
    this.#rhythm.begin();
    let child: MediaChild | undefined;
    let reason: unknown;
    try {
      this.#takes ??= new Takes({ triggered: this.#isTriggered, ...(slots === undefined ? {} : { slots }) });
      const interpreter = await Promise.race([findPython(kind, python), rejected(closed)]);
      const process = new MediaChild({
        kind,
        python: interpreter,
        first: { open: { kind, timeoutMs, freeRun, ...open } },
        message: (message) => this.#receive(process, message, up),
      });
      child = process;
      this.#child = process;
      this.#watch(timeoutMs);
      this.#takes.attach((request) => process.send(request));
      const signal = AbortSignal.any([closed, over.signal]);
      await Promise.race([process.ended, aborted(closed), ...(freeRun ? [this.#freeRun(signal)] : [])]);
      throw isAborted(closed) ? closed.reason : await process.ended;
    } catch (error) {
      reason = error;
      throw error;
    } finally {
      this.#unwatch();
      over.abort(reason);
      await child?.close();
      this.#child = undefined;
      this.#takes?.detach(asCaptureError(reason, 'CAMERA_LOST', this.name));
    }
  }

  /** Brings the listener one frame after the other; the next is asked for when it is done with one. */
  async #freeRun(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let image: CapturedImage;
      try {
        image = await this.#take(signal);
      } catch (error) {
        if (!(error instanceof CaptureError)) return;
        if (error.code === 'FRAME_MEMORY') throw error;
        if (error.code !== 'IMAGE_TRUNCATED') return; // the process has ended, which says why
        await this.#listener?.failed?.({ error });
        continue;
      }
      await this.#listener?.image?.(image);
    }
  }

  #receive(child: MediaChild, message: MediaMessage, up: () => void): void {
    if (message.beat !== undefined) {
      this.#beat(message.beat);
      if (!this.#isTriggered) up();
    }
    if (message.cancelled !== undefined) this.#takes?.cancelled(message.cancelled);
    if (message.failed !== undefined) this.#takes?.failed(message);
    if (message.up !== undefined) {
      const { fps, settings } = message.up;
      if (fps !== undefined && fps > 0) this.#rhythm.expect(1000 / fps);
      if (settings !== undefined) this.#options.settings?.(settings);
      if (this.#isTriggered) {
        this.#unwatch();
        if (this.#isWatched) this.#watch(this.#rhythm.watchdogMs);
        up();
      }
    }
    if (message.took === undefined) return;
    try {
      this.#takes?.took(message);
    } catch (error) {
      child.kill(asCaptureError(error, 'IMAGE_INVALID', this.name));
    }
  }

  /** A frame came, and some before it that were not told of; or just a sign of life. */
  #beat(sequence: number): void {
    this.#beats += 1;
    const count = sequence - (this.#lastBeat ?? sequence - 1);
    this.#lastBeat = sequence;
    if (count > 0 && !this.#isTriggered) this.#rhythm.image(count);
    if (!this.#isWatched) return;
    const { periodMs, watchdogMs } = this.#rhythm;
    this.#watch(periodMs === undefined && !this.#isTriggered ? this.#options.timeoutMs : watchdogMs);
  }

  #watch(limitMs: number): void {
    this.#unwatch();
    if (this.#options.watchdog === false) return;
    const seen = this.#beats;
    const cancel = this.#clock.after(limitMs, () => {
      // After a standstill of our own the beats that came meanwhile are read before we judge.
      setImmediate(() => {
        if (!isOff && this.#beats === seen) this.#bark(limitMs);
      });
    });
    let isOff = false;
    this.#unwatch = () => {
      isOff = true;
      cancel();
    };
  }

  #bark(waitedMs: number): void {
    this.#child?.kill(
      new CaptureError('CAMERA_LOST', `${this.name} sent no frame for ${Math.round(waitedMs)} ms`, {
        hint: 'Check power and network of the camera.',
      }),
    );
  }
}

async function rejected(signal: AbortSignal): Promise<never> {
  await aborted(signal);
  throw signal.reason;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
