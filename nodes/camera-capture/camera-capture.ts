/** camera-capture: one frame for each part, or a plain reason why there is none. */
import { Camera, type CameraListener, type CameraState, type Shot } from '../../lib/capture/camera.ts';
import { openSource } from '../../lib/capture/open-source.ts';
import { HealthMeter } from '../../lib/frame/health.ts';
import type { HealthReason, Inspection } from '../../lib/inspection/inspection.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { partOpener, stationOf } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { normalise, type CameraConfig } from './config.ts';
import { cameraRoutes } from './preview.ts';

class CameraHandler implements Handlers, CameraListener {
  readonly #context: NodeContext<CameraConfig>;
  readonly #camera: Camera;
  readonly #name: string;
  readonly #station: StationControl | undefined;

  constructor(context: NodeContext<CameraConfig>) {
    const { config, RED, credentials, node } = context;
    const { user = '', password = '' } = credentials;
    const signIn = user === '' ? {} : { credentials: { user, password } };
    const source = openSource({ ...config.source, ...signIn });
    this.#context = context;
    this.#name = config.name || source.name;
    this.#station = config.stationId === undefined ? undefined : stationOf(RED, config.stationId);
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
    // Whether these are there is only known once they are asked.
    const { kind } = this.#context.config.source;
    if (kind === 'http-snapshot' || kind === 'file') this.#context.status.show('ready', 'waiting');
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
    const { status } = this.#context;
    if (state.kind === 'lost') status.fail(state.error.code);
    else if (state.kind === 'dropping') status.show('degraded', 'skipped', { count: state.count });
    else if (state.kind === 'unwell') this.#unwell(state.reasons);
    else status.show(state.kind, state.kind);
  }

  #unwell(reasons: readonly HealthReason[]): void {
    const { status, config } = this.#context;
    status.show('degraded', reasons[0] ?? 'frozen');
    if (!config.healthTrips) return;
    const message = `${this.#name} no longer sees well: ${reasons.join(', ')}`;
    this.#station?.degrade('CONSERVATIVE', { code: 'CAMERA_UNWELL', message });
  }

  async close(): Promise<void> {
    await this.#camera.close();
  }

  #messageOf({ frame, inspection }: Shot, message: Message): Message {
    // Raw pixels are no payload for anybody; an encoded image is.
    const isRaw = frame.format === 'rgb' || frame.format === 'gray';
    const payload = isRaw ? frame : frame.toBuffer();
    return Object.assign(message, { frame, inspection, payload, topic: this.#name });
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
