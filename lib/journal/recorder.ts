/**
 * What the journal's thread does with requests, with failures of the disk and with idle time. Every request gets an
 * answer. After an error of the disk the file handle is never used again: the file is opened anew and checked, and
 * unless everything that was confirmed is there, the journal stays refused until Node-RED is restarted.
 */
import type { Database } from 'better-sqlite3';
import { Ballast } from './ballast.ts';
import type { Tail } from './commits.ts';
import { openDatabase } from './database.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { commitBatch } from './group-commit.ts';
import { asJournalError, JournalError } from './journal-error.ts';
import type { FromWorker, JournalState, Reply, Request, WorkerOptions } from './protocol.ts';
import { Pruning } from './pruning.ts';
import { Sealing } from './sealing.ts';
import { Store } from './store.ts';
import type { LedgerEntry, PressureLevel } from './types.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

/** How often a spent ballast is tried again. */
const REFILL_INTERVAL_MS = 60_000;
/** Opening checks the file, so it is not tried for every request while the disk fails. */
const REOPEN_INTERVAL_MS = 500;
/** Between two rounds of throwing away. */
const PRUNE_INTERVAL_MS = 600_000;
/** Even a station that never rests is tidied this often, a small step each time. */
const LONGEST_UNTIDY_MS = 30_000;
/** How long a commit may have to wait for a round of small steps; each takes one commit of its own. */
const TIDY_MS = 20;
/** Alarms that wait for a disk that takes them. */
const MAX_ALARMS = 16;

interface Open {
  database: Database;
  store: Store;
  pruning: Pruning;
  sealing: Sealing;
  folder: string;
}

export class Recorder {
  readonly #options: WorkerOptions;
  readonly #send: (message: FromWorker, transfer?: ArrayBuffer[]) => void;
  readonly #ballast: Ballast;
  readonly #log: WriteAheadLog;
  readonly #lock: FolderLock;
  readonly #alarms: LedgerEntry[] = [];
  #open: Open | undefined;
  #confirmed: Tail | undefined;
  #refusal: { error: unknown; until: number } | undefined;
  #state: JournalState = 'ready';
  #pressure: PressureLevel = 'normal';
  #tidiedAt = performance.now();
  #refillAt = 0;
  #pruneAt = 0;
  #isIdle = false;

