/** camera-capture: one frame for each part, or a plain reason why there is none. */
import { CaptureError, isOutage } from '../../lib/capture/errors.ts';
import { grabAtInterval } from '../../lib/capture/interval.ts';
import { openSource } from '../../lib/capture/open-source.ts';
import { partFrame } from '../../lib/capture/part-frame.ts';
import { partIdFrom } from '../../lib/capture/source.ts';
import type { CameraSource, CapturedImage, FailedImage } from '../../lib/capture/source.ts';
import { HealthMeter } from '../../lib/frame/health.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { partOpener, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { normalise, type CameraConfig } from './config.ts';
import { cameraRoutes } from './preview.ts';

class CameraHandler implements Handlers {
  readonly #context: NodeContext<CameraConfig>;
  readonly #source: CameraSource;
  readonly #name: string;
  readonly #meter: HealthMeter | undefined;
  readonly #open: OpenPart;
  #stopInterval: (() => Promise<void>) | undefined;
  #outageReported = false;

  constructor(context: NodeContext<CameraConfig>) {
    const { config, RED, credentials } = context;
    const { user = '', password = '' } = credentials;
    const signIn = user === '' ? {} : { credentials: { user, password } };
    this.#context = context;
    this.#source = openSource({ ...config.source, ...signIn });
    this.#name = config.name || this.#source.name;
    this.#meter = config.health ? new HealthMeter() : undefined;
    this.#open = partOpener(config.stationId === undefined ? undefined : stationOf(RED, config.stationId));
  }

  async start(): Promise<this> {
    const { config, status } = this.#context;
    // A snapshot camera is only known to be there once it is asked.
    if (config.source.kind === 'http-snapshot') status.show('ready', 'waiting');
    await this.#source.start({
      ...(config.trigger === 'frame' && {
        image: (image) => this.#freePart(performance.now(), image),
        failed: (failure) => this.#freePart(performance.now(), failure),
      }),
      connecting: () => status.show('connecting', 'connecting'),
      lost: (error) => {
        status.fail(error.code);
        if (config.trigger !== 'message') this.#reportOutage(error);
      },
      restored: () => {
        this.#outageReported = false;
        status.show('ready', 'ready');
      },
    });
    if (config.trigger === 'interval') {
      this.#stopInterval = grabAtInterval(this.#source, {
        intervalMs: config.intervalMs,
        image: (image, triggeredAt) => this.#freePart(triggeredAt, image),
        failed: async (error, triggeredAt) => {
          if (isOutage(error)) this.#reportOutage(error);
          else await this.#freePart(triggeredAt, { error });
        },
        skipped: (count) => status.show('degraded', 'skipped', { count }),
      });
    }
    return this;
  }

  async input(message: Message, signal: AbortSignal): Promise<Outputs> {
    const triggeredAt = performance.now();
    const given = typeof message['partId'] === 'number' ? String(message['partId']) : message['partId'];
    const partId = partIdFrom(given);
    const inspection = await this.#openPart(message, triggeredAt, partId);
    if (partId === undefined && given !== undefined && given !== '') {
      throw new CaptureError(
        'PART_ID_INVALID',
        'msg.partId must be text of 1 to 128 printable ASCII characters',
      );
    }
    const image = await this.#source.grab(signal);
    if (partId === undefined && image.partId !== undefined) inspection.part.id = image.partId;
    return [await this.#complete(message, inspection, image)];
  }

  async close(): Promise<void> {
    await this.#source.close();
    await this.#stopInterval?.();
  }

  /** From here on the message says which part it is, whatever becomes of its frame. */
  async #openPart(message: Message, startedAt: number, id: string | undefined): Promise<Inspection> {
    const { deadlineMs } = this.#context.config;
    const inspection = await this.#open({
      ...(id === undefined ? {} : { id }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    });
    inspection.part.startedAt = startedAt;
    message.inspection = inspection;
    return inspection;
  }

  async #complete(message: Message, inspection: Inspection, image: CapturedImage): Promise<Message> {
    inspection.timings['capture'] = performance.now() - inspection.part.startedAt;
    const { frame, section, healthMs } = await partFrame(image, this.#name, this.#meter);
    inspection.frame = section;
    if (healthMs !== undefined) inspection.timings['health'] = healthMs;
    return Object.assign(message, { frame, payload: frame.toBuffer(), topic: this.#name });
  }

  /** A part that no message asked for. */
  async #freePart(triggeredAt: number, captured: CapturedImage | FailedImage): Promise<void> {
    const message: Message = { topic: this.#name };
    try {
      const inspection = await this.#openPart(message, triggeredAt, captured.partId);
      if ('error' in captured) throw captured.error;
      this.#context.emit([await this.#complete(message, inspection, captured)]);
      this.#outageReported = false;
    } catch (error) {
      this.#context.fail(error, message);
    }
  }

  #reportOutage(error: CaptureError): void {
    if (!this.#outageReported) this.#context.fail(error, { topic: this.#name });
    this.#outageReported = true;
  }
}

export default function register(RED: NodeAPI): void {
  cameraRoutes(RED);
  registerNode<CameraConfig>(RED, {
    type: 'camera-capture',
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
    normalise,
    start: (context) => new CameraHandler(context).start(),
  });
}
