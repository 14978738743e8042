/**
 * The station's durable memory, as its nodes use it. Everything happens in a worker thread; what
 * resolves here has been committed. Nodes that open the same folder share one worker and one file,
 * which is closed when the last of them closes.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { asJournalError, JournalError } from './journal-error.ts';
import { ShiftCounter, type FigureSource } from './figures.ts';
import { FIRST_PREVIOUS_HASH } from './chain.ts';
import type { Failure, FromWorker, JournalState, Request, StoreMethod, WorkerOptions } from './protocol.ts';
import type { Store } from './store.ts';
import type { Journal, LedgerEntry, OutboxEntry, PressureLevel, Retention, StreamBound } from './types.ts';

export type { JournalState } from './protocol.ts';
export { JournalError } from './journal-error.ts';

/** Requests that may be under way at once; more are refused rather than piled up in memory. */
const MAX_PENDING = 20_000;
/** Records of the ledger verified at a stretch; others may write in between. */
const VERIFY_STRETCH = 1000;
/** What may wait of tickets unless told: an MES that is down for days must not fill the disk unseen. */
const TICKETS: StreamBound = { kind: 'mes', maxRows: 100_000, maxBytes: 4e9, onFull: 'reject' };
/** Shifts whose figures are kept at hand. */
const MAX_SHIFTS = 8;
const MAX_RECORD_CHARACTERS = 16 * 1024 * 1024;
/** SQLite reads JSON of up to 1000 levels; an outbox with a deeper entry could not be read any more. */
const MAX_RECORD_DEPTH = 500;

export interface JournalOptions {
  /** Where `journal.db`, `evidence/` and `ballast` live; made when absent. */
  folder: string;
  /** Room kept for the moment the disk is full. */
  ballastBytes?: number;
  /** Entries that may wait for delivery; further ones end in `JOURNAL_OUTBOX_FULL`. */
  maxWaiting?: number;
  retention?: Retention;
  /** What may wait of each kind of stream, beside `maxWaiting` for all together; tickets up to 4 GB unless told. */
  bounds?: StreamBound[];
  /** Hears when the journal runs low on disk, fails or recovers, and when a bound is neared or left. */
  onState?: (state: JournalState, pressure: PressureLevel) => void;
}

