/**
 * One camera of a station: brings trigger, image, picture and health together and says what came of
 * each part. Every trigger ends in the frames of its parts or in an error that names the parts.
 */
import { ulid } from 'ulid';
import { Frame } from '../frame/frame.ts';
import type { HealthMeter } from '../frame/health.ts';
import { HealthWatch } from '../frame/health-watch.ts';
import { SharedPixels } from '../frame/slots.ts';
import {
  View,
  type RefusedRegion,
  type SourceImage,
  type ViewedImage,
  type ViewOptions,
} from '../frame/view.ts';
import type { FrameSection, HealthReason, HealthSection, Inspection } from '../inspection/inspection.ts';
import { CaptureError, isOutage } from './errors.ts';
import { Intake, type WhenBusy } from './intake.ts';
import { grabAtInterval } from './interval.ts';
import { partIdFrom, type CameraSource, type CapturedImage, type FailedImage } from './source.ts';

/** What makes the camera take a picture of itself; a message always does. */
export type Trigger = 'message' | 'interval' | 'frame';

export interface CameraOptions {
  source: CameraSource;
  /** For people, and the `source` of frames that have no file name. */
  name: string;
  trigger: Trigger;
  intervalMs: number;
  whenBusy: WhenBusy;
  queueLength: number;
  /** Each region of it becomes a part of its own; without one the whole picture is the part. */
  view: ViewOptions;
  meter: HealthMeter | undefined;
  /** Puts a part on the station's count. */
  open(part: { id?: string }): Promise<Inspection>;
}

/** A part with its frame. */
export interface Shot {
  inspection: Inspection;
  frame: Frame;
}

export type CameraState =
  | { kind: 'connecting' }
  | { kind: 'ready' }
  | { kind: 'lost'; error: CaptureError }
  | { kind: 'dropping'; count: number }
  | { kind: 'well' }
  | { kind: 'unwell'; reasons: readonly HealthReason[] };

/** What nobody asked for by a message, and how the camera is. */
export interface CameraListener {
  shot(shot: Shot): void;
  /** A part without a frame; without a part when the camera is lost, once per outage. */
  failed(error: unknown, inspection: Inspection | undefined): void;
  state(state: CameraState): void;
}

export interface CameraCounts {
  /** Frames that went on their way. */
  frames: number;
  /** Frames that came while the camera's node was busy. */
  dropped: number;
  /** Beats of the interval without a picture. */
  skipped: number;
  outages: number;
  /** What encoding took off the pixels of the frames, in bytes. */
  savedBytes: number;
}

/** What became of the parts of one trigger: each is in one of the two. */
export interface Taken {
  shots: Shot[];
  failures: { inspection: Inspection; error: unknown }[];
}

interface Arrival {
  captured: CapturedImage | FailedImage;
  at: number;
}

export class Camera {
  readonly counts: CameraCounts = { frames: 0, dropped: 0, skipped: 0, outages: 0, savedBytes: 0 };
  readonly #options: CameraOptions;
  readonly #intake: Intake<Arrival>;
  readonly #view: View;
  readonly #watch = new HealthWatch();
  readonly #regions: number;
  #listener: CameraListener | undefined;
  #stopInterval: (() => Promise<void>) | undefined;
  #isOutageReported = false;
  #recent: Frame | undefined;

