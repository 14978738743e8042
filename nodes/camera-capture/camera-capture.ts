/** camera-capture: one frame for each part, or a plain reason why there is none. */
import { Camera, type CameraListener, type CameraState, type Shot } from '../../lib/capture/camera.ts';
import { openSource } from '../../lib/capture/open-source.ts';
import { HealthMeter } from '../../lib/frame/health.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { alarmsOf, type NodeAlarms } from '../runtime/alarms.ts';
import { setLazily } from '../runtime/message.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { partOpener, stationOf } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { CameraBadge } from './camera-badge.ts';
import { normalise, type CameraConfig } from './config.ts';
import { cameraRoutes } from './preview.ts';

class CameraHandler implements Handlers, CameraListener {
  readonly #context: NodeContext<CameraConfig>;
  readonly #camera: Camera;
  readonly #name: string;
  readonly #station: StationControl | undefined;
  readonly #badge: CameraBadge;
  readonly #alarms: NodeAlarms;

  constructor(context: NodeContext<CameraConfig>) {
    const { config, RED, credentials, node } = context;
    const { user = '', password = '' } = credentials;
    const signIn = user === '' ? {} : { credentials: { user, password } };
    const source = openSource({ ...config.source, ...signIn });
    this.#context = context;
    const isAsked = config.source.kind === 'http-snapshot' || config.source.kind === 'file';
    this.#badge = new CameraBadge(context.status, isAsked);
    this.#name = config.name || source.name;
    this.#station = config.stationId === undefined ? undefined : stationOf(RED, config.stationId);
    this.#alarms = alarmsOf(node, this.#station);
    const openPart = partOpener(this.#station);
    const { deadlineMs } = config;
    this.#camera = new Camera({
      ...config,
      source,
      name: this.#name,
      meter: config.health ? new HealthMeter({ baseline: config.baseline }) : undefined,
      open: (part) => openPart({ ...part, ...(deadlineMs !== undefined && { deadlineMs }) }),
    });
    // For the preview of the dialog: a camera that is in use may not be opened twice.
    Object.assign(node, { camera: this.#camera });
  }

  async start(): Promise<this> {
    await this.#camera.start(this);
    return this;
  }

  async input(message: Message, signal: AbortSignal): Promise<Outputs> {
    const { shots, failures } = await this.#camera.take(message['partId'], signal);
    const [first] = failures;
    if (first !== undefined && shots.length === 0) {
      message.inspection = first.inspection;
      failures.shift();
    }
    for (const { error, inspection } of failures) this.#context.fail(error, { ...message, inspection });
    if (first !== undefined && shots.length === 0) throw first.error;
    return [shots.map((shot, index) => this.#messageOf(shot, index === 0 ? message : { ...message }))];
  }

  shot(shot: Shot): void {
    this.#context.emit([this.#messageOf(shot, {})]);
  }

  failed(error: unknown, inspection: Inspection | undefined): void {
    this.#context.fail(error, { topic: this.#name, ...(inspection !== undefined && { inspection }) });
  }

  state(state: CameraState): void {
    this.#badge.take(state);
    if (state.kind === 'lost') this.#alarms.raise('CAMERA_LOST', state.error.message);
    else if (state.kind === 'ready') this.#alarms.clear('CAMERA_LOST');
    else if (state.kind === 'well') this.#alarms.clear('CAMERA_UNWELL');
    if (state.kind !== 'unwell') return;
    const message = `${this.#name} no longer sees well: ${state.reasons.join(', ')}`;
    this.#alarms.raise('CAMERA_UNWELL', message);
    if (!this.#context.config.healthTrips) return;
    this.#station?.degrade('CONSERVATIVE', { code: 'CAMERA_UNWELL', message });
  }

  async close(removed: boolean): Promise<void> {
    await this.#camera.close();
    this.#badge.close();
    if (removed) this.#alarms.clear('CAMERA_LOST', 'CAMERA_UNWELL');
  }

  #messageOf({ frame, inspection }: Shot, message: Message): Message {
    const isRaw = frame.format === 'rgb' || frame.format === 'gray';
    // Raw pixels are no payload for anybody; an encoded image is, but our own nodes do not read it, and copies
    // make the collector run (13 full collections in 600 pictures of 0.3 MB with them, 3 without).
    setLazily(message, 'payload', () => (isRaw ? frame : frame.toBuffer()));
    return Object.assign(message, { frame, inspection, topic: this.#name });
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
