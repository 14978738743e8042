/**
 * Admin routes of the models: which there are, what one is and sees with the settings as they are typed,
 * and putting the one in the folder into service. Reading what is deployed asks for `flows.read`; opening a
 * model, and seeing a picture of the line, for `flows.write`: who may deploy a model may try it. A swap acts
 * on the machine and has a permission of its own.
 */
import { CodedError } from '../../lib/errors.ts';
import { Frame } from '../../lib/frame/frame.ts';
import { probeImage } from '../../lib/frame/probe.ts';
import { listModels } from '../../lib/inference/model/list.ts';
import { readModel } from '../../lib/inference/model/model.ts';
import { openModel } from '../../lib/inference/open-model.ts';
import { adminRoute } from '../runtime/admin.ts';
import { ConfigReader } from '../runtime/config.ts';
import { beforeFlowsStop } from '../runtime/stopping.ts';
import type { Node, NodeAPI, RawConfig } from '../runtime/types.ts';
import { modelFile, modelFolder } from '../runtime/model-file.ts';
import { normalise } from './options.ts';
import type { ServedModel } from './served-model.ts';
import { TrialError } from './trial.ts';
import { Trials } from './trials.ts';

const PATH = '/jidoka/onnx-infer-gpu';
/** A picture of 8 MB is a JPEG of 50 megapixels. */
const MAX_PICTURE_BYTES = 8 * 1024 * 1024;
/** A PNG of one colour has many more in as few bytes; all of them are decoded. */
const MAX_PICTURE_PIXELS = 50_000_000;
/** A thousand names of classes are the longest of the fields. */
const MAX_TEXT = 48_000;

/** What a deployed node of this type lets others see. */
export interface ServingNode extends Node {
  served?: ServedModel;
  /** Only a reference: the bytes are wherever the camera put them. */
  lastFrame?: Frame;
}

/** What a deployed camera lets others see. */
interface RunningCamera extends Node {
  camera?: { recent: Frame | undefined };
}

interface TrialRequest {
  /** Chosen by the dialog; it has one trial at a time. */
  dialog: string;
  [field: string]: unknown;
}

const text = { type: 'string', maxLength: MAX_TEXT } as const;
const trialSchema = {
  type: 'object',
  properties: {
    dialog: { type: 'string', pattern: '^[\\w-]{1,40}$' },
    model: { type: 'string', minLength: 1, maxLength: 1000 },
  },
  required: ['dialog', 'model'],
  maxProperties: 60,
  additionalProperties: {
    anyOf: [
      text,
      { type: 'boolean' },
      { type: 'number' },
      { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 40 } },
    ],
  },
};
const nodeSchema = {
  type: 'object',
  properties: { node: { type: 'string', pattern: '^[\\w.-]{1,80}$' } },
  required: ['node'],
  additionalProperties: false,
};
const reasonSchema = {
  type: 'object',
  properties: { reason: { type: 'string', minLength: 3, maxLength: 200 } },
  required: ['reason'],
  additionalProperties: false,
};
const emptySchema = { type: 'object', additionalProperties: false };

function servingIn(RED: NodeAPI, id: string | undefined): ServedModel | undefined {
  return (RED.nodes.getNode(id ?? '') as ServingNode | null)?.served;
}

function servedBy(RED: NodeAPI, id: string | undefined): ServedModel {
  const served = servingIn(RED, id);
  if (served === undefined) throw new CodedError('NOT_FOUND', 'no model serves under this id');
  return served;
}

/** The newest picture of a deployed node: what this one was given, or what a camera took. */
function frameOf(RED: NodeAPI, id: string): Frame {
  const node = RED.nodes.getNode(id) as (ServingNode & RunningCamera) | null;
  const frame = node?.lastFrame ?? node?.camera?.recent;
  if (Frame.isFrame(frame)) return frame;
  throw new TrialError('NOT_FOUND', 'this node has had no picture since it was deployed', {
    hint: 'Let a part pass, choose a camera, or take a picture from a file.',
  });
}

function uploaded(bytes: Buffer): Frame {
  const header = probeImage(bytes);
  if (header === undefined) {
    throw new TrialError('IMAGE_INVALID', 'this is no JPEG, PNG, WebP or TIFF picture');
  }
  if (header.width * header.height > MAX_PICTURE_PIXELS) {
    throw new TrialError('IMAGE_TOO_LARGE', `${header.width} × ${header.height} pixels are too many to try`, {
      hint: 'Take a picture of at most 50 megapixels.',
    });
  }
  return new Frame(bytes, { ...header, source: 'upload' });
}

