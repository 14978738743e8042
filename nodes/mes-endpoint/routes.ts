/**
 * Trying out an MES from its dialog, and the door at which an MES tells what has become of a ticket. The door is
 * beside Node-RED's own HTTP nodes, not among the admin routes: a machine knocks, and shows a signature.
 */
import type { Request, RequestHandler } from 'express';
import { asCodedError } from '../../lib/errors.ts';
import { adminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { findEndpoint } from './lookup.ts';
import { tryLookUp, tryTicket, type Trial } from './trial.ts';

const MAX_NEWS_BYTES = 16 * 1024;
/**
 * The body as it was sent; where Node-RED's editor is served under the same path as HTTP nodes, it has read a body of
 * JSON already, and what was sent without spaces between its parts can be written again.
 */
async function bodyOf(request: Request): Promise<string | undefined> {
  const parsed: unknown = request.body;
  if (typeof parsed === 'object' && parsed !== null && Object.keys(parsed).length > 0) {
    return JSON.stringify(parsed);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_NEWS_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Says no more to who has no secret than that there is no entry. */
const hook: RequestHandler = (request, response) => {
  void (async () => {
    const body = await bodyOf(request);
    if (body === undefined) {
      response.status(413).end();
      return;
    }
    const { id = '' } = request.params as { id?: string };
    const { hook: door, mes } = findEndpoint(id);
    const message = {
      timestamp: request.get('x-jidoka-timestamp') ?? '',
      signature: request.get('x-jidoka-signature') ?? '',
      body,
    };
    const changed = await door.take(message, (news) => mes.heard(news));
    response.json({ changed });
  })().catch((error: unknown) => {
    const { code, message } = asCodedError(error);
    const known = code === 'HOOK_REFUSED' || code === 'NOT_FOUND';
    response.status(known ? 403 : 503).json(known ? { code: 'HOOK_REFUSED' } : { code, message });
  });
};

const MAX_FIELD = 20_000;
const SCALAR = { anyOf: [{ type: 'string', maxLength: MAX_FIELD }, { type: 'number' }, { type: 'boolean' }] };
const TRIAL = {
  type: 'object',
  properties: {
    config: {
      type: 'object',
      propertyNames: { pattern: '^[A-Za-z]{1,40}$' },
      additionalProperties: SCALAR,
    },
    credentials: {
      type: 'object',
      properties: Object.fromEntries(
        ['token', 'user', 'password'].map((name) => [name, { type: 'string', maxLength: MAX_FIELD }]),
      ),
      additionalProperties: false,
    },
  },
  additionalProperties: false,
};

export function registerEndpointRoutes(RED: NodeAPI): void {
  const route = { method: 'post', permission: 'ticket.test', schema: TRIAL } as const;
  adminRoute<Trial>(RED, {
    ...route,
    summary:
      'Looks for a ticket that cannot be there, as typed in the dialog or as deployed; creates nothing, and answers ' +
      'with a finding and what came back',
    path: '/jidoka/tickets/endpoints/:id/test',
    handle: ({ params, body }) => tryLookUp(RED, params['id'] ?? '', body),
  });
  adminRoute<Trial>(RED, {
    ...route,
    requiresPerson: true,
    summary:
      'Opens a ticket that says of itself that it is a test; answers with its number and what came back',
    path: '/jidoka/tickets/endpoints/:id/test-ticket',
    handle: ({ params, body, actor }) => tryTicket(RED, params['id'] ?? '', body, actor),
  });
  RED.httpNode.post('/jidoka/tickets/hook/:id', hook);
}
