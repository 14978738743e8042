/**
 * Brings the tickets of one station to one MES: each once, in the order of its stream, however often
 * the MES, the network or this process fails. What waits is in the journal's outbox; this is the pump.
 *
 * Before any attempt but the very first it asks the MES for a ticket with this key: an answer that
 * was lost left a ticket behind, and an MES may ignore the idempotency key (measured with a server
 * that does: 383 tickets for 300 events without asking, 300 with).
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Inspection } from '../inspection/inspection.ts';
import { fullJitterMs } from '../backoff.ts';
import { asCodedError } from '../errors.ts';
import type { Journal, OutboxEntry, OutboxRecord } from '../journal/types.ts';
import type { TicketClient } from './client.ts';
import type { QualityEvent } from './event.ts';
import { TicketError } from './ticket-error.ts';

const RETRY = { firstMs: 500, maxMs: 60_000 };
/** Streams delivered at the same time. */
const PARALLEL = 4;
/** Failures in a row after which the MES counts as offline. */
const OFFLINE_AFTER = 3;
/** Failures in a row after which one request at a time finds out whether it is back. */
const PAUSE_AFTER = 5;
/** How long to wait for a journal that fails. */
const JOURNAL_RETRY_MS = 1000;

/** What an entry of the outbox holds. */
export interface TicketBody {
  /** The node that sent it and hears of its outcome. */
  node: string;
  event: QualityEvent;
  /** The envelope as it was, to go on with after a restart. */
  inspection: Inspection;
}

/** What the outbox remembers of the MES's answers. */
export interface TicketAnswer {
  ticketId?: string;
  error?: { code: string; message: string };
}

export interface TicketOutcome {
  key: string;
  body: TicketBody;
  /** Empty when the MES never gave one. */
  ticketId: string;
  /** Why the ticket was set aside; undefined when the MES has it complete. */
  error: { code: string; message: string } | undefined;
}

/** The outcome of an entry that is delivered or set aside; undefined while it waits. */
export function outcomeOf({ key, state, body, answer }: OutboxRecord): TicketOutcome | undefined {
  if (state === 'waiting') return undefined;
  const { ticketId = '', error } = (answer ?? {}) as TicketAnswer;
  return { key, body: body as TicketBody, ticketId, error };
}

export interface DeliveryState {
  waiting: number;
  dead: number;
  online: boolean;
}

export interface Listener {
  outcome(outcome: TicketOutcome): void;
  state(state: DeliveryState): void;
}

export interface DeliveryOptions {
  journal: Pick<Journal, 'acceptOutbox' | 'dueOutbox' | 'settleOutbox' | 'attachment' | 'recordPart'>;
  /** Every entry whose stream starts with it is delivered here. */
  streamPrefix: string;
  tickets: TicketClient;
  random?: () => number;
  monotonicNow?: () => number;
}

export class Delivery {
  readonly #journal: DeliveryOptions['journal'];
  readonly #prefix: string;
  readonly #tickets: TicketClient;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #abort = new AbortController();
  readonly #listeners = new Map<string, Listener>();
  /** Accepted in this run and never tried: the only ones the MES cannot know. */
  readonly #untried = new Set<string>();
  readonly #underWay = new Map<string, Promise<void>>();
  #wake: () => void = () => undefined;
  #woken: Promise<void> = Promise.resolve();
  #failuresInARow = 0;
  #pausedUntil = 0;
  #state: DeliveryState = { waiting: 0, dead: 0, online: true };
  readonly #ended: Promise<void>;

  constructor(options: DeliveryOptions) {
    this.#journal = options.journal;
    this.#prefix = options.streamPrefix;
    this.#tickets = options.tickets;
    this.#random = options.random ?? Math.random;
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#ended = this.#run();
  }