type StateListener = (state: JournalState, pressure: PressureLevel) => void;

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** One worker and the requests that wait for it. */
class JournalThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<StateListener>();
  readonly opened: Promise<void>;
  /** Resolves when the file is closed and the thread has ended. */
  readonly ended: Promise<void>;
  #nextId = 1;
  #state: JournalState = 'ready';
  #pressure: PressureLevel = 'normal';
  #failure: JournalError | undefined;
  users = 0;

  constructor(options: WorkerOptions) {
    // Beside this file, as `.ts` in the sources and as `.js` in the package.
    const file = new URL(`./journal-worker${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(file, { workerData: options });
    this.opened = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromWorker) => {
        if (message.type === 'opened') resolve();
        else if (message.type === 'refused') reject(fromFailure(message.error));
        else this.#receive(message);
      });
      this.#worker.once('error', (error: Error) => {
        this.#failure = new JournalError('JOURNAL_UNAVAILABLE', `the journal has failed: ${error.message}`, {
          cause: error,
        });
      });
      this.#worker.once('exit', () => {
        this.#failure ??= new JournalError('JOURNAL_CLOSED', 'the journal was closed');
        reject(this.#failure);
        for (const { reject: fail } of this.#pending.values()) fail(this.#failure);
        this.#pending.clear();
      });
    });
    this.opened.then(
      () => this.#worker.unref(),
      () => undefined,
    );
    this.ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  listen(listener: StateListener): () => void {
    this.#listeners.add(listener);
    if (this.#state !== 'ready' || this.#pressure !== 'normal') listener(this.#state, this.#pressure);
    return () => this.#listeners.delete(listener);
  }

  call<Method extends StoreMethod>(
    method: Method,
    parameters: Parameters<Store[Method]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReturnType<Store[Method]>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#pending.size >= MAX_PENDING) {
        throw new JournalError('JOURNAL_OVERLOAD', `${MAX_PENDING} requests are under way already`);
      }
      const request: Request = { id: this.#nextId++, method, parameters };
      this.#worker.postMessage(request, transfer);
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(request.id, { resolve: resolve as Pending['resolve'], reject });
    });
  }

  close(): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage('close');
    return this.ended;
  }

  #receive(message: FromWorker): void {
    if (message.type === 'state') {
      this.#state = message.state;
      this.#pressure = message.pressure;
      for (const listener of this.#listeners) listener(message.state, message.pressure);
    }
    if (message.type !== 'replies') return;
    for (const { id, result, error } of message.replies) {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) pending?.resolve(result);
      else pending?.reject(fromFailure(error));
    }
    if (this.#pending.size === 0) this.#worker.unref();
  }
}

/** The threads of this process, by the real path of their folder. */
const threads = new Map<string, JournalThread>();

/**
 * @throws JournalError `JOURNAL_UNAVAILABLE`, `JOURNAL_NEWER`, `JOURNAL_CORRUPT` or `JOURNAL_FULL`
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const {
    ballastBytes = 8 * 1024 * 1024,
    maxWaiting = 100_000,
    retention = {},
    bounds = [TICKETS],
    onState,
  } = options;
  const folder = await realFolder(options.folder);
  for (;;) {
    const shared = threads.get(folder);
    if (shared === undefined || (shared.users > 0 && !shared.failed)) break;
    await shared.ended;
    if (threads.get(folder) === shared) threads.delete(folder);
  }
  const thread =
    threads.get(folder) ?? new JournalThread({ folder, ballastBytes, maxWaiting, retention, bounds });
  threads.set(folder, thread);
  thread.users += 1;
  try {
    await thread.opened;
  } catch (error) {
    thread.users -= 1;
    if (threads.get(folder) === thread) threads.delete(folder);
    throw error;
  }
  const unlisten = onState === undefined ? () => undefined : thread.listen(onState);
  return journalOn(thread, async () => {
    unlisten();
    thread.users -= 1;
    if (thread.users > 0) return;
    await thread.close();
    if (threads.get(folder) === thread) threads.delete(folder);
  });
}

async function realFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    return await realpath(folder);
  } catch (error) {
    throw asJournalError(error, folder);
  }
}

function journalOn(thread: JournalThread, release: () => Promise<void>): Journal {
  let closed: Promise<void> | undefined;
  const shifts = new Map<string, ShiftCounter>();
  const source: FigureSource = {
    firstSince: (since) => call('firstSince', [since]),
    rows: (from) => call('figureRows', [from]),
    labels: (from) => call('labelFigures', [from]),
  };

  async function call<Method extends StoreMethod>(
    method: Method,
    parameters: Parameters<Store[Method]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReturnType<Store[Method]>> {
    if (closed !== undefined) throw new JournalError('JOURNAL_CLOSED', 'the journal was closed');
    return thread.call(method, parameters, transfer);
  }

  return {
    recordPart: async (inspection) => call('recordPart', [toJson(inspection)]),
    parts: (query = {}) => call('parts', [query]),
    lastSequence: () => call('lastSequence', []),
    counts: () => call('counts', []),

    recordLabel: async (label) => call('recordLabel', [toJson(label)]),
    labels: (query = {}) => call('labels', [query]),
    figures: (since) => {
      const counter = shifts.get(since) ?? new ShiftCounter(since, source);
      shifts.delete(since);
      shifts.set(since, counter);
      const [oldest] = shifts.keys();
      if (shifts.size > MAX_SHIFTS && oldest !== undefined) shifts.delete(oldest);
      return counter.read();
    },
    waitingForReview: () => call('waitingForReview', []),

    appendLedger: async (entry: LedgerEntry) => call('appendLedger', [toJson(entry)]),
    ledger: (query = {}) => call('ledger', [query]),
    verifyLedger: async () => {
      let head = { sequence: 0, hash: FIRST_PREVIOUS_HASH };
      for (;;) {
        const walked = await call('verifyLedgerFrom', [head, VERIFY_STRETCH]);
        ({ head } = walked);
        if (walked.end) return { records: head.sequence, brokenAt: walked.brokenAt };
      }
    },

    recordCommand: async (intent) => call('recordCommand', [toJson(intent)]),
    recordCommandResult: async (result) => call('recordCommandResult', [toJson(result)]),
    command: (id) => call('command', [id]),
    openCommands: () => call('openCommands', []),
    commands: (query = {}) => call('commands', [query]),

    acceptOutbox: async ({ attachment, furtherAttachments = [], ...entry }: OutboxEntry) => {
      const json = toJson(entry);
      // Copies of our own to hand over: the bytes are shared with others in this process.
      const copies = [...(attachment === undefined ? [] : [attachment]), ...furtherAttachments].map(
        ({ bytes, mediaType }) => ({ bytes: new Uint8Array(bytes), mediaType }),
      );
      const first = attachment === undefined ? null : (copies.shift() ?? null);
      const buffers = [...(first === null ? [] : [first]), ...copies].map(({ bytes }) => bytes.buffer);
      return call('acceptOutbox', [json, first, copies], buffers);
    },
    dueOutbox: (streamPrefix) => call('dueOutbox', [streamPrefix]),
    settleOutbox: async (delivery) => call('settleOutbox', [toJson(delivery)]),
    outbox: (query = {}) => call('outbox', [query]),
    outboxEntry: (key) => call('outboxEntry', [key]),
    requeueOutbox: (key, by) => call('requeueOutbox', [key, by]),
    noteReceiver: (key, state, actor) => call('noteReceiver', [key, state, actor]),
    undelivered: () => call('undelivered', []),
    requeueAllOutbox: (address, by) => call('requeueAllOutbox', [address, by]),
    readdressOutbox: (address, to, by) => call('readdressOutbox', [address, to, by]),
    setAsideOutbox: (address, by) => call('setAsideOutbox', [address, by]),
    deliveredAs: (address, ticketId) => call('deliveredAs', [address, ticketId]),
    openOutbox: (address, query) => call('openOutbox', [address, query]),
    attachment: async (sha256) => {
      const bytes: Uint8Array = await call('attachment', [sha256]);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },

    getValue: (key) => call('getValue', [key]),
    setValue: async (key, value) => call('setValue', [key, toJson(value)]),

    close: () => {
      closed ??= release();
      return closed;
    },
  };
}

/** How many objects and lists of a JSON text lie within each other. */
function depthOf(json: string): number {
  let [depth, deepest, isText] = [0, 0, false];
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === '"') isText = !isText;
    else if (isText && character === '\\') at += 1;
    else if (!isText && (character === '{' || character === '[')) deepest = Math.max(deepest, (depth += 1));
    else if (!isText && (character === '}' || character === ']')) depth -= 1;
  }
  return deepest;
}

/** @throws JournalError `JOURNAL_BAD_RECORD` */
function toJson(value: unknown): string {
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined && depthOf(text) > MAX_RECORD_DEPTH) {
      throw new JournalError('JOURNAL_BAD_RECORD', `a record of ${depthOf(text)} levels is too deep`);
    }
    if (text !== undefined && text.length <= MAX_RECORD_CHARACTERS) return text;
    if (text !== undefined) {
      throw new JournalError('JOURNAL_BAD_RECORD', `a record of ${text.length} characters is too large`, {
        hint: 'Pictures belong into attachments, which are kept as files.',
      });
    }
  } catch (error) {
    if (error instanceof JournalError) throw error;
    throw new JournalError('JOURNAL_BAD_RECORD', `this is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new JournalError('JOURNAL_BAD_RECORD', `a ${typeof value} is not JSON`);
}

function fromFailure({ code, message, hint }: Failure): JournalError {
  return new JournalError(code, message, hint === undefined ? {} : { hint });
}
