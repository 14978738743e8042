/**
 * Admin routes with which a dialog looks for a tag. They never write. Opening asks for `flows.write` besides
 * `plc.browse`, because the settings are those of the dialog: a stored password is used where the dialog sends it back
 * untouched and never leaves the runtime; that a person who may deploy can have it sent to an address of their
 * choice is so with every node of Node-RED.
 */
import { isDeepStrictEqual } from 'node:util';
import { resolve } from 'node:path';
import { CodedError } from '../../lib/errors.ts';
import { adminRoute, type AdminRoute } from '../runtime/admin.ts';
import { ConfigReader } from '../runtime/config.ts';
import { beforeFlowsStop } from '../runtime/stopping.ts';
import type { Node, NodeAPI, RawConfig } from '../runtime/types.ts';
import { BrowseSessions, PAGE, type BrowseSession, type Looking } from './browse-session.ts';
import { normaliseConnection, transportOf, type Connection } from './connection.ts';
import type { PlcEndpoint } from './endpoint.ts';

const PATH = '/jidoka/plc-endpoint/browse';
/** What Node-RED's editor shows instead of a stored password. */
const UNTOUCHED = '__PWRD__';
const SECRETS = ['user', 'password', 'userCertificate', 'userKey'] as const;
type Credentials = Partial<Record<(typeof SECRETS)[number], string | undefined>>;

interface OpenRequest extends Credentials {
  /** Chosen by the dialog; it has one session at a time. */
  dialog: string;
  /** Of the endpoint; it need not be deployed yet. */
  nodeId: string;
  [field: string]: unknown;
}

const secret = { type: 'string', maxLength: 24_000 };
const openSchema = {
  type: 'object',
  properties: {
    dialog: { type: 'string', pattern: '^[\\w-]{1,40}$' },
    nodeId: { type: 'string', pattern: '^[\\w.-]{1,80}$' },
    protocol: { type: 'string', maxLength: 20 },
    ...Object.fromEntries(SECRETS.map((name) => [name, secret])),
  },
  required: ['dialog', 'nodeId', 'protocol'],
  maxProperties: 60,
  additionalProperties: {
    anyOf: [{ type: 'string', maxLength: 1000 }, { type: 'boolean' }, { type: 'number' }],
  },
};
const searchSchema = {
  type: 'object',
  properties: { words: { type: 'string', minLength: 1, maxLength: 200 } },
  required: ['words'],
  additionalProperties: false,
};
const emptySchema = { type: 'object', additionalProperties: false };
/** A tag is a field of a dialog; an address with more is none. */
const MAX_TAG = 2000;

/** What an endpoint of this id was deployed with, undefined where there is none. */
function deployedRaw(RED: NodeAPI, nodeId: string): RawConfig | undefined {
  let raw: RawConfig | undefined;
  RED.nodes.eachNode((node) => {
    if (node.id === nodeId && node.type === 'plc-endpoint') raw = node as RawConfig;
  });
  return raw;
}

function connectionOf(raw: Record<string, unknown>): Connection {
  return normaliseConnection(new ConfigReader(raw as RawConfig));
}

function storedOf(RED: NodeAPI, nodeId: string): Credentials {
  // Those of any other node are no business of an endpoint.
  if (deployedRaw(RED, nodeId) === undefined) return {};
  // Undefined where none were saved, whatever its type says.
  return { ...RED.nodes.getCredentials(nodeId) };
}

/** As typed; what was not touched is taken from what Node-RED keeps. */
function credentialsOf(stored: Credentials, request: Credentials): Record<(typeof SECRETS)[number], string> {
  const of = (name: (typeof SECRETS)[number]): string => {
    const typed = request[name] ?? UNTOUCHED;
    return typed === UNTOUCHED ? (stored[name] ?? '') : typed;
  };
  return {
    user: of('user'),
    password: of('password'),
    userCertificate: of('userCertificate'),
    userKey: of('userKey'),
  };
}

/** The link in use, where the deployed endpoint has these settings and some node uses it. */
function linkInUse(
  RED: NodeAPI,
  nodeId: string,
  connection: Connection,
  isSameSignIn: boolean,
): ReturnType<PlcEndpoint['transportInUse']> {
  const raw = deployedRaw(RED, nodeId);
  const node = RED.nodes.getNode(nodeId) as (Node & { plc?: PlcEndpoint }) | null;
  if (raw === undefined || node?.plc === undefined || !isSameSignIn) return undefined;
  try {
    if (!isDeepStrictEqual(connectionOf(raw), connection)) return undefined;
  } catch {
    return undefined;
  }
  return node.plc.transportInUse();
}