  /** @throws JournalError as `openJournal` */
  constructor(options: WorkerOptions, send: (message: FromWorker, transfer?: ArrayBuffer[]) => void) {
    this.#options = options;
    this.#send = send;
    this.#ballast = new Ballast(options.folder, options.ballastBytes);
    this.#log = new WriteAheadLog(options.folder);
    try {
      this.#lock = lockFolder(options.folder);
    } catch (error) {
      throw asJournalError(error, options.folder);
    }
    try {
      this.#open = this.#openFile();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    if (!this.#ballast.fill()) this.#state = 'low';
    this.#pressure = this.#pressureNow(this.#open);
    send({ type: 'opened' });
    if (this.#state !== 'ready' || this.#pressure !== 'normal') this.#tell();
  }

  /** Takes the first request and what `next` has; whatever happens, all that is taken get an answer. */
  serve(first: Request, next: () => Request | undefined): void {
    this.#isIdle = false;
    const taken = [first];
    const counted = (): Request | undefined => {
      const request = next();
      if (request !== undefined) taken.push(request);
      return request;
    };
    try {
      const open = this.#reopened();
      const batch = commitBatch(open, first, counted, () => this.#ballast.free());
      if (batch.committed !== undefined) this.#confirmed = batch.committed;
      this.#note(batch.failure?.code, batch.madeRoom);
      this.#answer(batch.replies);
      if (batch.failure !== undefined) this.#distrust(batch.failure);
      else this.#guarded(() => this.#afterwards(open));
    } catch (error) {
      const { code, message, hint } = asJournalError(error, this.#options.folder);
      this.#note(code, false);
      this.#answer(taken.map(({ id }) => ({ id, error: { code, message, hint } })));
    }
  }

  /** Work that nobody waits for: its failure is the file's. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      const failure = asJournalError(error, this.#options.folder);
      this.#note(failure.code, false);
      this.#distrust(failure);
    }
  }

  /** About once a second: recovers without being asked, and does what can wait until nobody writes. */
  tick(): void {
    this.#guarded(() => {
      if (this.#state === 'full' || this.#state === 'unavailable') this.#recover();
      else if (this.#isIdle || performance.now() - this.#tidiedAt > LONGEST_UNTIDY_MS)
        this.#tidy(this.#reopened());
    });
    this.#isIdle = true;
  }

  close(): void {
    try {
      this.#open?.store.saveDelays();
    } catch {
      // A full disk: the entries keep the whole delay.
    }
    this.#drop();
    this.#lock.release();
  }

  #openFile(): Open {
    const { folder, maxWaiting, bounds, retention } = this.#options;
    const database = openDatabase(folder);
    try {
      const store = new Store(database, { folder, maxWaiting, bounds });
      const pruning = new Pruning(database, store, { folder, retention });
      const sealing = new Sealing(database, store, { folder, days: retention.ledgerDays });
      return { database, store, pruning, sealing, folder };
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #reopened(): Open {
    if (this.#open !== undefined) return this.#open;
    if (this.#refusal !== undefined && performance.now() < this.#refusal.until) throw this.#refusal.error;
    let until = performance.now() + REOPEN_INTERVAL_MS;
    try {
      const opened = this.#openFile();
      if (this.#confirmed !== undefined && !opened.store.holds(this.#confirmed)) {
        opened.database.close();
        until = Infinity;
        throw new JournalError(
          'JOURNAL_LOST',
          `the disk of ${this.#options.folder} lost what it had confirmed`,
          {
            hint: 'Look after the disk, run jidoka journal verify on the folder, then restart Node-RED.',
          },
        );
      }
      this.#open = opened;
      return opened;
    } catch (error) {
      this.#refusal = { error, until };
      throw error;
    }
  }

  #answer(replies: Reply[]): void {
    const buffers = replies.flatMap(({ result }) =>
      result instanceof Uint8Array ? [result.buffer as ArrayBuffer] : [],
    );
    this.#send({ type: 'replies', replies }, buffers);
  }

  /** Before the answers, so that who gets an error knows the state already. */
  #note(failureCode: string | undefined, madeRoom: boolean): void {
    if (failureCode !== undefined) {
      this.#become(failureCode === 'JOURNAL_FULL' ? 'full' : 'unavailable');
    } else if (madeRoom) {
      this.#refillAt = performance.now() + REFILL_INTERVAL_MS;
      this.#become('low');
    } else if (this.#state !== 'ready') {
      this.#become(this.#ballast.isThere && !this.#log.isHeld ? 'ready' : 'low');
    }
  }

  #become(state: JournalState): void {
    if (state === this.#state) return;
    this.#alarm(`journal.${state}`, { was: this.#state });
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    this.#send({ type: 'state', state: this.#state, pressure: this.#pressure });
  }

  #alarm(type: string, detail: Record<string, unknown>): void {
    if (this.#alarms.length === MAX_ALARMS) this.#alarms.shift();
    this.#alarms.push({ type, actor: 'system', object: 'journal', detail });
  }

  /** After the answers: what takes a while, or fails without harm to anybody's request. */
  #afterwards(open: Open): void {
    this.#log.bound(open.database);
    if (this.#log.isHeld && this.#state === 'ready') this.#become('low');
    this.#watchPressure(open);
    this.#writeAlarms(open);
    if (this.#state === 'low' && performance.now() >= this.#refillAt) {
      this.#refillAt = performance.now() + REFILL_INTERVAL_MS;
      if (this.#ballast.fill() && !this.#log.isHeld) this.#become('ready');
    }
  }

  /** In the room the ballast left, or as soon as the disk takes anything again. */
  #writeAlarms({ database, store }: Open): void {
    if (this.#alarms.length === 0) return;
    database.transaction(() => {
      for (const entry of this.#alarms) store.appendLedger(JSON.stringify(entry));
      this.#confirmed = store.countCommit();
    })();
    this.#alarms.length = 0;
  }

  #recover(): void {
    const open = this.#reopened();
    this.#writeAlarms(open);
    this.#note(undefined, false);
    this.#writeAlarms(open);
  }

  #tidy(open: Open): void {
    this.#tidiedAt = performance.now();
    this.#note(undefined, false);
    this.#afterwards(open);
    open.database.transaction(() => {
      if (open.store.expireTelemetry() > 0) this.#confirmed = open.store.countCommit();
    })();
    while (performance.now() >= this.#pruneAt && performance.now() - this.#tidiedAt < TIDY_MS) {
      // both have their turn, so that a long way to go of one does not hold up the other
      const [pruned, sealed] = [open.pruning.step(), open.sealing.step()];
      if (!pruned && !sealed) this.#pruneAt = performance.now() + PRUNE_INTERVAL_MS;
    }
    this.#log.cut(open.database);
  }

  #watchPressure(open: Open): void {
    const pressure = this.#pressureNow(open);
    if (pressure === this.#pressure) return;
    this.#alarm(`journal.outbox-${pressure}`, { was: this.#pressure, bounds: open.store.bounds() });
    this.#pressure = pressure;
    this.#tell();
  }

  #pressureNow({ store }: Open): PressureLevel {
    const levels = new Set(store.bounds().map(({ level }) => level));
    return (['full', 'shed', 'warn'] as const).find((level) => levels.has(level)) ?? 'normal';
  }

  /** A full disk leaves the file as it was; any other error means that nobody knows what the disk has. */
  #distrust({ code }: JournalError): void {
    if (code !== 'JOURNAL_FULL') this.#drop();
  }

  #drop(): void {
    try {
      this.#open?.database.close();
    } catch {
      // It is being given up because it fails.
    }
    this.#open = undefined;
  }
}
