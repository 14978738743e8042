/** onnx-infer-gpu: what an ONNX model sees in a frame, or in each region of it, from a process of its own. */
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { Frame } from '../../lib/frame/frame.ts';
import { regionsOf } from '../../lib/inference/look-at.ts';
import { ageMs, isInspection, type Inspection } from '../../lib/inspection/inspection.ts';
import type { Station } from '../../lib/station/types.ts';
import { alarmsOf } from '../runtime/alarms.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { disarmForDeployed, partOpener, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { normalise, type Config } from './options.ts';
import { modelRoutes, type ServingNode } from './routes.ts';
import { maskOf, sectionOf, sectionOfRegions, type Examined } from './section.ts';
import { ServedModel } from './served-model.ts';

/** A message with all that a model needs. */
type Part = Message & { frame: Frame; inspection: Inspection };

class InferHandler implements Handlers {
  readonly #context: NodeContext<Config>;
  readonly #served: ServedModel;
  readonly #station: Station | undefined;
  readonly #open: OpenPart;

  constructor(context: NodeContext<Config>, served: ServedModel, station: Station | undefined) {
    this.#context = context;
    this.#served = served;
    this.#station = station;
    this.#open = partOpener(station);
  }

  async input(message: Message, signal: AbortSignal): Promise<Outputs> {
    const { frame } = message;
    if (!Frame.isFrame(frame)) {
      throw new CodedError('FRAME_MISSING', 'msg.frame holds no frame', {
        hint: 'Put a camera-capture node before this one.',
      });
    }
    (this.#context.node as ServingNode).lastFrame = frame;
    message.inspection = isInspection(message.inspection) ? message.inspection : await this.#open();
    await this.#guarded(message as Part, signal);
    message.inspection.timings['age'] = ageMs(message.inspection);
    return [message];
  }

  async close(removed: boolean): Promise<void> {
    await this.#served.close(removed);
  }

  /** Runs the model, and tells badge and station how that went. */
  async #guarded(part: Part, signal: AbortSignal): Promise<void> {
    const { badge } = this.#served;
    try {
      if (this.#context.config.lookAt === undefined) await this.#lookAtFrame(part, signal);
      else await this.#lookAtObjects(part, signal);
      badge.succeeded(this.#served.model.info);
    } catch (error) {
      const { code, message } = asCodedError(error);
      if (code === 'FRAME_DROPPED') badge.dropped(this.#served.model.info);
      else if (!signal.aborted) badge.failed(code);
      if (code === 'NO_RESULT') alarmsOf(this.#context.node, this.#station).raise('HOST_RESTARTED', message);
      // A host that keeps crashing inspects nothing more: the station must not go on acting by itself.
      const isLatched = this.#station?.arming().state === 'TRIPPED';
      if (code === 'HOST_TRIPPED' && !isLatched) this.#station?.trip({ code, message });
      throw error;
    }
  }

  async #lookAtFrame(message: Part, signal: AbortSignal): Promise<void> {
    const { frame, inspection } = message;
    const result = await this.#served.model.run(frame, { signal });
    const { timings, prediction } = result;
    const section = sectionOf({ ...result, ms: timings.run }, prediction);
    inspection.inference = [...(inspection.inference ?? []), section];
    inspection.timings['infer'] = timings.total;
    message.payload = prediction;
    const mask = maskOf(result, frame);
    if (mask !== undefined) message['mask'] = mask;
  }

  async #lookAtObjects(message: Part, signal: AbortSignal): Promise<void> {
    const { frame, inspection } = message;
    const { lookAt = { labels: [], marginPercent: 0 } } = this.#context.config;
    const { regions, left } = regionsOf(inspection.inference, frame, lookAt);
    const { model } = this.#served;
    const crops = regions.map(({ crop }) => crop);
    const ran =
      crops.length === 0
        ? { ...model.info, timings: { run: 0, total: 0 }, results: [] }
        : await model.runCrops(frame, crops, { signal });
    const objects = ran.results.map(({ prediction }, index): Examined => {
      const { label, score, box } = regions[index] as (typeof regions)[number];
      return { label, score, box, prediction };
    });
    const predictions = objects.map(({ prediction }) => prediction);
    const section = sectionOfRegions({ ...ran, ms: ran.timings.run }, model.info.head.task, predictions);
    inspection.inference = [...(inspection.inference ?? []), section];
    inspection.timings['infer'] = ran.timings.total;
    message.payload = { task: 'objects', objects, ...(left === 0 ? {} : { left }) };
    const masks = ran.results.map((result) => maskOf(result, frame) ?? null);
    if (masks.some((mask) => mask !== null)) message['mask'] = masks;
  }
}

async function start(context: NodeContext<Config>): Promise<Handlers> {
  const { RED, config, node } = context;
  const station = config.stationId === undefined ? undefined : stationOf(RED, config.stationId);
  disarmForDeployed(config.name || 'onnx-infer-gpu', station);
  const served = new ServedModel(context, station);
  await served.start();
  // For the dialog, and for a person who has put another model into the folder.
  Object.assign(node, { served } satisfies Partial<ServingNode>);
  return new InferHandler(context, served, station);
}

export default function register(RED: NodeAPI): void {
  modelRoutes(RED);
  registerNode<Config>(RED, { type: 'onnx-infer-gpu', normalise, start });
}
