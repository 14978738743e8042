/** An MES that knows one conversation by heart, and one that keeps tickets as a dialect's system would. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Exchange {
  request: { method: string; path: string; headers: Record<string, string>; body: unknown };
  response: { status: number; headers?: Record<string, string | string[]>; body: unknown };
}

/** What a system answers, with `__KEY__` and `__NUMBER__` where external id and number stand. */
interface Manner {
  method: string;
  /** The path begins so; told from others that begin so by `holding`, in path or body. */
  path: string;
  holding?: string;
  status?: number;
  headers?: Record<string, string>;
  body: unknown;
  /** Where nothing is found. */
  none?: unknown;
}

export interface Manners {
  create: Manner;
  find?: Manner;
  others?: Manner[];
}

/** What differs from run to run does not count. */
function steady(text: string): string {
  return text
    .replace(/<CreationDateTime>[^<]*/g, '<CreationDateTime>NOW')
    .replace(/jidoka-[0-9a-f]{8}-[0-9a-f-]{27}/g, 'BOUNDARY');
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return steady(Buffer.concat(chunks).toString('utf8'));
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
}

const COUNTED = ['authorization', 'content-type', 'cookie', 'accept', 'idempotency-key'];

/** The headers of a request that say something: who asks, what is sent, and those the system has of its own. */
function toldIn(request: IncomingMessage, body: string): Exchange['request'] {
  const headers = Object.entries(request.headers).filter(
    ([name]) => COUNTED.includes(name) || name.startsWith('x-'),
  );
  return {
    method: request.method ?? '',
    path: decodeURIComponent((request.url ?? '').replaceAll('+', ' ')),
    headers: Object.fromEntries(headers.map(([name, value]) => [name, steady(String(value))])),
    body: parsed(body),
  };
}

export class RecordedMes {
  readonly received: Exchange['request'][] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #script: readonly Exchange[] = [];
  #manners: Manners | undefined;
  /** External ids in the order in which tickets were opened. */
  readonly tickets: string[] = [];
  /** Answers to be lost. */
  toLose = 0;

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  play(script: readonly Exchange[]): void {
    this.#script = script;
    this.received.length = 0;
  }

  behave(manners: Manners): void {
    this.#manners = manners;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request);
    const told = toldIn(request, body);
    this.received.push(told);
    if (this.#manners !== undefined) {
      this.#keep(told, body, request, response);
      return;
    }
    const next = this.#script[this.received.length - 1]?.response ?? {
      status: 599,
      body: 'not in the script',
    };
    send(response, next.status, next.headers, next.body);
  }

  #keep(told: Exchange['request'], body: string, request: IncomingMessage, response: ServerResponse): void {
    const { create, find, others = [] } = this.#manners ?? { create: undefined };
    const all = `${told.path}\n${body}`;
    const key = /(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/.exec(all)?.[0] ?? '';
    const fits = (manner: Manner | undefined): manner is Manner =>
      manner?.method === told.method &&
      told.path.startsWith(manner.path) &&
      (manner.holding === undefined || all.includes(manner.holding));
    const filled = (answer: unknown, number: number): unknown =>
      parsed(
        (typeof answer === 'string' ? answer : JSON.stringify(answer))
          .replaceAll('__KEY__', key)
          .replaceAll('"__INTEGER__"', String(number))
          .replaceAll('__NUMBER__', `T-${number}`),
      );
    if (fits(find)) {
      const at = this.tickets.indexOf(key);
      send(response, 200, find.headers, filled(at < 0 ? find.none : find.body, at + 1));
    } else if (fits(create)) {
      const number = this.tickets.push(key);
      if (this.toLose > 0) {
        this.toLose -= 1;
        request.socket.destroy();
      } else send(response, create.status ?? 201, create.headers, filled(create.body, number));
    } else {
      const other = others.find(fits);
      if (other === undefined) send(response, 599, {}, 'no manners for this');
      else send(response, other.status ?? 200, other.headers, filled(other.body, 0));
    }
  }
}

function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | string[]> = {},
  body: unknown,
): void {
  const isText = typeof body === 'string';
  response.writeHead(status, { 'content-type': isText ? 'application/xml' : 'application/json', ...headers });
  response.end(isText ? body : JSON.stringify(body));
}
