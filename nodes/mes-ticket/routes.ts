/** The tickets of a station that wait, were delivered or were set aside; a person puts the last ones back. */
import { CodedError } from '../../lib/errors.ts';
import type { OutboxRecord } from '../../lib/journal/types.ts';
import type { TicketAnswer, TicketBody } from '../../lib/ticket/delivery.ts';
import { findStation } from '../inspection-station/lookup.ts';
import { runningEndpoints } from '../mes-endpoint/lookup.ts';
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';

const STATES = ['waiting', 'delivered', 'dead'] as const satisfies readonly OutboxRecord['state'][];
const MAX_ROWS = 500;

function row({ key, partId, state, attempts, answer, receiver, acceptedAt, body }: OutboxRecord): object {
  const { ticketId = '', error = null } = (answer ?? {}) as TicketAnswer;
  const { defectClass, severity } = (body as TicketBody).event;
  return { key, partId, state, attempts, ticketId, error, receiver, acceptedAt, defectClass, severity };
}

async function list({ params, query }: AdminRequest<unknown>): Promise<object[]> {
  const asked = query['state'];
  const state = STATES.find((known) => known === asked);
  if (asked !== undefined && state === undefined) {
    throw new CodedError('BAD_REQUEST', `state must be one of ${STATES.join(', ')}`);
  }
  const limit = Number(query['limit'] ?? 50);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ROWS) {
    throw new CodedError('BAD_REQUEST', `limit must be a whole number from 1 to ${MAX_ROWS}`);
  }
  const journal = await findStation(params['station'] ?? '').journal();
  const records = await journal.outbox({
    limit,
    streamPrefix: 'mes:',
    ...(state === undefined ? {} : { state }),
  });
  return records.map(row);
}

export function registerTicketRoutes(RED: NodeAPI): void {
  adminRoute(RED, {
    method: 'get',
    path: '/jidoka/tickets/:station',
    permission: 'jidoka.read',
    handle: list,
  });
  adminRoute<{ reason: string }>(RED, {
    method: 'post',
    path: '/jidoka/tickets/:station/:key/requeue',
    permission: 'ticket.requeue',
    requiresPerson: true,
    schema: {
      type: 'object',
      properties: { reason: { type: 'string', minLength: 3, maxLength: 200 } },
      required: ['reason'],
      additionalProperties: false,
    },
    handle: async ({ params, body: { reason }, actor }) => {
      const station = findStation(params['station'] ?? '');
      const journal = await station.journal();
      await journal.requeueOutbox(params['key'] ?? '', { actor, reason });
      for (const { mes } of runningEndpoints()) mes.wake(station.id);
      return { requeued: true };
    },
  });
}
