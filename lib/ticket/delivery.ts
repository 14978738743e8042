/**
 * Brings the tickets of one station to one MES: each once, in the order of its stream, however often
 * the MES, the network or this process fails. What waits is in the journal's outbox; this is the pump.
 *
 * Before any attempt but the very first it asks the MES for a ticket with this key: an answer that
 * was lost left a ticket behind, and an MES may ignore the idempotency key (measured with a server
 * that does: 383 tickets for 300 events without asking, 300 with).
 */
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Breaker } from './breaker.ts';
import { asCodedError } from '../errors.ts';
import { JournalError } from '../journal/journal-error.ts';
import type { Journal, OutboxEntry, OutboxRecord } from '../journal/types.ts';
import type { Picture, TicketClient } from './client.ts';
import { currentEvent, type QualityEvent } from './event.ts';
import type { TicketAnswer, TicketBody, TicketChange, TicketOutcome } from './outcome.ts';
import { Retries, type Attempt } from './retries.ts';
import { TicketError } from './ticket-error.ts';

/** Node-RED gives a node 15 s to close. */
const CLOSE_WITHIN_MS = 5000;
/** Errors of the journal that are about one entry, and would be the same again. */
const OF_ENTRY: ReadonlySet<string> = new Set(['JOURNAL_NOT_FOUND', 'JOURNAL_EVIDENCE_UNREADABLE']);
/** How long to wait for a journal that fails. */
const JOURNAL_RETRY_MS = 1000;

export interface DeliveryState {
  waiting: number;
  dead: number;
  online: boolean;
  /** False while the MES refuses the credentials. */
  authorised: boolean;
  /** False while it does not say what has become of tickets. */
  following: boolean;
}

export interface Listener {
  outcome(outcome: TicketOutcome): void;
  changed?(change: TicketChange): void;
  state(state: DeliveryState): void;
}

export interface DeliveryOptions {
  journal: Pick<Journal, 'acceptOutbox' | 'dueOutbox' | 'settleOutbox' | 'attachment' | 'recordPart'>;
  /** Every entry whose stream starts with it is delivered here. */
  streamPrefix: string;
  tickets: TicketClient;
  /** Shared by all deliveries to one MES; one of its own unless given. */
  breaker?: Breaker;
  random?: () => number;
  monotonicNow?: () => number;
  /** How long {@link Delivery.close} waits for tickets that are being opened. */
  closeWithinMs?: number;
}

/** What this run knows of an entry, whether or not the journal could be told. */
interface Known {
  /** Accepted in this run and never tried: the only ones the MES cannot know. */
  untried: boolean;
  ticketId?: string | undefined;
  /** The MES has everything: only the journal does not know it yet. */
  complete: boolean;
  /** Not tried before, by the monotonic clock. */
  notBefore: number;
}

export class Delivery {
  readonly #journal: DeliveryOptions['journal'];
  readonly #prefix: string;
  readonly #tickets: TicketClient;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #closeWithinMs: number;
  readonly #abort = new AbortController();
  /** Ends what opens tickets, later than everything else. */
  readonly #abortCreate = new AbortController();
  readonly #listeners = new Map<string, Listener>();
  /** Until they are settled. */
  readonly #known = new Map<string, Known>();
  /** The journal did not take the last write: no ticket is opened whose number it could not keep. */
  #journalFailed = false;
  readonly #underWay = new Map<string, Promise<void>>();
  #wake: () => void = () => undefined;
  #woken: Promise<void> = Promise.resolve();
  readonly #breaker: Breaker;
  readonly #retries: Retries;
  #state: DeliveryState = { waiting: 0, dead: 0, online: true, authorised: true, following: true };
  readonly #ended: Promise<void>;