  /** Outcomes of what this node sent go to its listener, as do all changes of state. */
  join(node: string, listener: Listener): () => void {
    this.#listeners.set(node, listener);
    listener.state(this.#state);
    return () => {
      if (this.#listeners.get(node) === listener) this.#listeners.delete(node);
    };
  }

  /** Resolves when the entry is durable; its outcome goes to the listener. */
  async accept(entry: Omit<OutboxEntry, 'stream' | 'body'> & { stream: string; body: TicketBody }) {
    const stream = `${this.#prefix}${entry.stream}`;
    const { accepted, record } = await this.#journal.acceptOutbox({ ...entry, stream });
    if (accepted) {
      this.#untried.add(entry.key);
      this.#show({ ...this.#state, waiting: this.#state.waiting + 1 });
      this.#wake();
    }
    return { accepted, record };
  }

  /** Ends what is under way; it stays in the outbox. */
  async close(): Promise<void> {
    this.#abort.abort(new Error('the delivery was closed'));
    await this.#ended;
    this.#tickets.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        this.#woken = new Promise((resolve) => (this.#wake = resolve));
        const before = new Set(this.#underWay.keys());
        const due = await this.#journal.dueOutbox(this.#prefix);
        this.#show({ ...this.#state, waiting: due.waiting, dead: due.dead });
        // One that ended while the journal answered may still be in the answer.
        const ready = due.records.filter(({ key }) => !before.has(key));
        for (const record of ready) await this.#start(record);
        if (ready.length === 0) await this.#idle(due.nextDueMs);
      } catch {
        // The journal fails and says so to its owner; what waits in it is not lost.
        await wait(JOURNAL_RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    await Promise.all(this.#underWay.values());
  }

  /** Until there may be something to do: a new entry, the next one due, or a delivery that ended. */
  async #idle(nextDueMs: number | null): Promise<void> {
    await this.#pause([this.#woken, ...this.#underWay.values()], nextDueMs);
  }

  async #pause(events: Promise<unknown>[], longestMs: number | null): Promise<void> {
    const ended = new AbortController();
    const signal = AbortSignal.any([this.#abort.signal, ended.signal]);
    const timer = wait(longestMs ?? 2 ** 31 - 1, undefined, { signal }).catch(() => undefined);
    await Promise.race([timer, ...events]);
    ended.abort();
  }

  /** Waits for a free place, and for the end of a pause, then starts the delivery. */
  async #start(record: OutboxRecord): Promise<void> {
    const { signal } = this.#abort;
    for (;;) {
      if (signal.aborted) return;
      const pausedMs = this.#pausedUntil - this.#now();
      const places = this.#failuresInARow >= PAUSE_AFTER ? 1 : PARALLEL;
      if (this.#underWay.size >= places) await this.#pause([...this.#underWay.values()], null);
      else if (pausedMs > 0) await this.#pause([], pausedMs);
      else break;
    }
    const ended = this.#deliver(record).finally(() => this.#underWay.delete(record.key));
    this.#underWay.set(record.key, ended);
  }

  /** Never rejects. */
  async #deliver(record: OutboxRecord): Promise<void> {
    const { key } = record;
    const answer = (record.answer ?? {}) as TicketAnswer;
    try {
      const ticketId = await this.#complete(record, answer);
      this.#reached();
      await this.#settle(record, { ticketId });
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const { code, message } = asCodedError(error);
      const known = answer.ticketId === undefined ? {} : { ticketId: answer.ticketId };
      if (error instanceof TicketError && error.passing) {
        this.#failed();
        const delayMs = Math.max(error.retryAfterMs, fullJitterMs(record.attempts, this.#random(), RETRY));
        const settled = { ...known, error: { code, message } };
        await this.#quietly(() =>
          this.#journal.settleOutbox({ key, result: 'retry', delayMs, answer: settled }),
        );
      } else if (error instanceof TicketError || code === 'JOURNAL_NOT_FOUND') {
        this.#reached();
        await this.#quietly(() => this.#settle(record, { ...known, error: { code, message } }));
      } else {
        // The journal failed: the entry is as it was, and the next attempt asks the MES first.
        await wait(JOURNAL_RETRY_MS, undefined, { signal: this.#abort.signal }).catch(() => undefined);
      }
    }
  }

  /** Ticket, then evidence; resolves to the ticket's number. */
  async #complete(record: OutboxRecord, answer: TicketAnswer): Promise<string> {
    const { signal } = this.#abort;
    const { event } = record.body as TicketBody;
    const first = this.#untried.delete(record.key) && record.attempts === 0;
    const found = answer.ticketId ?? (first ? undefined : await this.#tickets.find(event.id, signal));
    const ticketId = found ?? (await this.#tickets.create(event, signal));
    answer.ticketId = ticketId;
    if (record.attachment !== null) {
      // From here on a failure leaves a ticket behind that must not be opened again.
      await this.#journal.settleOutbox({ key: record.key, result: 'progress', answer: { ticketId } });
      const bytes = await this.#journal.attachment(record.attachment.sha256);
      await this.#tickets.attach(ticketId, { ...record.attachment, bytes }, signal);
    }
    return ticketId;
  }

  /** The part's record first, so that a delivered entry never lacks it. */
  async #settle(record: OutboxRecord, answer: TicketAnswer): Promise<void> {
    const { key } = record;
    const body = record.body as TicketBody;
    const { ticketId = '', error } = answer;
    const state = error === undefined ? 'acknowledged' : 'failed';
    await this.#journal.recordPart({
      part: body.inspection.part,
      ticket: { id: ticketId, state, key },
      timings: {},
    });
    await this.#journal.settleOutbox({ key, result: error === undefined ? 'done' : 'dead', answer });
    const { waiting, dead } = this.#state;
    this.#show({
      ...this.#state,
      waiting: Math.max(0, waiting - 1),
      dead: error === undefined ? dead : dead + 1,
    });
    this.#listeners.get(body.node)?.outcome({ key, body, ticketId, error });
  }

  async #quietly(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch {
      // The journal fails: the entry is still waiting in it.
      await wait(JOURNAL_RETRY_MS, undefined, { signal: this.#abort.signal }).catch(() => undefined);
    }
  }

  #reached(): void {
    this.#failuresInARow = 0;
    this.#pausedUntil = 0;
    this.#show({ ...this.#state, online: true });
  }

  #failed(): void {
    this.#failuresInARow += 1;
    if (this.#failuresInARow >= PAUSE_AFTER) {
      const attempt = this.#failuresInARow - PAUSE_AFTER + 1;
      this.#pausedUntil = this.#now() + fullJitterMs(attempt, this.#random(), RETRY);
    }
    if (this.#failuresInARow >= OFFLINE_AFTER) this.#show({ ...this.#state, online: false });
  }

  #show(state: DeliveryState): void {
    const { waiting, dead, online } = this.#state;
    if (state.waiting === waiting && state.dead === dead && state.online === online) return;
    this.#state = state;
    for (const listener of this.#listeners.values()) listener.state(state);
  }
}
