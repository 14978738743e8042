/**
 * What a person sees of a camera while its dialog is open: the next picture, turned as the settings
 * say, small enough for a dialog, and how healthy it is. Nothing here reaches a flow. Masks are not
 * applied, because whoever draws one must see what it covers.
 */
import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { CaptureError } from '../../lib/capture/errors.ts';
import type { CameraSource } from '../../lib/capture/source.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { CodedError } from '../../lib/errors.ts';
import { decodePixels } from '../../lib/frame/decode.ts';
import { encode, type Flip, type Rotation } from '../../lib/frame/encode.ts';
import { bytesOf, Frame } from '../../lib/frame/frame.ts';
import type { Baseline } from '../../lib/frame/baseline.ts';
import { HealthMeter } from '../../lib/frame/health.ts';
import type { HealthReason, HealthSection } from '../../lib/inspection/inspection.ts';
import { measuresOf, type Measure } from './measures.ts';

/** A preview nobody asked of for so long has been left: the dialog's page is gone. */
export const IDLE_MS = 10_000;
/** Each holds a connection to a camera, and decodes twice a second. */
export const MAX_PREVIEWS = 4;
const MAX_WIDTH = 960;
const JPEG = { format: 'jpeg', quality: 80 } as const;
/** A picture of the running node that is older is no live picture where the camera can be asked again. */
const FRESH_MS = 2000;
/** Good pictures for a baseline: ten seconds of the dialog's two pictures a second. */
const LEARN_PICTURES = 20;

export interface PreviewOptions {
  /** Opens the camera; called when a picture is first needed from it. */
  open(): CameraSource;
  /** The newest frame of the deployed node, where it holds this camera. */
  held?: (() => Frame | undefined) | undefined;
  /** The camera serves one program at a time, and the deployed node is the one. */
  isExclusive: boolean;
  rotate: Rotation;
  flip: Flip;
  health: boolean;
  /** What good pictures of this camera measure. */
  baseline: Baseline | undefined;
}

/** What the dialog is told of each picture. */
export interface PictureFacts {
  /** Pixels of the turned picture, before it was made small. */
  width: number;
  height: number;
  /** As the camera sends it. */
  format: string;
  /** ISO 8601. */
  capturedAt: string;
  /** Milliseconds between exposure and this answer, by the gateway's own clock. */
  ageMs: number;
  /** True when the picture is the running node's. */
  held: boolean;
  measures?: Measure[];
  /** What is wrong with the picture. */
  findings?: HealthReason[];
  /** While a baseline is being learned. */
  learning?: { taken: number; wanted: number };
  /** Once, when it has been learned: `Baseline.toText()`. */
  baseline?: string;
}

/** The picture taken last. A node that is triggered seldom holds the same one for long. */
interface Shown {
  frame: Frame;
  facts: Omit<PictureFacts, 'ageMs' | 'held'>;
  jpeg: Buffer;
}

class PreviewError extends CodedError<'NO_IMAGE' | 'NOT_FOUND' | 'PREVIEW_LIMIT'> {}

export class Preview {
  readonly id = randomUUID();
  readonly #options: PreviewOptions;
  #meter: HealthMeter | undefined;
  /** Pictures taken so far for a baseline. */
  #taken: number | undefined;
  readonly #closed = new AbortController();
  #source: Promise<CameraSource> | undefined;
  #outage: CaptureError | undefined;
  #next: Promise<PictureFacts> | undefined;
  #shown: Shown | undefined;

  constructor(options: PreviewOptions) {
    this.#options = options;
    this.#meter = options.health ? new HealthMeter({ baseline: options.baseline, learn: 0 }) : undefined;
  }

  /**
   * Takes the next picture; who asks while one is on its way gets that one.
   *
   * @throws CaptureError, DecodeError, PreviewError `NO_IMAGE`
   */
  next(): Promise<PictureFacts> {
    this.#next ??= this.#take().finally(() => (this.#next = undefined));
    return this.#next;
  }

  /** Learns from the next pictures what is normal; the facts of a picture then bring the baseline. */
  async learn(): Promise<void> {
    const before = this.#meter;
    this.#meter = new HealthMeter({ learn: LEARN_PICTURES });
    this.#taken = 0;
    await before?.close();
  }

