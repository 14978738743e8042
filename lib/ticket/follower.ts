/**
 * What becomes of tickets after they were opened. Asks the MES now and then about those that are still open, a few
 * at a time, or hears of it from the MES; either way a change is kept in the journal before anybody is told.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Journal, OutboxRecord } from '../journal/types.ts';
import type { Breaker } from './breaker.ts';
import type { TicketClient, TicketState } from './client.ts';
import { TicketError } from './ticket-error.ts';
import type { TicketAnswer, TicketBody, TicketChange } from './outcome.ts';

/** Tickets asked about in one round. */
const PER_ROUND = 50;
/** Rounds that failed one after the other until somebody is told. */
const FAILING_AFTER = 3;

export interface FollowerOptions {
  journal: Pick<Journal, 'openOutbox' | 'outboxEntry' | 'deliveredAs' | 'noteReceiver'>;
  streamPrefix: string;
  tickets: TicketClient;
  /** Between two rounds; 0: the MES is not asked. */
  everyMs: number;
  tell: (change: TicketChange) => void;
  now?: () => Date;
  /** Hears when the MES has not said for some rounds what has become of tickets, and when it does again. */
  follows?: (following: boolean) => void;
  /** What is known of the MES: it is not asked while it is away or refuses who we are. */
  breaker?: Pick<Breaker, 'online' | 'authorised'>;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #abort = new AbortController();
  readonly #ended: Promise<void>;
  /** Where the next round begins, so that each open ticket has its turn. */
  #after: string | null = null;
  /** Rounds that failed since one did not. */
  #failing = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
    const asks = options.everyMs > 0 && options.tickets.states !== undefined;
    this.#ended = asks ? this.#run() : Promise.resolve();
  }

  /**
   * Notes what an MES says by itself; false for a ticket that is not ours, or when it is nothing new.
   * @throws TicketError `TICKET_WAITING` for one whose delivery has not ended
   */
  async heard(ticket: { externalId?: string; ticketId?: string }, state: TicketState): Promise<boolean> {
    const { journal, streamPrefix } = this.#options;
    const { externalId, ticketId } = ticket;
    const entry =
      externalId === undefined
        ? await journal.deliveredAs(streamPrefix, ticketId ?? '')
        : await journal.outboxEntry(externalId);
    if (entry?.state === 'waiting' && entry.stream.startsWith(streamPrefix)) {
      throw new TicketError('TICKET_WAITING', 'the number of this ticket is not known here yet', {
        hint: 'Send the message again in a while.',
      });
    }
    if (entry?.state !== 'delivered' || !entry.stream.startsWith(streamPrefix)) return false;
    return this.#note(entry, state, 'mes');
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the follower was closed'));
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    for (;;) {
      await wait(this.#options.everyMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const { online, authorised } = this.#options.breaker ?? { online: true, authorised: true };
      if (!online || !authorised) continue;
      await this.#round().then(
        () => this.#count(0),
        () => this.#count(this.#failing + 1),
      );
    }
  }

  #count(failing: number): void {
    if (this.#abort.signal.aborted) return;
    this.#failing = failing;
    this.#options.follows?.(failing < FAILING_AFTER);
  }

  async #round(): Promise<void> {
    const { journal, streamPrefix } = this.#options;
    const entries = await journal.openOutbox(streamPrefix, { limit: PER_ROUND, after: this.#after });
    this.#after = entries.length < PER_ROUND ? null : (entries.at(-1)?.key ?? null);
    if (entries.length === 0) return;
    const byTicket = new Map(entries.map((entry) => [ticketIdOf(entry), entry]));
    for (const [ticketId, state] of await this.#states([...byTicket.keys()])) {
      const entry = byTicket.get(ticketId);
      if (entry !== undefined) await this.#note(entry, state, 'system');
    }
  }

  /** Of all at once; one by one where the MES says no to one of them. */
  async #states(ticketIds: readonly string[]): Promise<ReadonlyMap<string, TicketState>> {
    const { tickets } = this.#options;
    const { signal } = this.#abort;
    const states = new Map<string, TicketState>();
    const ask = async (ids: readonly string[]): Promise<void> => {
      for (const [id, state] of (await tickets.states?.(ids, signal)) ?? []) states.set(id, state);
    };
    try {
      await ask(ticketIds);
    } catch (error) {
      if (!isOfOne(error)) throw error;
      for (const id of ticketIds) {
        await ask([id]).catch((refusal: unknown) => {
          if (!isOfOne(refusal)) throw refusal;
        });
      }
    }
    return states;
  }

  async #note(entry: OutboxRecord, { state, said }: TicketState, actor: string): Promise<boolean> {
    const now = this.#options.now ?? (() => new Date());
    const receiver = { state, said: said.slice(0, 100), at: now().toISOString() };
    if (!(await this.#options.journal.noteReceiver(entry.key, receiver, actor))) return false;
    const body = entry.body as TicketBody;
    // A ticket that was open and is open, seen for the first time, is no news.
    if (entry.receiver !== null || state !== 'open') {
      this.#options.tell({ key: entry.key, body, ticketId: ticketIdOf(entry), receiver });
    }
    return true;
  }
}

const FORBIDDEN = 403;

/** True for what an MES says of a ticket that is gone, closed to us or told in a way nobody understands. */
function isOfOne(error: unknown): boolean {
  return error instanceof TicketError && (error.answered ? !error.passing : error.status === FORBIDDEN);
}

function ticketIdOf({ answer }: OutboxRecord): string {
  return (answer as TicketAnswer | null)?.ticketId ?? '';
}
