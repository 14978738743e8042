/**
 * Admin routes of the cameras: a live picture with the settings as they are typed, the cameras that can
 * be found, and what a running one has counted. Pictures ask for `flows.write`: who may deploy a camera
 * may look through it, and nobody else, because a picture of the line is not public. A stored password is used where the
 * dialog sends it back untouched and never leaves the runtime; that a person who may deploy can have
 * it sent to an address of their choice is so with every node of Node-RED.
 */
import { realpath } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Camera } from '../../lib/capture/camera.ts';
import { openSource, type SourceOptions } from '../../lib/capture/open-source.ts';
import { CodedError } from '../../lib/errors.ts';
import { adminRoute } from '../runtime/admin.ts';
import { ConfigReader, migrate } from '../runtime/config.ts';
import { beforeFlowsStop } from '../runtime/stopping.ts';
import type { Node, NodeAPI, RawConfig } from '../runtime/types.ts';
import { normalise, type CameraConfig } from './config.ts';
import { Discovery } from './discovery.ts';
import { Previews, type PreviewOptions } from './preview-session.ts';

const PATH = '/jidoka/camera-capture';
/** What Node-RED's editor shows instead of a stored password. */
const UNTOUCHED = '__PWRD__';
/** A baseline is the longest of the fields. */
const MAX_TEXT = 24_000;
/** Longer than that nobody waits before a dialog. */
const MAX_WAIT_MS = 10_000;

interface PreviewRequest {
  /** Chosen by the dialog; it has one preview at a time. */
  dialog: string;
  /** Of the node whose dialog it is; it need not be deployed yet. */
  nodeId: string;
  user?: string;
  password?: string;
  [field: string]: unknown;
}

const previewSchema = {
  type: 'object',
  properties: {
    dialog: { type: 'string', pattern: '^[\\w-]{1,40}$' },
    nodeId: { type: 'string', pattern: '^[\\w.-]{1,80}$' },
    source: { type: 'string', maxLength: 40 },
    user: { type: 'string', maxLength: 1000 },
    password: { type: 'string', maxLength: 1000 },
  },
  required: ['dialog', 'nodeId', 'source'],
  maxProperties: 80,
  additionalProperties: {
    anyOf: [{ type: 'string', maxLength: MAX_TEXT }, { type: 'boolean' }, { type: 'number' }],
  },
};

const emptySchema = { type: 'object', additionalProperties: false };

/** What the deployed node of this type lets others see. */
interface RunningCamera extends Node {
  camera?: Pick<Camera, 'recent' | 'counts'>;
}

type Credentials = Record<'user' | 'password', string>;

function configOf(raw: Record<string, unknown>): CameraConfig {
  return normalise(new ConfigReader(migrate(raw as RawConfig)));
}

/** As typed; what was not touched is taken from what Node-RED keeps. */
function credentialsOf(RED: NodeAPI, { nodeId, user, password }: PreviewRequest): Credentials {
  // Those of any other node are no business of a camera.
  const isCamera = deployedRaw(RED, nodeId) !== undefined;
  const stored = isCamera
    ? (RED.nodes.getCredentials(nodeId) as Partial<Credentials> | undefined)
    : undefined;
  return {
    user: user ?? stored?.user ?? '',
    password: password === UNTOUCHED ? (stored?.password ?? '') : (password ?? ''),
  };
}

/** Serves one program at a time. */
function isExclusive({ kind }: SourceOptions): boolean {
  return kind === 'gige' || kind === 'usb';
}

/** A device by the name all its names lead to; as it is where it is not plugged in. */
async function deviceOf(name: string): Promise<string> {
  return await realpath(name).catch(() => name);
}

/** Whether two sources look through the same camera, as far as their settings tell. */
async function isSameCamera(one: SourceOptions, other: SourceOptions): Promise<boolean> {
  if (one.kind === 'gige' && other.kind === 'gige') {
    // An empty name is the first camera found: most likely this one, and usually the only one.
    return one.camera === other.camera || one.camera === '' || other.camera === '';
  }
  if (one.kind === 'usb' && other.kind === 'usb') {
    return (await deviceOf(one.device)) === (await deviceOf(other.device));
  }
  return isDeepStrictEqual(one, other);
}

/** What a camera of this type was deployed with, undefined where no such node was. */
function deployedRaw(RED: NodeAPI, nodeId: string): RawConfig | undefined {
  let raw: RawConfig | undefined;
  RED.nodes.eachNode((node) => {
    if (node.id === nodeId && node.type === 'camera-capture') raw = node as RawConfig;
  });
  return raw;
}

/** The settings a node runs with, undefined where it is not deployed or its settings are wrong. */
function deployedConfig(RED: NodeAPI, nodeId: string): CameraConfig | undefined {
  const raw = deployedRaw(RED, nodeId);
  if (raw === undefined) return undefined;
  try {
    return configOf(raw);
  } catch {
    return undefined;
  }
}