/** Registers the routes; call it once, while the node type is being registered. */
export function modelRoutes(RED: NodeAPI, trials = new Trials()): Trials {
  const trying = { permission: 'flows.write' } as const;
  const idOf = (params: Readonly<Record<string, string>>): string => params['id'] ?? '';

  adminRoute(RED, {
    method: 'get',
    summary: 'Lists the models in the model folder of the gateway, with kind, bytes and date',
    path: `${PATH}/models`,
    permission: 'flows.read',
    handle: () => listModels(modelFolder(RED)),
  });
  adminRoute(RED, {
    method: 'get',
    summary: 'Tells what model a node serves with, as a card; null where it has none',
    path: `${PATH}/nodes/:id`,
    permission: 'flows.read',
    // a node that is not deployed yet, or has no model, is nothing to complain about
    handle: ({ params }) => ({ card: servingIn(RED, params['id'])?.card ?? null }),
  });
  adminRoute<{ reason: string }>(RED, {
    method: 'post',
    summary:
      'Puts what is in the model file into service; answers with the model and whether it is a new one',
    path: `${PATH}/nodes/:id/swap`,
    permission: 'model.swap',
    requiresPerson: true,
    schema: reasonSchema,
    handle: ({ params, body, actor }) => servedBy(RED, params['id']).swap({ actor, reason: body.reason }),
  });
  adminRoute<TrialRequest>(RED, {
    ...trying,
    summary:
      'Opens a model with settings as typed, in place of the one this dialog had; answers with the id ' +
      'of the trial',
    method: 'post',
    path: `${PATH}/trials`,
    schema: trialSchema,
    handle: ({ body }) => {
      const raw = body as unknown as RawConfig;
      const { modelPath, load } = normalise(new ConfigReader(raw), raw);
      const trial = trials.start(body.dialog, {
        read: async () => readModel(await modelFile(RED, modelPath)),
        // a person waits for each picture: none may give way to another
        open: (source, signal) => openModel(source, { ...load, queue: 'block' }, { signal }),
      });
      return { id: trial.id };
    },
  });
  adminRoute(RED, {
    ...trying,
    summary: 'Tells whether the trial is loading, ready, with the card of its model, or has failed, and why',
    method: 'get',
    path: `${PATH}/trials/:id`,
    handle: ({ params, response }) => {
      response.set('Cache-Control', 'no-store');
      return trials.use(idOf(params), ({ state }) => state);
    },
  });
  adminRoute(RED, {
    ...trying,
    summary: 'Runs the model once more; answers with which provider did which share of it',
    method: 'post',
    path: `${PATH}/trials/:id/prove`,
    schema: emptySchema,
    handle: async ({ params }) => ({ shares: await trials.use(idOf(params), (trial) => trial.prove()) }),
  });
  adminRoute<{ node: string }>(RED, {
    ...trying,
    summary: 'Runs the model on the newest picture of a deployed node; answers with what it sees there',
    method: 'post',
    path: `${PATH}/trials/:id/look`,
    schema: nodeSchema,
    handle: ({ params, body }) => trials.use(idOf(params), (trial) => trial.look(frameOf(RED, body.node))),
  });
  adminRoute<Buffer>(RED, {
    ...trying,
    summary: 'Runs the model on a picture sent as a file; answers with what it sees in it',
    method: 'post',
    path: `${PATH}/trials/:id/picture`,
    file: { maxBytes: MAX_PICTURE_BYTES },
    handle: ({ params, body }) => trials.use(idOf(params), (trial) => trial.look(uploaded(body))),
  });
  for (const [name, type, summary] of [
    ['picture', 'image/jpeg', 'Answers with the picture the trial looked at last, as JPEG'],
    ['mask', 'image/png', 'Answers with the mask of the picture the trial looked at last, as PNG'],
  ] as const) {
    adminRoute(RED, {
      ...trying,
      summary,
      method: 'get',
      path: `${PATH}/trials/:id/${name}`,
      handle: async ({ params, response }) => {
        const picture = await trials.use(idOf(params), (trial) => trial[name]);
        response.set('Cache-Control', 'no-store').type(type).send(picture);
      },
    });
  }
  adminRoute(RED, {
    ...trying,
    summary: 'Ends the trial and closes its model',
    method: 'post',
    path: `${PATH}/trials/:id/close`,
    schema: emptySchema,
    handle: async ({ params }) => {
      await trials.close(idOf(params));
      return {};
    },
  });
  // A node that is deployed may want the memory.
  beforeFlowsStop(RED, 'trials', () => trials.closeAll());
  return trials;
}
