/**
 * What all dialects share: who we are, which answers may be tried again, which set a ticket aside, and
 * which wait for somebody to give other credentials.
 */
import { Exchanger, type Answer, type ExchangerOptions, type Method } from './exchange.ts';
import { TicketError } from './ticket-error.ts';

const RETRY_STATUS: ReadonlySet<number> = new Set([408, 425, 429]);
const AUTH_STATUS: ReadonlySet<number> = new Set([401, 403]);
/** A `Retry-After` beyond this is not believed. */
const MAX_RETRY_AFTER_MS = 3_600_000;

export type Authentication =
  | { type: 'none' }
  | { type: 'bearer'; token: string }
  | { type: 'basic'; user: string; password: string }
  /** A header of its own, e.g. `X-API-Key`; the value may begin with a word, as `token key:secret` does. */
  | { type: 'header'; name: string; value: string };

export interface HttpOptions extends ExchangerOptions {
  /** Where the API begins, without a slash at the end. */
  baseUrl: URL;
  authentication: Authentication;
}

function authorization(authentication: Authentication): Record<string, string> {
  if (authentication.type === 'none') return {};
  if (authentication.type === 'bearer') return { authorization: `Bearer ${authentication.token}` };
  if (authentication.type === 'header') return { [authentication.name.toLowerCase()]: authentication.value };
  const pair = Buffer.from(`${authentication.user}:${authentication.password}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

/** Milliseconds of a `Retry-After` header: seconds or an HTTP date (RFC 9110 §10.2.3); 0 without one. */
export function retryAfterMs(header: string | undefined, now = Date.now()): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : 0;
}

/** @throws TicketError `MES_BUSY`, `MES_AUTH` or `MES_REJECTED` for anything but a success */
export function assertSuccess({ status, headers, body }: Answer): void {
  if (status >= 200 && status < 300) return;
  if (RETRY_STATUS.has(status) || status >= 500) {
    throw new TicketError('MES_BUSY', `the MES answered ${status}: ${body.slice(0, 200)}`, {
      status,
      retryAfterMs: retryAfterMs(headers['retry-after']),
    });
  }
  if (AUTH_STATUS.has(status)) {
    throw new TicketError('MES_AUTH', `the MES answered ${status}: ${body.slice(0, 200)}`, {
      status,
      hint: 'Check the credentials and what they may do. Tickets wait until they are let in.',
    });
  }
  throw new TicketError('MES_REJECTED', `the MES answered ${status}: ${body.slice(0, 200)}`, {
    status,
    hint: 'The ticket is set aside. Correct what the MES complains about and put the ticket back.',
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value under a path of names and positions; undefined where it leads nowhere. */
export function valueAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((at, step) => {
    if (typeof step === 'number') return Array.isArray(at) ? (at as unknown[]).at(step) : undefined;
    return isRecord(at) && Object.hasOwn(at, step) ? at[step] : undefined;
  }, value);
}

/** The text under a path; empty where there is none. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const text = valueAt(value, ...path);
  return typeof text === 'string' ? text : '';
}

/** A list under a path; empty where there is none. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): unknown[] {
  const list = valueAt(value, ...path);
  return Array.isArray(list) ? (list as unknown[]) : [];
}

/** The number of a ticket as text; undefined for anything that is none. */
export function ticketNumber(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** @throws TicketError `MES_BAD_ANSWER` */
export function requireNumber(value: unknown): string {
  const number = ticketNumber(value);
  if (number !== undefined) return number;
  throw new TicketError('MES_BAD_ANSWER', 'the MES took the ticket but gave it no number');
}

export function parsedJson(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

/** What follows the base address: a path below it, or a query of its own. */
function joined(path: string): string {
  return path === '' || path.startsWith('?') ? path : `/${path.replace(/^\/+/, '')}`;
}

export interface HttpRequest {
  method: Method;
  /** Below the base address, query included; what comes from outside is encoded by the caller. */
  path: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is; the headers say what it is. */
  body?: Uint8Array | string;
}

export class Http {
  readonly #baseUrl: string;
  readonly #headers: Record<string, string>;
  readonly #exchanger: Exchanger;

  constructor({ baseUrl, authentication, ...options }: HttpOptions) {
    this.#baseUrl = baseUrl.href.replace(/\/+$/, '');
    this.#headers = { accept: 'application/json', ...authorization(authentication) };
    this.#exchanger = new Exchanger(options);
  }

  /** Resolves to whatever the MES answered, success or not. */
  send({ method, path, headers = {}, json, body }: HttpRequest, signal: AbortSignal): Promise<Answer> {
    const typed = json === undefined ? {} : { 'content-type': 'application/json' };
    const sent = json === undefined ? body : JSON.stringify(json);
    return this.#exchanger.send(
      {
        method,
        url: new URL(`${this.#baseUrl}${joined(path)}`),
        headers: { ...this.#headers, ...typed, ...headers },
        ...(sent === undefined ? {} : { body: sent }),
      },
      signal,
    );
  }

  /** The JSON of a success; throws as {@link assertSuccess} does. */
  async json(request: HttpRequest, signal: AbortSignal): Promise<unknown> {
    const answer = await this.send(request, signal);
    assertSuccess(answer);
    return parsedJson(answer.body);
  }

  close(): void {
    this.#exchanger.close();
  }
}
