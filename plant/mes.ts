/**
 * The MES in the box: a REST server on 127.0.0.1 that keeps nonconformance tickets and their evidence in
 * memory, with a page to look at them, and switches to misbehave as real ones do.
 *
 * `POST /api/tickets` · `GET /api/tickets[?externalId=]` · `GET /api/tickets/:id` ·
 * `PUT /api/tickets/:id/evidence/:sha256` · `POST` or `PUT /api/tickets/:id/evidence` ·
 * `GET /api/tickets/:id/evidence/:sha256` · `GET /`
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { carries, escapeHtml, readBody, sendJson, sendProblem } from './http.ts';
import { HOST, listen, shut } from './ports.ts';

export interface Evidence {
  sha256: string;
  contentType: string;
  byteLength: number;
}

export interface MesTicket {
  /** `NC-00001`, counting. */
  id: string;
  /** The sender's own key for it; null when it gave none. */
  externalId: string | null;
  createdAt: string;
  /** The JSON object that was sent. */
  event: Record<string, unknown>;
  evidence: Evidence[];
}

/** Switches; the first three are off and the last is on at first. */
export interface MesFaults {
  /** Answers 503 with Retry-After: 1 to everything under /api. */
  unavailable: boolean;
  /** Takes the request and never answers. */
  hang: boolean;
  /** Does the work of a POST or PUT, then drops the connection instead of answering. */
  loseAnswer: boolean;
  /** With it off the header is ignored, as many systems do, and a repeated POST is a second ticket. */
  honourIdempotencyKey: boolean;
}

export interface MesRequest {
  method: string;
  path: string;
  idempotencyKey: string | null;
  at: Date;
}

export interface MesOptions {
  /** 0 or absent: a free one. */
  port?: number;
  /** Asks for `Authorization: Bearer <token>` under /api. */
  token?: string;
}

const MAX_EVENT_BYTES = 1024 * 1024;
const MAX_EVIDENCE_BYTES = 20 * 1024 * 1024;

export class Mes {
  readonly tickets: MesTicket[] = [];
  /** Everything that was asked under /api, oldest first; the newest ten thousand. */
  readonly requests: MesRequest[] = [];
  readonly faults: MesFaults = {
    unavailable: false,
    hang: false,
    loseAnswer: false,
    honourIdempotencyKey: true,
  };
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #byKey = new Map<string, { bodySha256: string; ticket: MesTicket }>();
  readonly #bytes = new Map<string, Buffer>();
  readonly #authorization: string | null;
  #port: number;

  constructor(options: MesOptions = {}) {
    this.#port = options.port ?? 0;
    this.#authorization = options.token === undefined ? null : `Bearer ${options.token}`;
  }

  get url(): string {
    return `http://${HOST}:${this.#port}`;
  }

  /** @throws PlantError PLANT_PORT_BUSY */
  async open(): Promise<void> {
    this.#port = await listen(this.#server, this.#port, 'MES');
  }

