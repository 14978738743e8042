/**
 * One HTTP request and its answer, with a limit on time and size. Redirects are not followed, and
 * addresses that are not allowed are refused after the name was resolved, so that no name leads there.
 */
import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { ANY_HOST, type AllowedHosts } from './hosts.ts';
import { TicketError } from './ticket-error.ts';

/** More than this no ticket's answer needs. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Characters of an answer a person is shown. */
const MAX_OBSERVED = 2000;
/** No connection came about. */
const UNSENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** Connections to one MES at a time. */
const MAX_SOCKETS = 4;

/**
 * @throws TicketError `MES_URL_INVALID` or `MES_HOST_FORBIDDEN`
 */
export function mesUrl(baseUrl: string, path = '', hosts = ANY_HOST): URL {
  const url = URL.parse(`${baseUrl.replace(/\/+$/, '')}${path === '' ? '' : `/${path.replace(/^\/+/, '')}`}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TicketError('MES_URL_INVALID', 'the address of the MES is not an http or https address', {
      hint: 'For example https://mes.plant.local',
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new TicketError('MES_URL_INVALID', 'the address of the MES holds credentials', {
      hint: 'Put user and password into their own fields, where they are kept encrypted.',
    });
  }
  hosts.assertHost(url.hostname);
  return url;
}

/** Resolves a name to all of its addresses, as `dns.lookup` does with `all: true`. */
type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Looks at every address a name has before a connection is made to one of them. */
function guardedLookup(resolve: Resolve, hosts: AllowedHosts): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      try {
        if (error !== null) throw error;
        for (const { address } of addresses) hosts.assertAddress(address);
        const [first] = addresses;
        if (options.all === true || first === undefined) callback(null, addresses);
        else callback(null, first.address, first.family);
      } catch (refusal) {
        callback(refusal as NodeJS.ErrnoException, []);
      }
    });
  };
}

export interface Exchange {
  method: Method;
  url: URL;
  headers: Record<string, string>;
  body?: Uint8Array | string;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH';

/** What a person looks at who tries out an address: never with credentials. */
export interface Observed {
  method: Method;
  /** Path and query. */
  path: string;
  status: number;
  ms: number;
  /** What answered, by its own word, where it says so: often with its version. */
  server: string;
  /** The beginning of the answer. */
  answer: string;
}

export interface ExchangerOptions {
  /** For one request, from the first byte sent to the last byte received. */
  timeoutMs: number;
  /** Any but link-local and metadata ones unless given. */
  hosts?: AllowedHosts | undefined;
  /** PEM certificates that are trusted instead of the public ones. */
  ca?: string | undefined;
  /** How names become addresses; the operating system's way unless given. */
  resolve?: Resolve | undefined;
  /** Hears of every answer. */
  observe?: ((observed: Observed) => void) | undefined;
}

const MAX_SERVER = 100;

function serverOf({ headers }: Answer): string {
  const told = headers.server ?? headers['x-powered-by'] ?? '';
  return (Array.isArray(told) ? told.join(' ') : told).slice(0, MAX_SERVER);
}

/** A client with its own connections. */
export class Exchanger {
  readonly #timeoutMs: number;
  readonly #hosts: AllowedHosts;
  readonly #lookup: LookupFunction;
  readonly #observe: ExchangerOptions['observe'];
  readonly #agents: { 'http:': HttpAgent; 'https:': HttpsAgent };

  constructor({ timeoutMs, hosts, ca, resolve = lookup, observe }: ExchangerOptions) {
    this.#timeoutMs = timeoutMs;
    this.#hosts = hosts ?? ANY_HOST;
    this.#lookup = guardedLookup(resolve, this.#hosts);
    this.#observe = observe;
    const connections = { keepAlive: true, maxSockets: MAX_SOCKETS };
    this.#agents = {
      'http:': new HttpAgent(connections),
      'https:': new HttpsAgent(ca === undefined ? connections : { ...connections, ca }),
    };
  }

  /**
   * Resolves to whatever the MES answered, success or not.
   * @throws TicketError `MES_TIMEOUT`, `MES_UNREACHABLE`, `MES_HOST_FORBIDDEN` or `MES_BAD_ANSWER`;
   *   the signal's reason when it was aborted
   */
  async send({ method, url, headers, body }: Exchange, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    this.#hosts.assertHost(url.hostname);
    const startedAt = performance.now();
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const secure = url.protocol === 'https:';
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        const request = (secure ? httpsRequest : httpRequest)(url, {
          method,
          headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
          agent: this.#agents[secure ? 'https:' : 'http:'],
          lookup: this.#lookup,
          signal: AbortSignal.any([signal, timeout]),
        });
        request.once('error', reject);
        request.once('response', (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size <= MAX_ANSWER_BYTES) chunks.push(chunk);
            else
              request.destroy(
                new TicketError('MES_BAD_ANSWER', `the answer exceeds ${MAX_ANSWER_BYTES} bytes`),
              );
          });
          response.once('error', reject);
          response.once('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
          });
        });
        request.end(body);
      });
      this.#observe?.({
        method,
        path: `${url.pathname}${url.search}`,
        status: answer.status,
        ms: performance.now() - startedAt,
        server: serverOf(answer),
        answer: answer.body.slice(0, MAX_OBSERVED),
      });
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TicketError) throw error;
      if (timeout.aborted) {
        throw new TicketError('MES_TIMEOUT', `the MES gave no answer within ${this.#timeoutMs} ms`, {
          hint: 'Check the MES, or allow it more time.',
        });
      }
      throw new TicketError('MES_UNREACHABLE', `the MES cannot be reached: ${(error as Error).message}`, {
        hint: 'Check the address, the network and whether the MES is up.',
        cause: error,
        unsent: UNSENT.has((error as NodeJS.ErrnoException).code ?? ''),
      });
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }
}