  /** @throws RegionError `REGION_INVALID` */
  constructor(options: CameraOptions) {
    const { source, queueLength } = options;
    // Held up, such a source drops for us, before anything is converted or copied.
    const isNewestAnyway = source.isPulled === true && options.whenBusy === 'latest-wins';
    const whenBusy = isNewestAnyway ? 'block' : options.whenBusy;
    this.#options = options;
    this.#view = new View(options.view);
    this.#regions = options.view.regions.filter(({ kind }) => kind === 'part').length;
    this.#intake = new Intake({
      whenBusy,
      queueLength,
      take: ({ captured, at }) => this.#takeFree(captured, at),
      dropped: (count) => {
        this.counts.dropped = count;
        this.#listener?.state({ kind: 'dropping', count: count + this.counts.skipped });
      },
    });
  }

  /** The frame that came last, as captured: for a preview of a camera that is in use. */
  get recent(): Frame | undefined {
    return this.#recent;
  }

  async start(listener: CameraListener): Promise<void> {
    const { source, trigger, intervalMs } = this.#options;
    const arrived = (captured: CapturedImage | FailedImage): Promise<void> | undefined =>
      this.#intake.put({ captured, at: performance.now() });
    this.#listener = listener;
    await source.start({
      ...(trigger === 'frame' && { image: arrived, failed: arrived }),
      connecting: () => listener.state({ kind: 'connecting' }),
      lost: (error) => {
        this.counts.outages += 1;
        listener.state({ kind: 'lost', error });
        if (trigger !== 'message') this.#reportOutage(error);
      },
      restored: () => {
        this.#isOutageReported = false;
        listener.state({ kind: 'ready' });
      },
    });
    if (trigger !== 'interval') return;
    this.#stopInterval = grabAtInterval(source, {
      intervalMs,
      image: (image, at) => this.#takeFree(image, at),
      failed: async (error, at) => {
        if (isOutage(error)) this.#reportOutage(error);
        else await this.#takeFree({ error }, at);
      },
      skipped: (count) => {
        this.counts.skipped = count;
        listener.state({ kind: 'dropping', count: count + this.counts.dropped });
      },
    });
  }

  /**
   * A picture for one trigger; rejects only where no part could be opened.
   *
   * @param given the part's id, where the trigger names one
   */
  async take(given: unknown, signal: AbortSignal): Promise<Taken> {
    const at = performance.now();
    const id = partIdFrom(typeof given === 'number' ? String(given) : given);
    const inspections = await this.#openParts(id, at);
    return await this.#outcomes(inspections, async () => {
      if (id === undefined && given !== undefined && given !== '') {
        throw new CaptureError(
          'PART_ID_INVALID',
          'msg.partId must be text of 1 to 128 printable ASCII characters',
        );
      }
      const image = await this.#options.source.grab(signal);
      if (id === undefined && image.partId !== undefined) {
        for (const [index, { part }] of inspections.entries()) part.id = this.#partId(image.partId, index);
      }
      return image;
    });
  }

  async close(): Promise<void> {
    await this.#options.source.close();
    await this.#stopInterval?.();
    await this.#intake.close();
    await this.#options.meter?.close();
  }

  /** From here on it is said which parts there are, whatever becomes of their frames. */
  async #openParts(id: string | undefined, at: number): Promise<Inspection[]> {
    const base = this.#regions > 0 ? (id ?? ulid()) : id;
    const inspections: Inspection[] = [];
    for (let index = 0; index < Math.max(1, this.#regions); index += 1) {
      const part = base === undefined ? {} : { id: this.#partId(base, index) };
      try {
        const inspection = await this.#options.open(part);
        inspection.part.startedAt = at;
        inspections.push(inspection);
      } catch (error) {
        for (const inspection of inspections) this.#listener?.failed(error, inspection);
        throw error;
      }
    }
    return inspections;
  }

  /** The parts of one picture are told apart by the number of their region. */
  #partId(base: string, index: number): string {
    return this.#regions > 0 ? `${base}/${index + 1}` : base;
  }

  /** A picture that no message asked for. */
  async #takeFree(captured: CapturedImage | FailedImage, at: number): Promise<void> {
    const listener = this.#listener as CameraListener;
    let inspections: Inspection[];
    try {
      inspections = await this.#openParts(captured.partId, at);
    } catch (error) {
      listener.failed(error, undefined);
      return;
    }
    const { shots, failures } = await this.#outcomes(inspections, () => {
      if ('error' in captured) throw captured.error;
      return Promise.resolve(captured);
    });
    for (const shot of shots) {
      try {
        listener.shot(shot);
      } catch (error) {
        // one part that cannot be handed on takes no other with it, and never the camera
        listener.failed(error, shot.inspection);
      }
    }
    for (const { error, inspection } of failures) listener.failed(error, inspection);
    if (shots.length > 0) this.#isOutageReported = false;
  }

  /** One outcome for each part, whatever happens on the way. */
  async #outcomes(inspections: readonly Inspection[], image: () => Promise<CapturedImage>): Promise<Taken> {
    try {
      return await this.#shoot(await image(), inspections);
    } catch (error) {
      return { shots: [], failures: inspections.map((inspection) => ({ inspection, error })) };
    }
  }

  async #shoot(image: CapturedImage, inspections: readonly Inspection[]): Promise<Taken> {
    const { name, meter } = this.#options;
    const view = this.#view;
    const { width, height, format, capturedAt, file } = image;
    const source = file ?? name;
    const arrivedAt = performance.now();
    const whole = new Frame(image.bytes, { width, height, format, capturedAt, source });
    const health = await meter?.measure(whole);
    const measuredAt = performance.now();
    if (health !== undefined) this.#judge(health);
    const pictures = view.isPlain ? [whole] : await view.apply(await sourceOf(image));
    const viewedAt = performance.now();
    this.#recent = whole;

    const taken: Taken = { shots: [], failures: [] };
    for (const [index, inspection] of inspections.entries()) {
      const picture = pictures[index] as Frame | ViewedImage | RefusedRegion;
      const { timings } = inspection;
      timings['capture'] = arrivedAt - inspection.part.startedAt;
      if (image.triggerToFrameMs !== undefined) timings['triggerToFrame'] = image.triggerToFrameMs;
      if (meter !== undefined) timings['health'] = measuredAt - arrivedAt;
      if (!view.isPlain) timings['view'] = viewedAt - measuredAt;
      // Wall clocks, because the camera's process has no other in common with this one.
      timings['age'] = Math.max(0, Date.now() - capturedAt.getTime());
      if ('error' in picture) {
        taken.failures.push({ inspection, error: picture.error });
        continue;
      }
      const frame =
        picture instanceof Frame ? picture : new Frame(picture.bytes, { ...picture, capturedAt, source });
      inspection.frame = sectionOf(frame, picture instanceof Frame ? {} : picture, health);
      taken.shots.push({ inspection, frame });
      this.counts.frames += 1;
      if (!(picture instanceof Frame)) this.counts.savedBytes += picture.savedBytes;
    }
    return taken;
  }

  #judge({ findings }: HealthSection): void {
    const { state, changed, reasons } = this.#watch.observe(findings);
    if (changed) this.#listener?.state(state === 'bad' ? { kind: 'unwell', reasons } : { kind: 'well' });
  }

  #reportOutage(error: CaptureError): void {
    if (!this.#isOutageReported) this.#listener?.failed(error, undefined);
    this.#isOutageReported = true;
  }
}

/** Bytes out of a slot are a copy of their own, into which masks may be painted. */
async function sourceOf({ bytes, format, width, height }: CapturedImage): Promise<SourceImage> {
  if (!(bytes instanceof SharedPixels)) return { bytes, format, width, height };
  return { bytes: await bytes.read(), format, width, height, writable: true };
}

function sectionOf(
  frame: Frame,
  { region, box }: Pick<ViewedImage, 'region' | 'box'>,
  health: HealthSection | undefined,
): FrameSection {
  const { id, width, height, format, source, sha256 } = frame;
  return {
    id,
    width,
    height,
    format,
    capturedAt: frame.capturedAt.toISOString(),
    source,
    sha256,
    ...(region !== undefined && { region }),
    ...(box !== undefined && { box }),
    ...(health !== undefined && { health }),
  };
}