  async close(): Promise<void> {
    await shut(this.#server);
  }

  /** The bytes of a piece of evidence, if it came. */
  evidence(sha256: string): Buffer | undefined {
    return this.#bytes.get(sha256);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    try {
      await this.#route(request, response);
    } catch {
      // The client went away in the middle of its body.
      response.destroy();
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const method = request.method ?? 'GET';
    if (url.pathname === '/' && method === 'GET') {
      this.#page(response);
      return;
    }
    const parts = url.pathname.split('/').filter((part) => part !== '');
    const [api, collection, id, evidence, sha256] = parts;
    const reading = method === 'GET';
    if (api !== 'api' || collection !== 'tickets' || parts.length > 5) {
      sendProblem(response, 404, 'There is /api/tickets');
      return;
    }
    // A browser showing the page cannot send a token; pictures are named by their hash.
    const picture = reading && sha256 !== undefined;
    if (!picture && this.#authorization !== null && !carries(request, this.#authorization)) {
      sendProblem(response, 401, 'A valid token is needed', { 'WWW-Authenticate': 'Bearer' });
      return;
    }
    const key = request.headers['idempotency-key'];
    this.requests.push({
      method,
      path: url.pathname,
      idempotencyKey: typeof key === 'string' ? key : null,
      at: new Date(),
    });
    if (this.requests.length > 10_000) this.requests.shift();
    if (this.faults.unavailable) {
      request.resume();
      sendProblem(response, 503, 'The MES is being serviced', { 'Retry-After': '1' });
      return;
    }
    if (this.faults.hang) {
      request.resume();
      return;
    }
    if (id === undefined) {
      if (method === 'POST') await this.#create(request, response);
      else if (reading) this.#list(url, response);
      else sendProblem(response, 405, 'GET or POST', { Allow: 'GET, POST' });
      return;
    }
    const ticket = this.tickets.find((candidate) => candidate.id === id);
    if (ticket === undefined) sendProblem(response, 404, `There is no ticket ${id}`);
    else if (evidence === undefined && reading) sendJson(response, 200, view(ticket));
    else if (evidence !== 'evidence') sendProblem(response, 404, 'A ticket has /evidence');
    else if (sha256 !== undefined && reading) this.#picture(ticket, sha256, response);
    else if (method === 'PUT' || (method === 'POST' && sha256 === undefined)) {
      await this.#attach(ticket, sha256 ?? statedHash(request), request, response);
    } else
      sendProblem(response, 405, 'POST or PUT to /evidence, or PUT to /evidence/:sha256', {
        Allow: 'POST, PUT',
      });
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, MAX_EVENT_BYTES);
    if (body === null) {
      sendProblem(response, 413, 'A ticket is at most 1 MiB');
      return;
    }
    const event = parseObject(body);
    if (event === null) {
      sendProblem(response, 400, 'A ticket is a JSON object');
      return;
    }
    const header = request.headers['idempotency-key'];
    const key = this.faults.honourIdempotencyKey && typeof header === 'string' ? header : null;
    const bodySha256 = sha256Of(body);
    const known = key === null ? undefined : this.#byKey.get(key);
    if (known !== undefined && known.bodySha256 !== bodySha256) {
      // draft-ietf-httpapi-idempotency-key-header, section 2.7.
      sendProblem(response, 422, 'This Idempotency-Key was used with another body');
      return;
    }
    if (known !== undefined) {
      this.#reply(response, 201, view(known.ticket), {
        Location: `/api/tickets/${known.ticket.id}`,
        'Idempotency-Replayed': 'true',
      });
      return;
    }
    const { externalId } = event;
    const ticket: MesTicket = {
      id: `NC-${String(this.tickets.length + 1).padStart(5, '0')}`,
      externalId: typeof externalId === 'string' ? externalId : null,
      createdAt: new Date().toISOString(),
      event,
      evidence: [],
    };
    this.tickets.push(ticket);
    if (key !== null) this.#byKey.set(key, { bodySha256, ticket });
    this.#reply(response, 201, view(ticket), { Location: `/api/tickets/${ticket.id}` });
  }

  #list(url: URL, response: ServerResponse): void {
    const externalId = url.searchParams.get('externalId');
    const found = this.tickets.filter((ticket) => externalId === null || ticket.externalId === externalId);
    sendJson(response, 200, { tickets: found.map(view), count: found.length });
  }

  async #attach(
    ticket: MesTicket,
    stated: string | null,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const body = await readBody(request, MAX_EVIDENCE_BYTES);
    if (body === null) {
      sendProblem(response, 413, 'Evidence is at most 20 MiB');
      return;
    }
    const sha256 = sha256Of(body);
    if (stated !== null && stated.toLowerCase() !== sha256) {
      sendProblem(response, 422, 'The bytes do not have the SHA-256 that was stated');
      return;
    }
    const known = ticket.evidence.some((evidence) => evidence.sha256 === sha256);
    if (!known) {
      const contentType = request.headers['content-type'] ?? 'application/octet-stream';
      ticket.evidence.push({ sha256, contentType, byteLength: body.length });
      this.#bytes.set(sha256, body);
    }
    const location = `/api/tickets/${ticket.id}/evidence/${sha256}`;
    this.#reply(response, known ? 200 : 201, { ticket: ticket.id, sha256 }, { Location: location });
  }

  #reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string>): void {
    if (this.faults.loseAnswer) response.destroy();
    else sendJson(response, status, body, headers);
  }

  #picture(ticket: MesTicket, sha256: string, response: ServerResponse): void {
    const bytes = this.#bytes.get(sha256);
    if (bytes === undefined || !ticket.evidence.some((evidence) => evidence.sha256 === sha256)) {
      sendProblem(response, 404, 'There is no such evidence');
      return;
    }
    // The sender's content type is not trusted: what does not begin like a picture is a download.
    response.writeHead(200, {
      'Content-Type': pictureType(bytes) ?? 'application/octet-stream',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'",
    });
    response.end(bytes);
  }

  #page(response: ServerResponse): void {
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
    });
    response.end(ticketsPage(this.tickets.toReversed().slice(0, 200), this.tickets.length));
  }
}

