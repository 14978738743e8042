/**
 * Admin routes of the package, each with a permission, a schema and a size limit.
 *
 * Node-RED's `needsPermission` matches suffixes (a user with scope `write` holds every `*.write`)
 * and lets everybody pass where adminAuth is not set up (measured on 4.1.15 and 5.0.7). Routes
 * that act on the machine therefore ask for a signed-in person and carry permissions that no
 * common scope ends in: `plc.arm`, `plc.reset`, `gate.tolerance` (all of them: docs/reference/admin-api.md).
 */
import { Ajv, type JSONSchemaType, type Schema } from 'ajv';
import type { Request, RequestHandler, Response } from 'express';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import type { NodeAPI } from './types.ts';

const MAX_BODY_BYTES = 64 * 1024;

/** Codes that are the caller's fault, with the HTTP status they are answered with. */
const HTTP_STATUS: Readonly<Record<string, number>> = {
  SIGN_IN_REQUIRED: 403,
  SAME_PERSON: 403,
  BAD_REQUEST: 400,
  CONFIG_INVALID: 400,
  FLOW_INVALID: 400,
  TOO_LARGE: 413,
  NOT_JSON: 415,
  NOT_A_FILE: 415,
  IDEMPOTENCY_KEY_INVALID: 400,
  IDEMPOTENCY_KEY_REUSED: 422,
  NOT_FOUND: 404,
  PREVIEW_LIMIT: 429,
  BROWSE_LIMIT: 429,
  TRIAL_LIMIT: 429,
  UNEXPECTED: 500,
};

export interface AdminRequest<Body> {
  params: Readonly<Record<string, string>>;
  query: Readonly<Record<string, unknown>>;
  body: Body;
  /** The signed-in person; never taken from the body. */
  actor: string;
  /** A header of the request. */
  header: (name: string) => string | undefined;
  response: Response;
}

export interface AdminRoute<Body> {
  /** What it does and what it answers with, for whoever programs against it: a line without a full stop. */
  summary: string;
  /** Names of the query that it takes, each with what it means. */
  query?: Readonly<Record<string, string>>;
  /** Headers that it takes beside those of every request, each with what it means. */
  headers?: Readonly<Record<string, string>>;
  /** Which of the query and of the headers must be there. */
  needs?: readonly string[];
  /** GET must not change state. */
  method: 'get' | 'post';
  path: string;
  /** All of them, where there are several. */
  permission: string | readonly string[];
  /** Acts on the machine: refused unless a person is signed in. */
  requiresPerson?: boolean;
  /** For POST: unknown properties are refused when it says `additionalProperties: false`. */
  schema?: JSONSchemaType<Body> | Schema;
  /** For POST: the body is a file, handed on as a Buffer; no form of another page can send one. */
  file?: { maxBytes: number };
  /** What it returns is sent as JSON; undefined when it answered through `response` itself. */
  handle(request: AdminRequest<Body>): unknown;
}

export type KnownRoute = Omit<AdminRoute<never>, 'handle'>;

const known = new WeakMap<NodeAPI['httpAdmin'], KnownRoute[]>();

/** The routes registered so far, in that order. */
export function adminRoutes(RED: NodeAPI): readonly KnownRoute[] {
  return known.get(RED.httpAdmin) ?? [];
}

const ajv = new Ajv({ allErrors: true, strict: true });

/** Settings key with which an owner without adminAuth takes responsibility: `jidokaAllowAnonymousArming: true`. */
function anonymousAllowed(RED: NodeAPI): boolean {
  return (RED.settings as unknown as Record<string, unknown>)['jidokaAllowAnonymousArming'] === true;
}

function actorOf(RED: NodeAPI, request: Request, requiresPerson: boolean): string {
  const { user } = request as Request & { user?: { username?: string; anonymous?: boolean } };
  if (user?.username !== undefined && user.anonymous !== true) return user.username;
  if (requiresPerson && !anonymousAllowed(RED)) {
    throw new CodedError('SIGN_IN_REQUIRED', 'this needs a signed-in person', {
      hint: 'Set up adminAuth in settings.js and sign in.',
    });
  }
  return 'anonymous';
}

/** Bytes of the body; one sent in chunks announces no length, so it is measured. */
function bodyBytes(request: Request): number {
  const announced = request.headers['content-length'];
  if (announced !== undefined) return Number(announced);
  return Buffer.byteLength(JSON.stringify(request.body ?? null));
}

/** The types of files; neither is one a form can be sent as. */
const FILE_TYPES = ['image/*', 'application/octet-stream'];

/** All of a body that Node-RED has not read, as it does with JSON alone. */
async function fileOf(request: Request, maxBytes: number): Promise<Buffer> {
  if (typeof request.is(FILE_TYPES) !== 'string') {
    throw new CodedError('NOT_A_FILE', `the body must be sent as ${FILE_TYPES.join(' or ')}`);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    // the rest is read and dropped: who is cut off while sending sees no answer
    if (length <= maxBytes) chunks.push(chunk);
  }
  if (length > maxBytes) throw new CodedError('TOO_LARGE', `the file is larger than ${maxBytes} bytes`);
  return Buffer.concat(chunks);
}

/** Registers a route once per Node-RED start; call it while a node type is being registered. */
export function adminRoute<Body = undefined>(RED: NodeAPI, route: AdminRoute<Body>): void {
  const validate = route.schema === undefined ? undefined : ajv.compile(route.schema);
  const handler: RequestHandler = (request, response) => {
    void (async () => {
      const maxBytes = route.file?.maxBytes ?? MAX_BODY_BYTES;
      if (bodyBytes(request) > maxBytes) {
        throw new CodedError('TOO_LARGE', `the request is larger than ${maxBytes} bytes`);
      }
      const actor = actorOf(RED, request, route.requiresPerson ?? false);
      // A form of any web page can be posted here without asking; JSON cannot.
      if (validate !== undefined && request.is('application/json') === false) {
        throw new CodedError('NOT_JSON', 'the body must be sent as application/json');
      }
      if (validate !== undefined && !validate(request.body)) {
        throw new CodedError('BAD_REQUEST', ajv.errorsText(validate.errors, { dataVar: 'body' }));
      }
      const { params, query } = request;
      const body: unknown = route.file === undefined ? request.body : await fileOf(request, maxBytes);
      const answer = await route.handle({
        params: params as Record<string, string>,
        query,
        body: body as Body,
        actor,
        header: (name) => request.get(name),
        response,
      });
      if (answer !== undefined) response.json(answer);
    })().catch((error: unknown) => {
      const { code, message, hint } = asCodedError(error) as { code: string; message: string; hint?: string };
      if (!response.headersSent) response.status(HTTP_STATUS[code] ?? 409).json({ code, message, hint });
    });
  };
  known.set(RED.httpAdmin, [...adminRoutes(RED), route]);
  const permissions = [route.permission].flat();
  const guards = permissions.map((permission) => RED.auth.needsPermission(permission));
  RED.httpAdmin[route.method](route.path, ...guards, handler);
}
