/**
 * Messages with which an MES tells the state of a ticket by itself. Each is signed with a secret both know (HMAC with
 * SHA-256 over `<timestamp>.<body>`), not older than five minutes and taken once.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { TicketState } from './client.ts';
import { isRecord, parsedJson } from './http.ts';
import { TicketError } from './ticket-error.ts';

/** How far the clock of the MES may be off. */
const WINDOW_MS = 300_000;
/** Signatures remembered inside the window; more are refused rather than forgotten. */
const MAX_SEEN = 10_000;

export interface SignedMessage {
  /** Seconds since 1970, as the header says. */
  timestamp: string;
  /** `sha256=<hex>`. */
  signature: string;
  body: string;
}

export interface TicketNews {
  externalId?: string;
  ticketId?: string;
  state: TicketState;
}

export function signatureOf(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

export class Hook {
  readonly #secret: string;
  readonly #now: () => number;
  /** In whole seconds, as messages count them: what was signed earlier may have been taken by an earlier one. */
  readonly #since: number;
  /** Signatures taken, with the time after which their message would be too old. */
  readonly #seen = new Map<string, number>();

  /** @param now milliseconds since 1970 */
  constructor(secret: string, now: () => number = Date.now) {
    this.#secret = secret;
    this.#now = now;
    this.#since = Math.floor(now() / 1000) * 1000;
  }

  /**
   * What `act` makes of the news. When it fails, the same message may be sent again.
   * @throws TicketError `HOOK_REFUSED`, the same for every reason that concerns the signature; what `act` throws
   */
  async take<Result>(message: SignedMessage, act: (news: TicketNews) => Promise<Result>): Promise<Result> {
    const news = this.#read(message);
    try {
      return await act(news);
    } catch (error) {
      this.#seen.delete(message.signature);
      throw error;
    }
  }

  #read({ timestamp, signature, body }: SignedMessage): TicketNews {
    const refused = new TicketError('HOOK_REFUSED', 'the message is not signed as it should be', {
      hint: 'X-Jidoka-Signature: sha256=<hex HMAC of "<timestamp>.<body>">, X-Jidoka-Timestamp: seconds.',
    });
    const sentAt = Number(timestamp) * 1000;
    const now = this.#now();
    if (this.#secret === '' || !/^\d{1,12}$/.test(timestamp)) throw refused;
    const expected = Buffer.from(signatureOf(this.#secret, timestamp, body));
    const given = Buffer.from(signature);
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) throw refused;
    if (Math.abs(now - sentAt) > WINDOW_MS || sentAt < this.#since) throw refused;
    for (const [seen, until] of this.#seen) if (until < now) this.#seen.delete(seen);
    if (this.#seen.has(signature) || this.#seen.size >= MAX_SEEN) throw refused;
    this.#seen.set(signature, sentAt + WINDOW_MS);
    return newsOf(parsedJson(body));
  }
}

const MAX_TEXT = 200;

/** @throws TicketError `HOOK_REFUSED` */
function newsOf(message: unknown): TicketNews {
  const text = (name: string): string | undefined => {
    const value = isRecord(message) && Object.hasOwn(message, name) ? message[name] : undefined;
    return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT ? value : undefined;
  };
  const [externalId, ticketId, state] = [text('externalId'), text('ticketId'), text('state')];
  if ((externalId === undefined && ticketId === undefined) || (state !== 'open' && state !== 'closed')) {
    throw new TicketError('HOOK_REFUSED', 'the message does not say which ticket is open or closed', {
      hint: '{"externalId" or "ticketId": …, "state": "open" or "closed", "status": …}',
    });
  }
  return {
    ...(externalId === undefined ? {} : { externalId }),
    ...(ticketId === undefined ? {} : { ticketId }),
    state: { state, said: text('status') ?? state },
  };
}