/** How to get at the pictures of the deployed node, where it looks through the same camera. */
async function heldBy(RED: NodeAPI, nodeId: string, source: SourceOptions): Promise<PreviewOptions['held']> {
  const deployed = deployedConfig(RED, nodeId)?.source;
  const node = RED.nodes.getNode(nodeId) as RunningCamera | null;
  if (deployed === undefined || node?.camera === undefined) return undefined;
  return (await isSameCamera(deployed, source)) ? () => node.camera?.recent : undefined;
}

/** To look at, not to work through: files stay where they are, and come again. */
function forLooking(source: SourceOptions): SourceOptions {
  const timeoutMs = Math.min(source.timeoutMs, MAX_WAIT_MS);
  if (source.kind === 'folder') return { ...source, timeoutMs, mode: 'cycle', doneFolder: undefined };
  if (source.kind === 'video') return { ...source, timeoutMs, mode: 'cycle' };
  return { ...source, timeoutMs };
}

async function previewOptions(RED: NodeAPI, request: PreviewRequest): Promise<PreviewOptions> {
  const config = configOf(request);
  const { user, password } = credentialsOf(RED, request);
  const signIn = user === '' ? {} : { credentials: { user, password } };
  return {
    open: () => openSource({ ...forLooking(config.source), ...signIn }),
    held: await heldBy(RED, request.nodeId, config.source),
    isExclusive: isExclusive(config.source),
    rotate: config.view.rotate,
    flip: config.view.flip,
    health: config.health,
    baseline: config.baseline,
  };
}

/** Registers the routes; call it once, while the node type is being registered. */
export function cameraRoutes(RED: NodeAPI, previews = new Previews()): Previews {
  const discovery = new Discovery();
  const looking = { permission: 'flows.write' } as const;

  adminRoute<PreviewRequest>(RED, {
    ...looking,
    summary:
      'Opens a live picture with camera settings as typed, in place of the one this dialog had; ' +
      'answers with its id',
    method: 'post',
    path: `${PATH}/previews`,
    schema: previewSchema,
    handle: async ({ body }) => {
      const { id } = await previews.start(body.dialog, await previewOptions(RED, body));
      return { id };
    },
  });
  adminRoute(RED, {
    ...looking,
    summary: 'Takes the next picture; answers with its size, age, measures and what is wrong with it',
    method: 'get',
    path: `${PATH}/previews/:id`,
    handle: ({ params, response }) => {
      response.set('Cache-Control', 'no-store');
      return previews.use(params['id'] ?? '', (preview) => preview.next());
    },
  });
  adminRoute(RED, {
    ...looking,
    summary: 'Answers with the picture taken last, as JPEG',
    method: 'get',
    path: `${PATH}/previews/:id/picture`,
    handle: async ({ params, response }) => {
      const jpeg = await previews.use(params['id'] ?? '', ({ picture }) => picture);
      response.set('Cache-Control', 'no-store').type('image/jpeg').send(jpeg);
    },
  });
  adminRoute(RED, {
    ...looking,
    summary: 'Begins to learn from the next pictures what is normal; a later picture brings the baseline',
    method: 'post',
    path: `${PATH}/previews/:id/baseline`,
    schema: emptySchema,
    handle: async ({ params }) => {
      await previews.use(params['id'] ?? '', (preview) => preview.learn());
      return {};
    },
  });
  adminRoute(RED, {
    ...looking,
    summary: 'Ends the live picture and lets go of the camera',
    method: 'post',
    path: `${PATH}/previews/:id/close`,
    schema: emptySchema,
    handle: async ({ params }) => {
      await previews.close(params['id'] ?? '');
      return {};
    },
  });
  adminRoute(RED, {
    ...looking,
    summary: 'Searches for cameras of one kind; answers with those it found',
    query: { kind: 'gige or usb' },
    needs: ['kind'],
    method: 'get',
    path: `${PATH}/discovery`,
    handle: ({ query }) => discovery.find(query['kind']),
  });
  adminRoute(RED, {
    permission: 'flows.read',
    summary:
      'Counts the frames, dropped frames, skipped beats and outages of a running camera, and the bytes ' +
      'it saved',
    method: 'get',
    path: `${PATH}/nodes/:id/counts`,
    handle: ({ params }) => {
      const camera = (RED.nodes.getNode(params['id'] ?? '') as RunningCamera | null)?.camera;
      if (camera === undefined) throw new CodedError('NOT_FOUND', 'no camera runs under this id');
      return camera.counts;
    },
  });
  // A node that is deployed may want the camera for itself.
  beforeFlowsStop(RED, 'previews', () => previews.closeAll());
  return previews;
}
