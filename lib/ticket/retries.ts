/**
 * Whether a ticket that could not be delivered is tried again, and when. What passes is tried for ever; a ticket that
 * an MES fails at, or refuses while it lets others in, gives up its place. An MES that fails at everything costs one
 * ticket its place, and not the whole queue.
 */
import { fullJitterMs } from '../backoff.ts';
import { JournalError } from '../journal/journal-error.ts';
import type { OutboxRecord } from '../journal/types.ts';
import type { Breaker } from './breaker.ts';
import type { TicketClient } from './client.ts';
import { TicketError } from './ticket-error.ts';

const RETRY = { firstMs: 500, maxMs: 60_000 };
/** Answers of a proxy that has waited in vain for the MES behind it. */
const NO_ANSWER: ReadonlySet<number | undefined> = new Set([undefined, 502, 504]);
/** Attempts after which a ticket the MES fails at is set aside, though the MES itself works. */
const POISON_AFTER = 10;
/** What an MES answers that has failed at what it was asked, and would again. */
const FAILED_AT: ReadonlySet<number | undefined> = new Set([500, 501]);

/** How far an attempt came. */
export interface Attempt {
  /** The MES has answered a question about this ticket. */
  answered: boolean;
  /** The request that opens the ticket is under way, or was when the attempt failed. */
  opening: boolean;
}

interface RetriesOptions {
  tickets: Pick<TicketClient, 'lookUpAfterMs' | 'commitsWithinMs'>;
  breaker: Breaker;
  random: () => number;
}

export class Retries {
  readonly #breaker: Breaker;
  readonly #random: () => number;
  readonly #lookUpAfterMs: number;
  /** How long a ticket may come to be, or may not be found, after a request to open it went unanswered. */
  readonly inDoubtMs: number;
  /** Tickets the MES has taken completely, in this run. */
  #completed = 0;
  /** How many that were when one was given up that the MES failed at: no other is until one more comes through. */
  #gaveUpAt: number | undefined;
  /** How many deliveries had succeeded when the MES refused this one for who we are. */
  readonly #refusedAt = new Map<string, number>();

  constructor({ tickets, breaker, random }: RetriesOptions) {
    this.#breaker = breaker;
    this.#random = random;
    const { lookUpAfterMs = 0, commitsWithinMs = 0 } = tickets;
    this.#lookUpAfterMs = lookUpAfterMs;
    this.inDoubtMs = Math.max(lookUpAfterMs, commitsWithinMs);
  }

  /** The MES has refused this ticket for who we are, and it still waits. */
  wasRefused(key: string): boolean {
    return this.#refusedAt.has(key);
  }

  /** The MES has this ticket completely. */
  complete(key: string): void {
    this.#completed += 1;
    this.#refusedAt.delete(key);
  }

  /** This ticket is set aside. */
  giveUp(key: string, error: unknown, attempt: Attempt): void {
    this.#refusedAt.delete(key);
    if (failsAtIt(error, attempt)) this.#gaveUpAt = this.#completed;
  }

  /**
   * False also for what would pass in general: an MES that fails at this ticket again and again, or that lets others
   * in and refuses this one.
   */
  mayPass({ key, attempts }: OutboxRecord, error: unknown, attempt: Attempt): boolean {
    if (error instanceof JournalError) return false;
    // Nobody knows what it is, e.g. an answer of a shape no dialect expects: not for ever, and not unseen.
    if (!(error instanceof TicketError)) return attempts + 1 < POISON_AFTER;
    if (error.code === 'MES_AUTH') {
      const succeeded = this.#refusedAt.get(key);
      return succeeded === undefined || succeeded === this.#breaker.successes;
    }
    if (failsAtIt(error, attempt)) return attempts + 1 < POISON_AFTER || this.#gaveUpAt === this.#completed;
    return error.passing;
  }

  /**
   * Tells the breaker of a failure that may pass. Milliseconds until the entry is tried again; waiting for credentials
   * is the breaker's, not the entry's.
   */
  failed({ key, attempts }: OutboxRecord, error: unknown, { opening }: Attempt): number {
    const jitterMs = fullJitterMs(attempts, this.#random(), RETRY);
    if (!(error instanceof TicketError)) return Math.max(jitterMs, opening ? this.inDoubtMs : 0);
    if (error.code === 'MES_AUTH') {
      this.#refusedAt.set(key, this.#breaker.successes);
      this.#breaker.refused();
      return 0;
    }
    this.#breaker.failed();
    const inDoubt = opening && NO_ANSWER.has(error.status) && !error.unsent;
    return Math.max(error.retryAfterMs, jitterMs, inDoubt ? this.inDoubtMs : this.#lookUpAfterMs);
  }
}

/** Answers of whatever stands before the MES while it is away, and of an address that is wrong: seldom about one ticket. */
function isAstray({ code, status = 0 }: TicketError): boolean {
  return code === 'MES_REJECTED' && ((status >= 300 && status < 400) || status === 404 || status === 405);
}

/** Whether it may be about this ticket, though it may as well be about the MES. */
function failsAtIt(error: unknown, { answered }: Attempt): boolean {
  if (!(error instanceof TicketError)) return false;
  return isAstray(error) || (answered && FAILED_AT.has(error.status));
}
