/**
 * Moves old records of the ledger out of the database, a little at a time: into a file, which is read back; then the
 * file is named in the chain (`ledger.sealed`); only then the rows go. A process that dies at any moment leaves the rows,
 * or a file that the chain names, and mostly both. A file that cannot be written or read back is told and tried again
 * later; the station works on.
 */
import type { Database } from 'better-sqlite3';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { AgeClock, type AgeClockOptions } from './age-clock.ts';
import { syncFolder } from './evidence.ts';
import { follows, type Head, type LedgerRow } from './chain.ts';
import { packed, segmentFolder, segmentName, segmentsOf, spanOf, type Segment } from './segments.ts';
import type { Store } from './store.ts';
import { Tables } from './tables.ts';

/** About 12 MB of JSON in one file; `verify` holds one in memory. */
const SEGMENT_RECORDS = 50_000;
/** Packed in about 5 ms on a gateway. */
const ROWS_AT_ONCE = 500;
const READ_AT_ONCE = 1024 * 1024;
const DAY_MS = 86_400_000;
/** What is less than a whole segment waits this long for more. */
const PATIENCE_MS = DAY_MS;
/** What is sealed makes a record itself: a few of them are not worth a file. */
const LEAST_RECORDS = 100;
const UNFINISHED = '.part';

interface Draft extends Pick<Segment, 'first' | 'last' | 'previousHash' | 'hash' | 'file'> {
  /** Last record in the file so far. */
  written: Head;
  bytes: number;
  hashed: ReturnType<typeof createHash>;
  /** Reading it back: where, and what came out. */
  read: { at: number; hashed: ReturnType<typeof createHash> };
}

export interface SealingOptions extends AgeClockOptions {
  folder: string;
  /** Days that records stay in the database; for ever unless given. */
  days?: number | undefined;
  segmentRecords?: number;
}

export class Sealing {
  readonly #database: Database;
  readonly #tables: Tables;
  readonly #store: Store;
  readonly #journal: string;
  readonly #folder: string;
  readonly #days: number | undefined;
  readonly #segmentRecords: number;
  readonly #clock: AgeClock;
  #draft: Draft | undefined;
  /** Rows that are in a file have been removed as far as this run knows. */
  #removed = false;
  #failed = false;

  constructor(
    database: Database,
    store: Store,
    { folder, days, segmentRecords = SEGMENT_RECORDS, ...clock }: SealingOptions,
  ) {
    this.#database = database;
    this.#tables = new Tables(database);
    this.#store = store;
    this.#journal = folder;
    this.#folder = segmentFolder(folder);
    this.#days = days;
    this.#segmentRecords = segmentRecords;
    this.#clock = new AgeClock(clock);
  }