  /** The JPEG of the picture that `next` told of last; at most 960 pixels wide. */
  get picture(): Buffer {
    if (this.#shown === undefined) throw new PreviewError('NOT_FOUND', 'no picture has been taken yet');
    return this.#shown.jpeg;
  }

  async close(): Promise<void> {
    this.#closed.abort(new CaptureError('CLOSED', 'the preview was closed'));
    const source = await this.#source?.catch(() => undefined);
    await source?.close();
    // The picture on its way may still want the meter.
    await this.#next?.catch(() => undefined);
    await this.#meter?.close();
    this.#shown = undefined;
  }

  async #take(): Promise<PictureFacts> {
    const held = this.#heldFrame();
    const frame = held ?? (await this.#grab());
    if (frame !== this.#shown?.frame) this.#shown = await this.#show(frame);
    const { facts } = this.#shown;
    const ageMs = Math.max(0, Date.now() - frame.capturedAt.getTime());
    return { ...facts, ageMs, held: held !== undefined };
  }

  async #show(frame: Frame): Promise<Shown> {
    const { rotate, flip } = this.#options;
    const { width, height, format, capturedAt } = frame;
    const pixels = await decodePixels(await bytesOf(frame), format, width, height);
    const isQuarter = rotate === 90 || rotate === 270;
    const limit = isQuarter ? { height: MAX_WIDTH } : { width: MAX_WIDTH };
    const { data, info } = await sharp(pixels.data, { raw: pixels })
      .resize({ ...limit, withoutEnlargement: true })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const small = { data, width: info.width, height: info.height, channels: pixels.channels };
    const jpeg = await encode(small, [0, 0, info.width, info.height], { rotate, flip }, JPEG);
    const facts = {
      width: isQuarter ? height : width,
      height: isQuarter ? width : height,
      format,
      capturedAt: capturedAt.toISOString(),
      ...(await this.#healthOf(frame)),
    };
    return { frame, facts, jpeg: jpeg.data };
  }

  async #healthOf(
    frame: Frame,
  ): Promise<Pick<PictureFacts, 'measures' | 'findings' | 'learning' | 'baseline'> | undefined> {
    const meter = this.#meter;
    if (meter === undefined) return undefined;
    const health = await meter.measure(frame);
    const { findings } = health;
    return { measures: measuresOf(health, meter), findings, ...this.#learned(meter, health) };
  }

  #learned(meter: HealthMeter, { frozen }: HealthSection): Pick<PictureFacts, 'learning' | 'baseline'> {
    // Another baseline may have been asked for while this picture was measured.
    if (this.#taken === undefined || meter !== this.#meter) return {};
    if (meter.baseline !== undefined) {
      this.#taken = undefined;
      return { baseline: meter.baseline.toText() };
    }
    if (!frozen) this.#taken += 1;
    return { learning: { taken: Math.min(this.#taken, LEARN_PICTURES), wanted: LEARN_PICTURES } };
  }

  #heldFrame(): Frame | undefined {
    const { held, isExclusive } = this.#options;
    const frame = held?.();
    if (isExclusive && held !== undefined && frame === undefined) {
      throw new PreviewError('NO_IMAGE', 'the running node holds this camera and has no picture yet', {
        hint: 'Trigger it once, or disable the node and deploy to have the camera to yourself.',
      });
    }
    if (frame === undefined || isExclusive) return frame;
    return Date.now() - frame.capturedAt.getTime() <= FRESH_MS ? frame : undefined;
  }

  async #grab(): Promise<Frame> {
    this.#closed.signal.throwIfAborted();
    this.#source ??= this.#start();
    const source = await this.#source;
    try {
      const image = await source.grab(this.#closed.signal);
      const { bytes, width, height, format, capturedAt } = image;
      return new Frame(bytes, { width, height, format, capturedAt, source: image.file ?? source.name });
    } catch (error) {
      // What the camera is down for says more than that a picture did not come in time.
      throw this.#outage ?? error;
    }
  }

  async #start(): Promise<CameraSource> {
    const source = this.#options.open();
    await source.start({
      lost: (error) => (this.#outage = error),
      restored: () => (this.#outage = undefined),
    });
    return source;
  }
}

/** The previews of this Node-RED: few, one for each dialog, and none that nobody looks at. */
export class Previews {
  readonly #clock: Clock;
  readonly #open = new Map<string, { preview: Preview; dialog: string; leave: () => void }>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Replaces the preview this dialog has. @throws PreviewError `PREVIEW_LIMIT` */
  async start(dialog: string, options: PreviewOptions): Promise<Preview> {
    for (const [id, entry] of this.#open) if (entry.dialog === dialog) await this.close(id);
    if (this.#open.size >= MAX_PREVIEWS) {
      throw new PreviewError('PREVIEW_LIMIT', `${MAX_PREVIEWS} camera previews are open already`, {
        hint: 'Close a camera dialog elsewhere, or wait ten seconds if its page is gone.',
      });
    }
    const preview = new Preview(options);
    this.#open.set(preview.id, { preview, dialog, leave: () => undefined });
    this.#watch(preview.id);
    return preview;
  }

  /** Runs a request of the dialog; the preview does not end while it is under way. */
  async use<Result>(id: string, request: (preview: Preview) => Result | Promise<Result>): Promise<Result> {
    const entry = this.#open.get(id);
    if (entry === undefined) throw new PreviewError('NOT_FOUND', 'this preview has ended');
    entry.leave();
    try {
      return await request(entry.preview);
    } finally {
      this.#watch(id);
    }
  }

  async close(id: string): Promise<void> {
    const entry = this.#open.get(id);
    this.#open.delete(id);
    entry?.leave();
    await entry?.preview.close();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.close(id)));
  }

  #watch(id: string): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    entry.leave();
    entry.leave = this.#clock.after(IDLE_MS, () => void this.close(id).catch(() => undefined));
  }
}
