/** A small MES with a REST interface and bad manners on demand. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** What happens to one request: `lose` and `slow` do the work and keep the answer back, `late` works after the client gave up. */
export type Manner = 'good' | 'busy' | 'lose' | 'slow' | 'late' | 'reject' | 'forbid' | 'fail';

export interface MesOptions {
  honoursKey?: boolean;
  /** After which `late` does the work. */
  lateMs?: number;
  manner?: (request: { method: string; path: string }) => Manner;
}

export interface StoredTicket {
  id: string;
  externalId: string;
  body: Record<string, unknown>;
  evidence: Map<string, Buffer>;
}

export class MesServer {
  readonly tickets: StoredTicket[] = [];
  /** `POST /api/tickets` and so on, in the order of arrival. */
  readonly requests: { method: string; path: string; headers: IncomingMessage['headers'] }[] = [];
  options: MesOptions;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor(options: MesOptions = {}) {
    this.options = options;
  }

  async start(port = 0): Promise<string> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const { pathname, searchParams } = new URL(url, 'http://mes');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = pathname.replace('/api/tickets', '');
    this.requests.push({ method, path, headers: request.headers });
    const manner = this.options.manner?.({ method, path }) ?? 'good';
    if (manner === 'busy') return void response.writeHead(503, { 'retry-after': '0' }).end();
    if (manner === 'forbid') return void response.writeHead(401).end('who are you?');
    if (manner === 'fail') return void response.writeHead(500).end('Traceback');
    if (manner === 'reject') return void response.writeHead(422).end('no such defect class');
    if (manner === 'late') await wait(this.options.lateMs);
    const [status, answer] = this.#work(method, path, request.headers, searchParams, Buffer.concat(chunks));
    if (manner === 'lose') return void request.socket.destroy();
    // The client gives up first, and its end of the connection ends this answer too.
    if (manner === 'slow' || manner === 'late') return;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  #work(
    method: string,
    path: string,
    headers: IncomingMessage['headers'],
    query: URLSearchParams,
    body: Buffer,
  ): [number, unknown] {
    const [, id, evidence] = path.split('/');
    if (method === 'GET') {
      const asked = query.get('externalId');
      return [200, { items: this.tickets.filter(({ externalId }) => externalId === asked) }];
    }
    if (method === 'POST' && path === '') return [201, this.#create(headers['idempotency-key'], body)];
    const ticket = this.tickets.find((stored) => stored.id === id);
    if (method === 'PUT' && evidence === 'evidence' && ticket !== undefined) {
      ticket.evidence.set(createHash('sha256').update(body).digest('hex'), body);
      return [200, {}];
    }
    return [404, {}];
  }

  #create(key: string | string[] | undefined, body: Buffer): StoredTicket {
    const event = JSON.parse(body.toString()) as Record<string, unknown>;
    const externalId = String(event['externalId']);
    const known = this.tickets.find((ticket) => ticket.externalId === key);
    if (this.options.honoursKey === true && known !== undefined) return known;
    const id = `NC-${String(this.tickets.length + 1).padStart(5, '0')}`;
    const ticket = { id, externalId, body: event, evidence: new Map<string, Buffer>() };
    this.tickets.push(ticket);
    return ticket;
  }
}
