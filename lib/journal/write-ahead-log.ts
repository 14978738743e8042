/**
 * Keeps the write-ahead log small: a reader that stays or a burst lets it grow (115 GB were seen elsewhere). SQLite's
 * own writing back is off (`database.ts`), because it tells nobody when the disk fails meanwhile.
 */
import type { Database } from 'better-sqlite3';
import { statSync } from 'node:fs';
import { join } from 'node:path';

/** As often as SQLite would do it; together with the largest commit this stays below 64 MB. */
const CUT_BYTES = 4 * 1024 * 1024;
const LIMIT_BYTES = 64 * 1024 * 1024;
/** A cut that a reader prevents is not tried by every commit. */
const RETRY_MS = 1000;

export class WriteAheadLog {
  readonly #path: string;
  #bytes = 0;
  #retryAt = 0;

  constructor(folder: string) {
    this.#path = join(folder, 'journal.db-wal');
  }

  /** True while a reader in another process keeps it larger than 64 MB. */
  get isHeld(): boolean {
    return this.#bytes > LIMIT_BYTES;
  }

  /** After a commit. */
  bound(database: Database): void {
    this.#look();
    if (this.#bytes > CUT_BYTES && performance.now() >= this.#retryAt) this.cut(database);
  }

  /** While nobody writes. */
  cut(database: Database): void {
    this.#look();
    if (this.#bytes === 0) return;
    // without waiting for readers: the station's writes come first
    const patience = database.pragma('busy_timeout', { simple: true }) as number;
    database.pragma('busy_timeout = 0');
    try {
      database.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      database.pragma(`busy_timeout = ${patience}`);
    }
    this.#look();
    this.#retryAt = performance.now() + RETRY_MS;
  }

  #look(): void {
    this.#bytes = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }
}
