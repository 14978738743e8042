/**
 * Tickets over plain REST: `POST <tickets>` with `Idempotency-Key`
 * (draft-ietf-httpapi-idempotency-key-header-07) and the same key as `externalId` in the body, since
 * not every MES honours the header; `GET <tickets>?externalId=` finds what an earlier attempt left;
 * `PUT <tickets>/<id>/evidence` adds the image, keyed by its SHA-256.
 */
import type { TicketClient } from './client.ts';
import type { Evidence, QualityEvent } from './event.ts';
import { Exchanger, type Answer, type Resolve } from './exchange.ts';
import { TicketError } from './ticket-error.ts';

const RETRY_STATUS: ReadonlySet<number> = new Set([408, 425, 429]);
/** An MES without look-up says so with one of these. */
const NO_LOOK_UP: ReadonlySet<number> = new Set([404, 405, 501]);
const CONFLICT = 409;
/** A `Retry-After` beyond this is not believed. */
const MAX_RETRY_AFTER_MS = 3_600_000;

export type Authentication =
  { type: 'none' } | { type: 'bearer'; token: string } | { type: 'basic'; user: string; password: string };

export interface RestOptions {
  ticketsUrl: URL;
  authentication: Authentication;
  /** For one request, from the first byte sent to the last byte received. */
  timeoutMs: number;
  /** How names become addresses; the operating system's way unless given. */
  resolve?: Resolve;
}

function authorization(authentication: Authentication): Record<string, string> {
  if (authentication.type === 'none') return {};
  if (authentication.type === 'bearer') return { authorization: `Bearer ${authentication.token}` };
  const pair = Buffer.from(`${authentication.user}:${authentication.password}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

/** Milliseconds of a `Retry-After` header: seconds or an HTTP date (RFC 9110 §10.2.3); 0 without one. */
export function retryAfterMs(header: string | undefined, now = Date.now()): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : 0;
}

/** @throws TicketError `MES_BUSY` or `MES_REJECTED` for anything but a success */
function assertSuccess({ status, headers, body }: Answer): void {
  if (status >= 200 && status < 300) return;
  if (RETRY_STATUS.has(status) || status >= 500) {
    throw new TicketError('MES_BUSY', `the MES answered ${status}`, {
      retryAfterMs: retryAfterMs(headers['retry-after']),
    });
  }
  throw new TicketError('MES_REJECTED', `the MES answered ${status}: ${body.slice(0, 200)}`, {
    hint: 'The ticket is set aside. Check what the MES expects, and the credentials.',
  });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** The number of a ticket as an MES spells it. */
function numberOf(ticket: unknown): string | undefined {
  const id = isRecord(ticket) ? (ticket['id'] ?? ticket['ticketId'] ?? ticket['number']) : undefined;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
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
  readonly #options: RestOptions;
  readonly #exchanger: Exchanger;
  readonly #headers: Record<string, string>;

  constructor(options: RestOptions) {
    this.#options = options;
    this.#exchanger = new Exchanger(options.timeoutMs, options.resolve);
    this.#headers = { accept: 'application/json', ...authorization(options.authentication) };
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const url = new URL(this.#options.ticketsUrl);
    url.searchParams.set('externalId', externalId);
    const answer = await this.#exchanger.send({ method: 'GET', url, headers: this.#headers }, signal);
    if (NO_LOOK_UP.has(answer.status)) return undefined;
    assertSuccess(answer);
    // An MES that does not know the filter answers with all of its tickets.
    const own = ticketsOf(parsed(answer.body)).find(
      (ticket) => isRecord(ticket) && ticket['externalId'] === externalId,
    );
    return numberOf(own);
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const answer = await this.#exchanger.send(
      {
        method: 'POST',
        url: this.#options.ticketsUrl,
        headers: { ...this.#headers, 'content-type': 'application/json', 'idempotency-key': event.id },
        body: JSON.stringify({ externalId: event.id, ...event }),
      },
      signal,
    );
    if (answer.status === CONFLICT) return this.#settled(event, signal);
    assertSuccess(answer);
    const location = answer.headers.location?.split('/').at(-1);
    const id = numberOf(parsed(answer.body)) ?? location ?? (await this.find(event.id, signal));
    if (id === undefined) {
      throw new TicketError('MES_BAD_ANSWER', 'the MES took the ticket but gave it no number');
    }
    return id;
  }

  async attach(
    ticketId: string,
    evidence: Evidence & { bytes: Uint8Array },
    signal: AbortSignal,
  ): Promise<void> {
    const url = new URL(this.#options.ticketsUrl);
    url.pathname = `${url.pathname}/${encodeURIComponent(ticketId)}/evidence`;
    const { bytes, sha256, mediaType } = evidence;
    const digest = Buffer.from(sha256, 'hex').toString('base64');
    const headers = {
      ...this.#headers,
      'content-type': mediaType,
      'idempotency-key': sha256,
      // RFC 9530
      'content-digest': `sha-256=:${digest}:`,
    };
    const answer = await this.#exchanger.send({ method: 'PUT', url, headers, body: bytes }, signal);
    if (answer.status !== CONFLICT) assertSuccess(answer);
  }

  close(): void {
    this.#exchanger.close();
  }

  /** 409: another request with this key is under way or was answered before. */
  async #settled(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const id = await this.find(event.id, signal);
    if (id === undefined) throw new TicketError('MES_BUSY', 'the MES is still working on an earlier attempt');
    return id;
  }
}