/** What the API shows: the event as it was sent, with the MES's own fields over it. */
function view(ticket: MesTicket): Record<string, unknown> {
  const { id, externalId, createdAt, evidence } = ticket;
  return { ...ticket.event, id, externalId, createdAt, evidence };
}

function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Hex from `X-Content-SHA256`, or RFC 9530's `Content-Digest: sha-256=:base64:`; null when absent. */
function statedHash(request: IncomingMessage): string | null {
  const plain = request.headers['x-content-sha256'];
  if (typeof plain === 'string') return plain;
  const digest = /sha-256=:([A-Za-z0-9+/=]+):/.exec(String(request.headers['content-digest'] ?? ''));
  return digest?.[1] === undefined ? null : Buffer.from(digest[1], 'base64').toString('hex');
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pictureType(bytes: Buffer): string | null {
  if (bytes.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'image/jpeg';
  if (bytes.subarray(0, 4).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47]))) return 'image/png';
  if (bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP')
    return 'image/webp';
  return null;
}

function ticketsPage(tickets: readonly MesTicket[], total: number): string {
  const cards = tickets.map((ticket) => {
    const link = `/api/tickets/${encodeURIComponent(ticket.id)}`;
    const pictures = ticket.evidence.map(
      ({ sha256 }) =>
        `<a href="${link}/evidence/${sha256}"><img alt="evidence" src="${link}/evidence/${sha256}"></a>`,
    );
    return `<article>
<header><b>${escapeHtml(ticket.id)}</b> <time>${escapeHtml(ticket.createdAt.replace('T', ' ').slice(0, 19))} UTC</time></header>
<p>${escapeHtml(ticket.externalId ?? 'no external id')}</p>
<div class="pictures">${pictures.join('') || '<span>no evidence yet</span>'}</div>
<details><summary>Event</summary><pre>${escapeHtml(JSON.stringify(ticket.event, null, 2))}</pre></details>
</article>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MES tickets</title>
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
article { border: 1px solid #8886; border-radius: 8px; padding: 1rem; min-width: 0; }
header { display: flex; justify-content: space-between; }
time, article > p, .pictures span { color: #777; font-size: .85rem; overflow-wrap: anywhere; margin: 0; }
img { width: 100%; border-radius: 4px; margin-top: .5rem; display: block; }
pre { overflow: auto; font-size: .75rem; max-height: 20rem; }
</style></head>
<body><h1>Nonconformance tickets (${total})</h1>
<main>${cards.join('\n') || '<p>No ticket yet.</p>'}</main></body></html>
`;
}
