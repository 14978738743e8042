/**
 * Trying out an MES from its dialog, and the door at which an MES tells what has become of a ticket. The door is
 * beside Node-RED's own HTTP nodes, not among the admin routes: a machine knocks, and shows a signature.
 */
import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { asCodedError } from '../../lib/errors.ts';
import type { Observed } from '../../lib/ticket/exchange.ts';
import { adminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { findEndpoint } from './lookup.ts';

const MAX_NEWS_BYTES = 16 * 1024;
/** A look-up that takes longer than any timeout of an endpoint is given up with it. */
const TEST_MS = 310_000;

/** Looks for a ticket that cannot be there: creates nothing, and shows what came back. */
async function test(id: string): Promise<unknown> {
  const exchanges: Observed[] = [];
  const endpoint = findEndpoint(id);
  try {
    const tickets = endpoint.tickets((observed) => exchanges.push(observed));
    try {
      const found = await tickets.find(`test-${randomUUID()}`, AbortSignal.timeout(TEST_MS));
      return { ok: true, found: found ?? null, exchanges };
    } finally {
      tickets.close();
    }
  } catch (error) {
    const { code, message, hint } = asCodedError(error) as { code: string; message: string; hint?: string };
    return { ok: false, code, message, hint, exchanges };
  }
}

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

export function registerEndpointRoutes(RED: NodeAPI): void {
  adminRoute<object>(RED, {
    method: 'post',
    path: '/jidoka/tickets/endpoints/:id/test',
    permission: 'ticket.test',
    schema: { type: 'object', properties: {}, additionalProperties: false },
    handle: ({ params }) => test(params['id'] ?? ''),
  });
  RED.httpNode.post('/jidoka/tickets/hook/:id', hook);
}
