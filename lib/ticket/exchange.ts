/**
 * One HTTP request and its answer, with a limit on time and size. Redirects are not followed, and
 * link-local and metadata addresses are refused after the name was resolved, so that no name leads there.
 */
import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { TicketError } from './ticket-error.ts';

/** More than this no ticket's answer needs. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Connections to one MES at a time. */
const MAX_SOCKETS = 4;

const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16);
forbidden.addSubnet('fe80::', 10, 'ipv6');
// Metadata services of clouds outside the link-local range: AWS over IPv6, Alibaba Cloud.
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addAddress('100.100.100.200');

function assertAllowed(address: string): void {
  if (forbidden.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) {
    throw new TicketError('MES_HOST_FORBIDDEN', `${address} is a link-local or metadata address`, {
      hint: 'Give the address of the MES in the plant network.',
    });
  }
}

/**
 * @throws TicketError `MES_URL_INVALID` or `MES_HOST_FORBIDDEN`
 */
export function mesUrl(baseUrl: string, path = ''): URL {
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
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) assertAllowed(host);
  return url;
}

/** Resolves a name to all of its addresses, as `dns.lookup` does with `all: true`. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Looks at every address a name has before a connection is made to one of them. */
function guardedLookup(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      try {
        if (error !== null) throw error;
        for (const { address } of addresses) assertAllowed(address);
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
  method: 'GET' | 'POST' | 'PUT';
  url: URL;
  headers: Record<string, string>;
  body?: Uint8Array | string;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A client with its own connections. */
export class Exchanger {
  readonly #timeoutMs: number;
  readonly #lookup: LookupFunction;
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
  };

  constructor(timeoutMs: number, resolve: Resolve = lookup) {
    this.#timeoutMs = timeoutMs;
    this.#lookup = guardedLookup(resolve);
  }

  /**
   * Resolves to whatever the MES answered, success or not.
   * @throws TicketError `MES_TIMEOUT`, `MES_UNREACHABLE`, `MES_HOST_FORBIDDEN` or `MES_BAD_ANSWER`;
   *   the signal's reason when it was aborted
   */
  async send({ method, url, headers, body }: Exchange, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const secure = url.protocol === 'https:';
    try {
      return await new Promise<Answer>((resolve, reject) => {
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
      });
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }
}