  constructor(options: DeliveryOptions) {
    this.#journal = options.journal;
    this.#prefix = options.streamPrefix;
    this.#tickets = options.tickets;
    const { random = Math.random } = options;
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#startedAt = this.#now();
    this.#closeWithinMs = options.closeWithinMs ?? CLOSE_WITHIN_MS;
    this.#breaker = options.breaker ?? new Breaker({ random, monotonicNow: options.monotonicNow });
    this.#retries = new Retries({ tickets: options.tickets, breaker: this.#breaker, random });
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
      this.#known.set(entry.key, { untried: true, complete: false, notBefore: 0 });
      this.#show({ ...this.#state, waiting: this.#state.waiting + 1 });
      this.#wake();
    }
    return { accepted, record };
  }

  /** Looks at the outbox again: somebody has put an entry back. */
  wake(): void {
    this.#wake();
  }

  /** Whether the MES says what has become of tickets. */
  follows(following: boolean): void {
    this.#show({ ...this.#state, following });
  }

  /** Tells the node that sent the ticket. */
  tell(change: TicketChange): void {
    this.#listeners.get(change.body.node)?.changed?.(change);
  }

  /** Ends what is under way, tickets that are being opened after a while; what is not done stays in the outbox. */
  async close(): Promise<void> {
    const reason = new Error('the delivery was closed');
    this.#abort.abort(reason);
    const late = setTimeout(() => this.#abortCreate.abort(reason), this.#closeWithinMs);
    await this.#ended;
    clearTimeout(late);
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
        const idle = due.records.filter(({ key }) => !before.has(key));
        const waitMs = (record: OutboxRecord): number => this.#knownOf(record).notBefore - this.#now();
        const waits = idle.map(waitMs).filter((ms) => ms > 0);
        const ready = idle
          .filter((record) => waitMs(record) <= 0)
          // Who was refused does not stand in the way of who was not asked yet.
          .toSorted(
            (one, other) =>
              Number(this.#retries.wasRefused(one.key)) - Number(this.#retries.wasRefused(other.key)),
          );
        for (const record of ready) await this.#start(record);
        const nextMs = Math.min(due.nextDueMs ?? Infinity, ...waits);
        // What ended meanwhile is looked at again.
        const ended = [...before].some((key) => !this.#underWay.has(key));
        if (ready.length === 0 && !ended) await this.#idle(nextMs === Infinity ? null : nextMs);
      } catch {
        // The journal fails and says so to its owner; what waits in it is not lost.
        await wait(JOURNAL_RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    await Promise.all(this.#underWay.values());
  }

  /** The run before may have opened a ticket a moment ago, which the MES cannot find yet. */
  #knownOf({ key, answer }: OutboxRecord): Known {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const hasTicket = (answer as TicketAnswer | null)?.ticketId !== undefined;
    const notBefore = hasTicket ? 0 : this.#startedAt + this.#retries.inDoubtMs;
    const made: Known = { untried: false, complete: false, notBefore };
    this.#known.set(key, made);
    return made;
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

  /** Waits for a place among all that ask this MES, then starts the delivery. */
  async #start(record: OutboxRecord): Promise<void> {
    const leave = await this.#breaker.enter(this.#abort.signal);
    if (leave === undefined) return;
    const ended = this.#deliver(record).finally(() => {
      leave();
      this.#underWay.delete(record.key);
    });
    this.#underWay.set(record.key, ended);
  }

  /** Never rejects. */
  async #deliver(record: OutboxRecord): Promise<void> {
    const { key } = record;
    const known = this.#knownOf(record);
    known.ticketId ??= (record.answer as TicketAnswer | null)?.ticketId;
    const attempt: Attempt = { answered: false, opening: false };
    try {
      if (!known.complete) {
        await this.#complete(record, known, attempt);
        known.complete = true;
        this.#retries.complete(key);
        this.#reached();
      }
      await this.#settle(record, numberOf(known));
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const { code, message } = asCodedError(error);
      const answer = { ...numberOf(known), error: { code, message } };
      if (error instanceof JournalError && !OF_ENTRY.has(code)) {
        this.#forgone(known);
      } else if (this.#retries.mayPass(record, error, attempt)) {
        const delayMs = this.#retries.failed(record, error, attempt);
        if (error instanceof TicketError) {
          const { online, authorised } = this.#breaker;
          this.#show({ ...this.#state, online, authorised });
        }
        known.notBefore = this.#now() + delayMs;
        await this.#quietly(known, () =>
          this.#journal.settleOutbox({ key, result: 'retry', delayMs, answer }),
        );
      } else {
        this.#retries.giveUp(key, error, attempt);
        if (error instanceof TicketError && error.answered) this.#reached();
        await this.#quietly(known, () => this.#settle(record, answer));
      }
    }
  }

  /** The journal failed: the entry is as it was, and what the MES said of it is kept here until it can be told. */
  #forgone(known: Known): void {
    this.#journalFailed = true;
    known.notBefore = Math.max(known.notBefore, this.#now() + JOURNAL_RETRY_MS);
  }

  /** Ticket, then evidence. */
  async #complete(record: OutboxRecord, known: Known, attempt: Attempt): Promise<void> {
    const { signal } = this.#abort;
    const { key } = record;
    const event = currentEvent((record.body as TicketBody).event);
    if (this.#journalFailed) {
      await this.#journal.settleOutbox({ key, result: 'progress', answer: numberOf(known) });
      this.#journalFailed = false;
    }
    const first = known.untried && record.attempts === 0;
    known.untried = false;
    if (!first) known.ticketId ??= await this.#tickets.find(event.id, signal);
    // It has answered a question about this ticket: what fails from here on fails at the ticket.
    attempt.answered = !first;
    if (known.ticketId === undefined) {
      signal.throwIfAborted();
      attempt.opening = true;
      known.ticketId = await this.#tickets.create(event, this.#abortCreate.signal);
      attempt.opening = false;
    }
    if (record.attachment !== null && this.#tickets.attach !== undefined) {
      // From here on a failure leaves a ticket behind that must not be opened again.
      await this.#journal.settleOutbox({ key, result: 'progress', answer: numberOf(known) });
      for await (const picture of this.#pictures(record, event)) {
        await this.#tickets.attach(known.ticketId, picture, signal);
      }
    }
  }

  async *#pictures(record: OutboxRecord, { evidence }: QualityEvent): AsyncGenerator<Picture> {
    for (const stored of [record.attachment, ...record.furtherAttachments]) {
      if (stored === null) continue;
      const role = evidence.find(({ sha256 }) => sha256 === stored.sha256)?.role ?? 'frame';
      yield { ...stored, role, bytes: await this.#journal.attachment(stored.sha256) };
    }
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
    this.#known.delete(key);
    const { waiting, dead } = this.#state;
    this.#show({
      ...this.#state,
      waiting: Math.max(0, waiting - 1),
      dead: error === undefined ? dead : dead + 1,
    });
    this.#listeners.get(body.node)?.outcome({ key, body, ticketId, error });
  }

  async #quietly(known: Known, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch {
      this.#forgone(known);
    }
  }

  #reached(): void {
    this.#breaker.succeeded();
    this.#show({ ...this.#state, online: true, authorised: true });
  }

  #show(state: DeliveryState): void {
    if (isDeepStrictEqual(state, this.#state)) return;
    this.#state = state;
    for (const listener of this.#listeners.values()) listener.state(state);
  }
}

function numberOf({ ticketId }: Known): TicketAnswer {
  return ticketId === undefined ? {} : { ticketId };
}
