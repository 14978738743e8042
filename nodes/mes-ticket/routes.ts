/** The tickets of a station that wait, were delivered or were set aside; a person puts the last ones back. */
import { CodedError } from '../../lib/errors.ts';
import type { OutboxRecord } from '../../lib/journal/types.ts';
import type { TicketAnswer, TicketBody } from '../../lib/ticket/outcome.ts';
import { findStation } from '../inspection-station/lookup.ts';
import { addressOf } from '../../lib/ticket/endpoint.ts';
import { findEndpoint, runningEndpoints } from '../mes-endpoint/lookup.ts';
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { changeAll, strandedOf, tellStranded, undeliveredOf } from './stranded.ts';

const STATES = ['waiting', 'delivered', 'dead'] as const satisfies readonly OutboxRecord['state'][];
const MAX_ROWS = 500;

function row({
  rowId,
  key,
  partId,
  state,
  attempts,
  answer,
  receiver,
  acceptedAt,
  body,
}: OutboxRecord): object {
  const { ticketId = '', error = null } = (answer ?? {}) as TicketAnswer;
  const { defectClass, severity } = (body as TicketBody).event;
  return {
    rowId,
    key,
    partId,
    state,
    attempts,
    ticketId,
    error,
    receiver,
    acceptedAt,
    defectClass,
    severity,
  };
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
  const after = query['after'] === undefined ? undefined : Number(query['after']);
  if (after !== undefined && !(Number.isInteger(after) && after >= 0)) {
    throw new CodedError('BAD_REQUEST', 'after must be the rowId of a ticket');
  }
  const journal = await findStation(params['station'] ?? '').journal();
  const records = await journal.outbox({
    limit,
    ...(after === undefined ? {} : { after }),
    streamPrefix: 'mes:',
    ...(state === undefined ? {} : { state }),
  });
  return records.map(row);
}

const REASON = { type: 'string', minLength: 3, maxLength: 200 } as const;
const ENDPOINT = { type: 'string', minLength: 1, maxLength: 100 } as const;

interface Because {
  reason: string;
}

function bodyOf(properties: Record<string, object>, required: readonly string[]): object {
  return { type: 'object', properties, required: [...required, 'reason'], additionalProperties: false };
}

function wakeAll(station: string): void {
  for (const { mes } of runningEndpoints()) mes.wake(station);
}

/** Everything that was set aside, of one endpoint or of all. */
async function requeueAll(
  RED: NodeAPI,
  { params, body, actor }: AdminRequest<Because & { endpoint?: string }>,
): Promise<object> {
  const station = findStation(params['station'] ?? '');
  const journal = await station.journal();
  const by = { actor, reason: body.reason };
  let requeued = 0;
  for (const one of await undeliveredOf(RED, station)) {
    if (body.endpoint !== undefined && one.endpoint !== body.endpoint) continue;
    const put = { ...one, waiting: 0 };
    requeued += await changeAll(put, () => journal.requeueAllOutbox(one.address, by));
  }
  wakeAll(station.id);
  return { requeued };
}

async function handOver(
  RED: NodeAPI,
  { params, body, actor }: AdminRequest<Because & { from: string; to: string }>,
): Promise<object> {
  const station = findStation(params['station'] ?? '');
  const stranded = await strandedOf(RED, station, body.from);
  if (!findEndpoint(body.to).mes.serves(station.id)) {
    throw new CodedError('BAD_REQUEST', 'no ticket node of this station sends to the other MES', {
      hint: 'Wire a mes-ticket with this station and that MES first, and deploy.',
    });
  }
  const journal = await station.journal();
  const by = { actor, reason: body.reason };
  const handedOver = await changeAll(stranded, () =>
    journal.readdressOutbox(stranded.address, addressOf(body.to), by),
  );
  wakeAll(station.id);
  await tellStranded(RED, station);
  return { handedOver };
}

async function setAside(
  RED: NodeAPI,
  { params, body, actor }: AdminRequest<Because & { from: string }>,
): Promise<object> {
  const station = findStation(params['station'] ?? '');
  const stranded = await strandedOf(RED, station, body.from);
  const journal = await station.journal();
  const by = { actor, reason: body.reason };
  const aside = await changeAll({ ...stranded, dead: 0 }, () => journal.setAsideOutbox(stranded.address, by));
  await tellStranded(RED, station);
  return { setAside: aside };
}

export function registerTicketRoutes(RED: NodeAPI): void {
  adminRoute(RED, {
    summary:
      'Lists the newest tickets of the station with their state and what the MES answered, newest last',
    query: {
      state: `only tickets with this one: ${STATES.join(', ')}`,
      limit: `how many; 50 unless told, at most ${MAX_ROWS}`,
      after: 'a rowId: the tickets that came next after that one',
    },
    method: 'get',
    path: '/jidoka/tickets/:station',
    permission: 'jidoka.read',
    handle: list,
  });
  adminRoute<{ reason: string }>(RED, {
    summary: 'Puts one ticket that was set aside back to where it stood',
    method: 'post',
    path: '/jidoka/tickets/:station/:key/requeue',
    permission: 'ticket.requeue',
    requiresPerson: true,
    schema: {
      type: 'object',
      properties: { reason: REASON },
      required: ['reason'],
      additionalProperties: false,
    },
    handle: async ({ params, body: { reason }, actor }) => {
      const station = findStation(params['station'] ?? '');
      const journal = await station.journal();
      await journal.requeueOutbox(params['key'] ?? '', { actor, reason });
      wakeAll(station.id);
      return { requeued: true };
    },
  });
  adminRoute(RED, {
    summary:
      'Tells for each endpoint how many tickets wait or were set aside, and whether the flow serves it',
    method: 'get',
    path: '/jidoka/tickets/:station/undelivered',
    permission: 'jidoka.read',
    handle: ({ params }) => undeliveredOf(RED, findStation(params['station'] ?? '')),
  });
  const person = { method: 'post', permission: 'ticket.requeue', requiresPerson: true } as const;
  adminRoute<Because & { endpoint?: string }>(RED, {
    ...person,
    summary:
      'Puts everything back that was set aside, of one endpoint or of all; answers with how many tickets',
    path: '/jidoka/tickets/:station/requeue',
    schema: bodyOf({ reason: REASON, endpoint: ENDPOINT }, []),
    handle: (request) => requeueAll(RED, request),
  });
  adminRoute<Because & { from: string; to: string }>(RED, {
    ...person,
    summary:
      'Hands the tickets of an endpoint that is no longer in the flow over to another; answers with how many',
    path: '/jidoka/tickets/:station/handover',
    schema: bodyOf({ reason: REASON, from: ENDPOINT, to: ENDPOINT }, ['from', 'to']),
    handle: (request) => handOver(RED, request),
  });
  adminRoute<Because & { from: string }>(RED, {
    ...person,
    summary:
      'Sets aside what waits for an endpoint that is no longer in the flow; answers with how many tickets',
    path: '/jidoka/tickets/:station/aside',
    schema: bodyOf({ reason: REASON, from: ENDPOINT }, ['from']),
    handle: (request) => setAside(RED, request),
  });
}