  /** One step, a few milliseconds. False when there is nothing more to do for now. */
  step(): boolean {
    if (this.#clock.hasJumped) return false;
    if (!this.#removed) {
      this.#removed = !this.#removeRows();
      return true;
    }
    try {
      return this.#write();
    } catch (error) {
      const { code = '', message } = error as { code?: string; message: string };
      if (code.startsWith('SQLITE_')) throw error;
      this.#giveUp(message);
      return false;
    }
  }

  #write(): boolean {
    const draft = (this.#draft ??= this.#next());
    if (draft === undefined) return false;
    if (draft.written.sequence < draft.last) this.#append(draft);
    else if (draft.read.at < draft.bytes) this.#readBack(draft);
    else this.#seal(draft);
    return true;
  }

  /** The next part that is old enough, and large enough or old enough for a file of its own. */
  #next(): Draft | undefined {
    if (this.#days === undefined) return undefined;
    const base = this.#store.sealedHead();
    const first = base.sequence + 1;
    const oldest = this.#clock.now() - this.#days * DAY_MS;
    const firstAt = this.#atOf(first);
    if (firstAt === undefined || firstAt >= oldest) return undefined;
    const last = this.#lastBefore(oldest, first);
    const records = last - first + 1;
    const isWorthAFile = records >= LEAST_RECORDS && firstAt < oldest - PATIENCE_MS;
    if (records < this.#segmentRecords && !isWorthAFile) return undefined;
    const [row] = this.#tables.all<{ hash: string }>('SELECT hash FROM ledger WHERE sequence = ?', last);
    if (row === undefined) return undefined;
    this.#clean();
    const { hash } = row;
    return {
      ...{ first, last, previousHash: base.hash, hash, file: segmentName({ first, last, hash }) },
      ...{ written: base, bytes: 0, hashed: createHash('sha256') },
      read: { at: 0, hashed: createHash('sha256') },
    };
  }

  /** Halves the span, because order is by sequence: a stamp that is wrong only moves the end of a segment. */
  #lastBefore(oldest: number, first: number): number {
    let [old, young] = [first, first + this.#segmentRecords];
    while (young - old > 1) {
      const middle = Math.floor((old + young) / 2);
      if ((this.#atOf(middle) ?? Infinity) < oldest) old = middle;
      else young = middle;
    }
    return old;
  }

  /** Milliseconds since 1970; undefined where there is no record. */
  #atOf(sequence: number): number | undefined {
    const [row] = this.#tables.all<{ at: string | null }>(
      `SELECT record ->> '$.at' AS at FROM ledger WHERE sequence = ?`,
      sequence,
    );
    return row === undefined ? undefined : Date.parse(row.at ?? '');
  }

  /** Removes what an earlier run began and did not come to name: its records are all in the database. */
  #clean(): void {
    mkdirSync(this.#folder, { recursive: true });
    syncFolder(this.#journal);
    for (const name of readdirSync(this.#folder)) {
      if (name.endsWith(UNFINISHED) || this.#isUnnamed(name))
        rmSync(join(this.#folder, name), { force: true });
    }
  }

  /** A file of this very chain that no record names. */
  #isUnnamed(name: string): boolean {
    const span = spanOf(name);
    if (span === undefined || span.first <= this.#store.sealedHead().sequence) return false;
    const [row] = this.#tables.all<{ hash: string }>('SELECT hash FROM ledger WHERE sequence = ?', span.last);
    return row !== undefined && name === segmentName({ ...span, hash: row.hash });
  }

  #append(draft: Draft): void {
    const rows = this.#tables
      .all<Omit<LedgerRow, 'previousHash'> & { previous_hash: string }>(
        'SELECT * FROM ledger WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?',
        ...[draft.written.sequence, draft.last, ROWS_AT_ONCE],
      )
      .map(({ previous_hash: previousHash, ...row }) => ({ ...row, previousHash }));
    for (const row of rows) {
      if (!follows(row, draft.written)) throw new Error(`record ${row.sequence} does not follow`);
      draft.written = { sequence: row.sequence, hash: row.hash };
    }
    if (rows.length === 0) throw new Error(`record ${draft.written.sequence + 1} is missing`);
    const bytes = packed(rows);
    appendFileSync(this.#partOf(draft), bytes);
    draft.hashed.update(bytes);
    draft.bytes += bytes.length;
    if (draft.written.sequence === draft.last) this.#sync(draft);
  }

  #partOf({ file }: Draft): string {
    return join(this.#folder, `${file}${UNFINISHED}`);
  }

  #sync(draft: Draft): void {
    const handle = openSync(this.#partOf(draft), 'r+');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  }

  #readBack(draft: Draft): void {
    const handle = openSync(this.#partOf(draft), 'r');
    try {
      const bytes = Buffer.alloc(READ_AT_ONCE);
      const count = readSync(handle, bytes, 0, READ_AT_ONCE, draft.read.at);
      if (count === 0) throw new Error('the file is shorter than it was written');
      draft.read.hashed.update(bytes.subarray(0, count));
      draft.read.at += count;
    } finally {
      closeSync(handle);
    }
  }

  /** From the commit on the chain names the file, which is there. */
  #seal(draft: Draft): void {
    const { first, last, previousHash, hash, file, bytes } = draft;
    const sha256 = draft.hashed.digest('hex');
    if (draft.read.hashed.digest('hex') !== sha256)
      throw new Error('the file does not read as it was written');
    renameSync(this.#partOf(draft), join(this.#folder, file));
    syncFolder(this.#folder);
    this.#draft = undefined;
    this.#commit(() => this.#store.recordSegment({ first, last, previousHash, hash, file, sha256, bytes }));
    this.#removed = false;
    this.#failed = false;
  }

  /** False when none is left; rows whose file is not there stay. */
  #removeRows(): boolean {
    const [first] = this.#tables.all<{ sequence: number }>(
      'SELECT sequence FROM ledger ORDER BY sequence LIMIT 1',
    );
    if (first === undefined || first.sequence > this.#store.sealedHead().sequence) return false;
    const segment = segmentsOf(this.#database).find(({ last }) => last >= first.sequence);
    if (segment === undefined) return false;
    const found = statSync(join(this.#folder, segment.file), { throwIfNoEntry: false });
    if (found?.size !== segment.bytes) {
      this.#tell(`${segment.file} is not there as it was sealed: its records stay in the database`);
      return false;
    }
    this.#commit(() => {
      this.#tables.run(
        'DELETE FROM ledger WHERE sequence >= ? AND sequence < ? AND sequence <= ?',
        ...[first.sequence, first.sequence + ROWS_AT_ONCE, segment.last],
      );
    });
    return true;
  }

  #giveUp(reason: string): void {
    if (this.#draft !== undefined) rmSync(this.#partOf(this.#draft), { force: true });
    this.#draft = undefined;
    this.#tell(reason);
  }

  /** Once, until it has worked again. */
  #tell(reason: string): void {
    if (this.#failed) return;
    this.#failed = true;
    const entry = { type: 'ledger.seal-failed', actor: 'system', object: 'ledger', reason };
    this.#commit(() => this.#store.appendLedger(JSON.stringify(entry)));
  }

  #commit(work: () => void): void {
    this.#database.transaction(() => {
      work();
      this.#store.countCommit();
    })();
  }
}