function lookingWith(RED: NodeAPI, request: OpenRequest): Looking {
  const { nodeId, user, password, userCertificate, userKey } = request;
  const connection = connectionOf(request);
  const stored = storedOf(RED, nodeId);
  const credentials = credentialsOf(stored, { user, password, userCertificate, userKey });
  if (connection.protocol === 'mqtt') {
    const { caFile, ...options } = connection;
    const userFolder = RED.settings.userDir ?? process.cwd();
    const named =
      credentials.user === '' ? {} : { user: { name: credentials.user, password: credentials.password } };
    return {
      mqtt: {
        ...options,
        ...named,
        ...(caFile === undefined ? {} : { caFile: resolve(userFolder, caFile) }),
      },
    };
  }
  const isSameSignIn = SECRETS.every((name) => credentials[name] === (stored[name] ?? ''));
  const link = linkInUse(RED, nodeId, connection, isSameSignIn);
  if (link !== undefined) return { transport: { link, isOwn: false } };
  return { transport: { link: transportOf({ RED, config: { connection }, credentials }), isOwn: true } };
}

function textOf(query: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string' && value.length <= MAX_TAG) return value;
  throw new CodedError('BAD_REQUEST', `${name} is no text of at most ${MAX_TAG} characters`);
}

function needed(query: Readonly<Record<string, unknown>>, name: string): string {
  const value = textOf(query, name);
  if (value === undefined) throw new CodedError('BAD_REQUEST', `${name} is missing`);
  return value;
}

/** Registers the routes; call it once, while the node type is being registered. */
export function browseRoutes(RED: NodeAPI, sessions = new BrowseSessions()): BrowseSessions {
  const permission = 'plc.browse';

  adminRoute<OpenRequest>(RED, {
    permission: ['plc.browse', 'flows.write'],
    summary:
      'Opens a session that looks through a PLC with settings as typed, in place of the one this dialog had; answers ' +
      'with its id, and whether it made a link of its own',
    method: 'post',
    path: PATH,
    schema: openSchema,
    handle: async ({ body }) => {
      const session = await sessions.start(body.dialog, () => lookingWith(RED, body));
      return { id: session.id, isOwn: session.isOwn };
    },
  });

  const look = (
    { path, ...described }: Pick<AdminRoute<undefined>, 'path' | 'summary' | 'query' | 'needs'>,
    answer: (session: BrowseSession, query: Readonly<Record<string, unknown>>) => unknown,
  ): void => {
    adminRoute(RED, {
      ...described,
      permission,
      method: 'get',
      path: `${PATH}/:id${path}`,
      handle: ({ params, query, response }) => {
        response.set('Cache-Control', 'no-store');
        return sessions.use(params['id'] ?? '', (session) => answer(session, query));
      },
    });
  };
  look(
    {
      path: '/children',
      summary: `Lists what lies below a node of the PLC, ${PAGE} at a time, with type, access and value of tags`,
      query: { node: 'id of the node; the top unless told', from: 'how many to pass over' },
    },
    (session, query) => {
      const from = Number(textOf(query, 'from') ?? 0);
      if (!Number.isInteger(from) || from < 0)
        throw new CodedError('BAD_REQUEST', 'from is not a whole number');
      return session.children(textOf(query, 'node'), from);
    },
  );
  look(
    {
      path: '/tag',
      summary: 'Tells of one tag its type, access, range, unit and the value it has now',
      query: { tag: 'the tag as a flow has it' },
      needs: ['tag'],
    },
    (session, query) => session.entry(needed(query, 'tag')),
  );
  look(
    {
      path: '/block',
      summary:
        'Finds the tags of a command block in a node of the PLC; answers with each by its name in the block',
      query: { node: 'id of the node' },
      needs: ['node'],
    },
    (session, query) => session.block(needed(query, 'node')),
  );
  look(
    { path: '/search', summary: 'Tells how far the search is and what it has found' },
    (session) => session.search,
  );

  adminRoute<{ words: string }>(RED, {
    permission,
    summary: 'Begins a search for names that hold every word, in place of the one before',
    method: 'post',
    path: `${PATH}/:id/search`,
    schema: searchSchema,
    handle: async ({ params, body }) => {
      await sessions.use(params['id'] ?? '', (session) => session.startSearch(body.words));
      return {};
    },
  });
  adminRoute(RED, {
    permission,
    summary: 'Calls the search off; what it has found stays',
    method: 'post',
    path: `${PATH}/:id/search/cancel`,
    schema: emptySchema,
    handle: async ({ params }) => {
      await sessions.use(params['id'] ?? '', (session) => session.cancelSearch());
      return {};
    },
  });
  adminRoute(RED, {
    permission,
    summary: 'Ends the session, and its link where it made one of its own',
    method: 'post',
    path: `${PATH}/:id/close`,
    schema: emptySchema,
    handle: async ({ params }) => {
      await sessions.close(params['id'] ?? '');
      return {};
    },
  });
  // Before a deploy, which may give the link to another endpoint, and before Node-RED ends.
  beforeFlowsStop(RED, 'plc-browse', () => sessions.closeAll());
  return sessions;
}
