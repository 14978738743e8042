/**
 * Tickets over plain REST: `POST <tickets>` with `Idempotency-Key`
 * (draft-ietf-httpapi-idempotency-key-header-07) and the same key as `externalId` in the body, since
 * not every MES honours the header; `GET <tickets>?externalId=` finds what an earlier attempt left;
 * `PUT <tickets>/<id>/evidence` adds an image, keyed by its SHA-256; `GET <tickets>/<id>` tells its state.
 */
import type { Picture, TicketClient, TicketState } from './client.ts';
import type { QualityEvent } from './event.ts';
import type { ExchangerOptions } from './exchange.ts';
import { assertSuccess, Http, isRecord, parsedJson, ticketNumber, type Authentication } from './http.ts';
import { TicketError } from './ticket-error.ts';

/** An MES without look-up says so with one of these. */
const NO_LOOK_UP: ReadonlySet<number> = new Set([404, 405, 501]);
const CONFLICT = 409;
const NOT_FOUND = 404;
/** What an MES calls a ticket that nobody works on any more. */
const OVER: ReadonlySet<string> = new Set([
  'closed',
  'resolved',
  'done',
  'completed',
  'cancelled',
  'canceled',
]);

export interface RestOptions extends ExchangerOptions {
  ticketsUrl: URL;
  authentication: Authentication;
}

/** The number of a ticket as an MES spells it. */
function numberOf(ticket: unknown): string | undefined {
  return isRecord(ticket) ? ticketNumber(ticket['id'] ?? ticket['ticketId'] ?? ticket['number']) : undefined;
}

/** The tickets in an answer: an array, or an object around one. */
function ticketsOf(answer: unknown): unknown[] {
  if (Array.isArray(answer)) return answer;
  if (!isRecord(answer)) return [];
  const list = ['items', 'tickets', 'data', 'results', 'value']
    .map((name) => answer[name])
    .find(Array.isArray);
  return (list as unknown[] | undefined) ?? [answer];
}

export class RestTickets implements TicketClient {
  readonly #http: Http;

  constructor({ ticketsUrl, ...options }: RestOptions) {
    this.#http = new Http({ ...options, baseUrl: ticketsUrl });
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const path = `?${new URLSearchParams({ externalId })}`;
    const answer = await this.#http.send({ method: 'GET', path }, signal);
    if (NO_LOOK_UP.has(answer.status)) return undefined;
    assertSuccess(answer);
    // An MES that does not know the filter answers with all of its tickets.
    const own = ticketsOf(parsedJson(answer.body)).find(
      (ticket) => isRecord(ticket) && ticket['externalId'] === externalId,
    );
    return numberOf(own);
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const answer = await this.#http.send(
      {
        method: 'POST',
        path: '',
        headers: { 'idempotency-key': event.id },
        json: { externalId: event.id, ...event },
      },
      signal,
    );
    if (answer.status === CONFLICT) return this.#settled(event, signal);
    assertSuccess(answer);
    const location = ticketNumber(answer.headers.location?.replace(/\/$/, '').split('/').at(-1));
    const id = numberOf(parsedJson(answer.body)) ?? location ?? (await this.find(event.id, signal));
    if (id === undefined) {
      throw new TicketError('MES_BAD_ANSWER', 'the MES took the ticket but gave it no number');
    }
    return id;
  }

  async attach(ticketId: string, { bytes, sha256, mediaType }: Picture, signal: AbortSignal): Promise<void> {
    const digest = Buffer.from(sha256, 'hex').toString('base64');
    const headers = {
      'content-type': mediaType,
      'idempotency-key': sha256,
      // RFC 9530
      'content-digest': `sha-256=:${digest}:`,
    };
    const path = `${encodeURIComponent(ticketId)}/evidence`;
    const answer = await this.#http.send({ method: 'PUT', path, headers, body: bytes }, signal);
    if (answer.status !== CONFLICT) assertSuccess(answer);
  }

  /** One by one; an MES that says nothing of a state leaves the ticket as it was. */
  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const states = new Map<string, TicketState>();
    for (const id of ticketIds) {
      const answer = await this.#http.send({ method: 'GET', path: encodeURIComponent(id) }, signal);
      if (answer.status === NOT_FOUND) continue;
      assertSuccess(answer);
      const ticket = parsedJson(answer.body);
      const said = isRecord(ticket) ? (ticket['state'] ?? ticket['status']) : undefined;
      if (typeof said !== 'string') continue;
      states.set(id, { state: OVER.has(said.toLowerCase()) ? 'closed' : 'open', said });
    }
    return states;
  }

  close(): void {
    this.#http.close();
  }

  /** 409: another request with this key is under way or was answered before. */
  async #settled(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const id = await this.find(event.id, signal);
    if (id === undefined) throw new TicketError('MES_BUSY', 'the MES is still working on an earlier attempt');
    return id;
  }
}
