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
import type { Inspection } from '../inspection/inspection.ts';
import { fullJitterMs } from '../backoff.ts';
import { Breaker } from './breaker.ts';
import { asCodedError } from '../errors.ts';
import { JournalError } from '../journal/journal-error.ts';
import type { Journal, OutboxEntry, OutboxRecord, ReceiverState } from '../journal/types.ts';
import type { Picture, TicketClient } from './client.ts';
import { currentEvent, type QualityEvent } from './event.ts';
import { TicketError } from './ticket-error.ts';

const RETRY = { firstMs: 500, maxMs: 60_000 };
/** Node-RED gives a node 15 s to close. */
const CLOSE_WITHIN_MS = 5000;
/** Answers of a proxy that has waited in vain for the MES behind it. */
const NO_ANSWER: ReadonlySet<number | undefined> = new Set([undefined, 502, 504]);
/** Attempts after which a ticket the MES fails at is set aside, though the MES itself works. */
const POISON_AFTER = 10;
/** What an MES answers that has failed at what it was asked, and would again. */
const FAILED_AT: ReadonlySet<number | undefined> = new Set([500, 501]);
/** Answers of whatever stands before the MES while it is away, and of an address that is wrong: seldom about one ticket. */
function isAstray({ code, status = 0 }: TicketError): boolean {
  return code === 'MES_REJECTED' && ((status >= 300 && status < 400) || status === 404 || status === 405);
}

/** Errors of the journal that are about one entry, and would be the same again. */
const OF_ENTRY: ReadonlySet<string> = new Set(['JOURNAL_NOT_FOUND', 'JOURNAL_EVIDENCE_UNREADABLE']);
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
  /** False while the MES refuses the credentials. */
  authorised: boolean;
  /** False while it does not say what has become of tickets. */
  following: boolean;
}

/** What the MES says of a ticket it has had for a while. */
export interface TicketChange {
  key: string;
  body: TicketBody;
  ticketId: string;
  receiver: ReceiverState;
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

interface Attempt {
  /** The MES has answered a question about this ticket. */
  answered: boolean;
  /** The request that opens the ticket is under way, or was when the attempt failed. */
  opening: boolean;
}

export class Delivery {
  readonly #journal: DeliveryOptions['journal'];
  readonly #prefix: string;
  readonly #tickets: TicketClient;
  readonly #random: () => number;
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
  /** Tickets the MES has taken completely, in this run. */
  #completed = 0;
  /** How many that were when one was given up that the MES failed at: no other is until one more comes through. */
  #gaveUpAt: number | undefined;
  /** How many deliveries had succeeded when the MES refused this one for who we are. */
  readonly #refusedAt = new Map<string, number>();
  #state: DeliveryState = { waiting: 0, dead: 0, online: true, authorised: true, following: true };
  readonly #ended: Promise<void>;

  constructor(options: DeliveryOptions) {
    this.#journal = options.journal;
    this.#prefix = options.streamPrefix;
    this.#tickets = options.tickets;
    this.#random = options.random ?? Math.random;
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#startedAt = this.#now();
    this.#closeWithinMs = options.closeWithinMs ?? CLOSE_WITHIN_MS;
    this.#breaker =
      options.breaker ?? new Breaker({ random: this.#random, monotonicNow: options.monotonicNow });
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
            (one, other) => Number(this.#refusedAt.has(one.key)) - Number(this.#refusedAt.has(other.key)),
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

  /** How long a ticket may come to be, or may not be found, after a request to open it went unanswered. */
  #inDoubtMs(): number {
    const { lookUpAfterMs = 0, commitsWithinMs = 0 } = this.#tickets;
    return Math.max(lookUpAfterMs, commitsWithinMs);
  }

  /** The run before may have opened a ticket a moment ago, which the MES cannot find yet. */
  #knownOf({ key, answer }: OutboxRecord): Known {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const hasTicket = (answer as TicketAnswer | null)?.ticketId !== undefined;
    const notBefore = hasTicket ? 0 : this.#startedAt + this.#inDoubtMs();
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
        this.#completed += 1;
        this.#refusedAt.delete(key);
        this.#reached();
      }
      await this.#settle(record, numberOf(known));
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const { code, message } = asCodedError(error);
      const answer = { ...numberOf(known), error: { code, message } };
      if (error instanceof JournalError && !OF_ENTRY.has(code)) {
        this.#forgone(known);
      } else if (this.#mayPass(record, error, attempt)) {
        const delayMs = this.#failed(record, error, attempt);
        known.notBefore = this.#now() + delayMs;
        await this.#quietly(known, () =>
          this.#journal.settleOutbox({ key, result: 'retry', delayMs, answer }),
        );
      } else {
        this.#refusedAt.delete(key);
        if (failsAtIt(error, attempt)) this.#gaveUpAt = this.#completed;
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

  /**
   * False also for what would pass in general: an MES that fails at this ticket again and again, or that lets others
   * in and refuses this one. An MES that fails at everything costs one ticket its place, and not the whole queue.
   */
  #mayPass({ key, attempts }: OutboxRecord, error: unknown, attempt: Attempt): boolean {
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

  /** Milliseconds until the entry is tried again; waiting for credentials is the breaker's, not the entry's. */
  #failed({ key, attempts }: OutboxRecord, error: unknown, { opening }: Attempt): number {
    const jitterMs = fullJitterMs(attempts, this.#random(), RETRY);
    if (!(error instanceof TicketError)) return Math.max(jitterMs, opening ? this.#inDoubtMs() : 0);
    if (error.code === 'MES_AUTH') {
      this.#refusedAt.set(key, this.#breaker.successes);
      this.#breaker.refused();
    } else {
      this.#breaker.failed();
    }
    const { online, authorised } = this.#breaker;
    this.#show({ ...this.#state, online, authorised });
    if (error.code === 'MES_AUTH') return 0;
    const inDoubt = opening && NO_ANSWER.has(error.status) && !error.unsent;
    const lookUpMs = inDoubt ? this.#inDoubtMs() : (this.#tickets.lookUpAfterMs ?? 0);
    return Math.max(error.retryAfterMs, jitterMs, lookUpMs);
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

/** Whether it may be about this ticket, though it may as well be about the MES. */
function failsAtIt(error: unknown, { answered }: Attempt): boolean {
  if (!(error instanceof TicketError)) return false;
  return isAstray(error) || (answered && FAILED_AT.has(error.status));
}

function numberOf({ ticketId }: Known): TicketAnswer {
  return ticketId === undefined ? {} : { ticketId };
}
