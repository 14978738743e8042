/**
 * Admin routes of the cameras: a live picture with the settings as they are typed, the cameras that can
 * be found, and what a running one has counted. Pictures ask for `flows.write`: who may deploy a camera
 * may look through it, and nobody else, because a picture of the line is not public. A stored password is used where the
 * dialog sends it back untouched and never leaves the runtime; that a person who may deploy can have
 * it sent to an address of their choice is so with every node of Node-RED.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Camera } from '../../lib/capture/camera.ts';
import type { DiscoveredCamera } from '../../lib/capture/discovery.ts';
import { listGigeCameras } from '../../lib/capture/gige.ts';
import { openSource, type SourceOptions } from '../../lib/capture/open-source.ts';
import { listUsbCameras } from '../../lib/capture/usb.ts';
import { CodedError } from '../../lib/errors.ts';
import { adminRoute } from '../runtime/admin.ts';
import { ConfigReader, migrate } from '../runtime/config.ts';
import type { Node, NodeAPI, RawConfig } from '../runtime/types.ts';
import { normalise, type CameraConfig } from './config.ts';
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
  const stored = RED.nodes.getCredentials(nodeId) as Partial<Credentials> | undefined;
  return {
    user: user ?? stored?.user ?? '',
    password: password === UNTOUCHED ? (stored?.password ?? '') : (password ?? ''),
  };
}

/** The camera an exclusive source opens, undefined for one that serves many programs. */
function exclusive(source: SourceOptions): string | undefined {
  if (source.kind === 'gige') return `gige ${source.camera}`;
  return source.kind === 'usb' ? `usb ${source.device}` : undefined;
}

/** The settings a node runs with, undefined where it is not deployed or its settings are wrong. */
function deployedConfig(RED: NodeAPI, nodeId: string): CameraConfig | undefined {
  let raw: RawConfig | undefined;
  RED.nodes.eachNode((node) => {
    if (node.id === nodeId && node.type === 'camera-capture') raw = node as RawConfig;
  });
  if (raw === undefined) return undefined;
  try {
    return configOf(raw);
  } catch {
    return undefined;
  }
}

/** How to get at the pictures of the deployed node, where it looks through the same camera. */
function heldBy(RED: NodeAPI, nodeId: string, source: SourceOptions): PreviewOptions['held'] {
  const deployed = deployedConfig(RED, nodeId)?.source;
  const node = RED.nodes.getNode(nodeId) as RunningCamera | null;
  if (deployed === undefined || node?.camera === undefined) return undefined;
  const camera = exclusive(source);
  const isSame = camera === undefined ? isDeepStrictEqual(deployed, source) : exclusive(deployed) === camera;
  return isSame ? () => node.camera?.recent : undefined;
}

/** To look at, not to work through: files stay where they are, and come again. */
function forLooking(source: SourceOptions): SourceOptions {
  const timeoutMs = Math.min(source.timeoutMs, MAX_WAIT_MS);
  if (source.kind === 'folder') return { ...source, timeoutMs, mode: 'cycle', doneFolder: undefined };
  if (source.kind === 'video') return { ...source, timeoutMs, mode: 'cycle' };
  return { ...source, timeoutMs };
}

function previewOptions(RED: NodeAPI, request: PreviewRequest): PreviewOptions {
  const config = configOf(request);
  const { user, password } = credentialsOf(RED, request);
  const signIn = user === '' ? {} : { credentials: { user, password } };
  return {
    open: () => openSource({ ...forLooking(config.source), ...signIn }),
    held: heldBy(RED, request.nodeId, config.source),
    isExclusive: exclusive(config.source) !== undefined,
    rotate: config.view.rotate,
    flip: config.view.flip,
    health: config.health,
    baseline: config.baseline,
  };
}

/** Registers the routes; call it once, while the node type is being registered. */
export function cameraRoutes(RED: NodeAPI, previews = new Previews()): Previews {
  const looking = { permission: 'flows.write' } as const;

  adminRoute<PreviewRequest>(RED, {
    ...looking,
    method: 'post',
    path: `${PATH}/previews`,
    schema: previewSchema,
    handle: async ({ body }) => {
      const { id } = await previews.start(body.dialog, previewOptions(RED, body));
      return { id };
    },
  });
  adminRoute(RED, {
    ...looking,
    method: 'get',
    path: `${PATH}/previews/:id`,
    handle: ({ params, response }) => {
      response.set('Cache-Control', 'no-store');
      return previews.use(params['id'] ?? '', (preview) => preview.next());
    },
  });
  adminRoute(RED, {
    ...looking,
    method: 'get',
    path: `${PATH}/previews/:id/picture`,
    handle: async ({ params, response }) => {
      const jpeg = await previews.use(params['id'] ?? '', ({ picture }) => picture);
      response.set('Cache-Control', 'no-store').type('image/jpeg').send(jpeg);
    },
  });
  adminRoute(RED, {
    ...looking,
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
    method: 'get',
    path: `${PATH}/discovery`,
    handle: ({ query }) => discover(query['kind']),
  });
  adminRoute(RED, {
    permission: 'flows.read',
    method: 'get',
    path: `${PATH}/nodes/:id/counts`,
    handle: ({ params }) => {
      const camera = (RED.nodes.getNode(params['id'] ?? '') as RunningCamera | null)?.camera;
      if (camera === undefined) throw new CodedError('NOT_FOUND', 'no camera runs under this id');
      return camera.counts;
    },
  });
  // Before a deploy, whose nodes may want the camera for themselves, and before Node-RED ends.
  RED.events.on('flows:stopping', () => void previews.closeAll());
  return previews;
}

async function discover(kind: unknown): Promise<DiscoveredCamera[]> {
  if (kind === 'gige') return await listGigeCameras();
  if (kind === 'usb') return await listUsbCameras();
  throw new CodedError('BAD_REQUEST', 'kind must be gige or usb');
}
