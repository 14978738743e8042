/** onnx-infer-gpu: what an ONNX model sees in a frame, from a process of its own. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { Frame } from '../../lib/frame/frame.ts';
import {
  acquireHost,
  type InferenceHost,
  type InferenceResult,
  type LoadedModel,
  type LoadOptions,
} from '../../lib/inference/host.ts';
import { resolveModel } from '../../lib/inference/model-folder.ts';
import { readModel } from '../../lib/inference/model.ts';
import { deviceFor } from '../../lib/inference/providers.ts';
import { ageMs, isInspection, type InferenceSection } from '../../lib/inspection/inspection.ts';
import type { ConfigReader } from '../runtime/config.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { partOpener } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs, RawConfig } from '../runtime/types.ts';
import { loadOptions } from './options.ts';

interface Config {
  /** Relative to the model folder, or absolute within it. */
  modelPath: string;
  load: LoadOptions;
}

function normalise(config: ConfigReader, raw: RawConfig): Config {
  return { modelPath: config.text('model'), load: loadOptions(config, raw) };
}

/** `jidokaModelFolder` of settings.js, else `jidoka/models` in the user directory. */
function modelFolder(RED: NodeAPI): string {
  const { jidokaModelFolder: folder, userDir } = RED.settings as unknown as Record<string, unknown>;
  if (typeof folder === 'string' && folder !== '') return folder;
  return join(typeof userDir === 'string' ? userDir : join(homedir(), '.node-red'), 'jidoka', 'models');
}

/** How many things the model found; one answer counts as one. */
function countOf({ objects, classes, outputs }: Record<string, unknown>): number {
  if (Array.isArray(objects)) return objects.length;
  if (Array.isArray(classes)) return classes.length;
  return Object.keys(outputs ?? {}).length;
}

function sectionOf({ model, provider, timings, prediction }: InferenceResult): InferenceSection {
  const task = String(prediction['task']);
  return { model, provider, ms: timings.run, task, count: countOf(prediction) };
}

function showReady({ status, config }: NodeContext<Config>, { info }: LoadedModel): void {
  const isFirstChoice = info.provider === config.load.providers[0];
  const parameters = { provider: info.provider, ms: info.warmMs.toPrecision(3) };
  status.show(isFirstChoice ? 'ready' : 'degraded', 'provider', parameters);
}

async function loadModel(context: NodeContext<Config>, host: InferenceHost): Promise<LoadedModel> {
  const { config, RED, node, status } = context;
  status.show('connecting', 'loading');
  const source = await readModel(await resolveModel(modelFolder(RED), config.modelPath));
  const model = await host.load(source, config.load);
  for (const { provider, message } of model.info.refused) {
    node.warn(context.translate('onnx-infer-gpu.error.refused', { provider, message }));
  }
  showReady(context, model);
  return model;
}

async function start(context: NodeContext<Config>): Promise<Handlers> {
  const { config, status } = context;
  const host = acquireHost(deviceFor(config.load.providers));
  const open = partOpener(undefined);
  let model: LoadedModel;
  try {
    model = await loadModel(context, host);
  } catch (error) {
    await host.release();
    throw error;
  }
  let hasFailed = false;

  async function run(frame: Frame, signal: AbortSignal): Promise<InferenceResult> {
    try {
      const result = await model.run(frame, { signal });
      if (hasFailed) showReady(context, model);
      hasFailed = false;
      return result;
    } catch (error) {
      const { code } = asCodedError(error);
      // a frame that gave way to a newer one is how the queue is meant to work
      if (code !== 'FRAME_DROPPED' && !signal.aborted) {
        hasFailed = true;
        status.fail(code);
      }
      throw error;
    }
  }

  return {
    async input(message: Message, signal: AbortSignal): Promise<Outputs> {
      if (!Frame.isFrame(message.frame)) {
        throw new CodedError('FRAME_MISSING', 'msg.frame holds no frame', {
          hint: 'Put a camera-capture node before this one.',
        });
      }
      const inspection = isInspection(message.inspection) ? message.inspection : await open();
      const result = await run(message.frame, signal);
      inspection.inference = [...(inspection.inference ?? []), sectionOf(result)];
      inspection.timings['infer'] = result.timings.total;
      inspection.timings['age'] = ageMs(inspection);
      message.inspection = inspection;
      message.payload = result.prediction;
      return [message];
    },
    close: () => host.release(),
  };
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, { type: 'onnx-infer-gpu', normalise, start });
}
