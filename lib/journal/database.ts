/**
 * Opens the journal's SQLite file so that a commit is a promise: WAL with `synchronous=FULL`
 * (a simulated power cut lost acknowledged rows in 11 of 20 cuts with NORMAL and in none with FULL).
 * A file of an older schema is migrated on a copy; a file of a newer one is left alone.
 */
import Database from 'better-sqlite3';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { syncFolder } from './evidence.ts';
import { asJournalError, JournalError } from './journal-error.ts';

/** SQL that brings a file from the version of its index to the next; the first makes an empty file. */
export type Migrations = readonly string[];

export const MIGRATIONS: Migrations = [
  `CREATE TABLE parts (
     row_id INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     sequence INTEGER NOT NULL,
     decision TEXT,
     inspection TEXT NOT NULL
   ) STRICT;
   CREATE INDEX parts_decision ON parts (decision, row_id);
   CREATE INDEX parts_sequence ON parts (sequence);
   CREATE TABLE commands (
     row_id INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     part_id TEXT,
     endpoint TEXT NOT NULL,
     tag TEXT NOT NULL,
     value TEXT NOT NULL,
     actor TEXT NOT NULL,
     at TEXT NOT NULL,
     outcome TEXT,
     reason TEXT,
     read_back TEXT NOT NULL DEFAULT 'null',
     ms REAL
   ) STRICT;
   CREATE INDEX commands_outcome ON commands (outcome, row_id);
   CREATE TABLE outbox (
     row_id INTEGER PRIMARY KEY,
     key TEXT NOT NULL UNIQUE,
     stream TEXT NOT NULL,
     part_id TEXT,
     body TEXT NOT NULL,
     sha256 TEXT,
     media_type TEXT,
     state TEXT NOT NULL DEFAULT 'waiting',
     attempts INTEGER NOT NULL DEFAULT 0,
     delay_ms REAL NOT NULL DEFAULT 0,
     answer TEXT NOT NULL DEFAULT 'null',
     accepted_at TEXT NOT NULL
   ) STRICT;
   CREATE INDEX outbox_waiting ON outbox (stream, row_id) WHERE state = 'waiting';
   CREATE INDEX outbox_state ON outbox (state, stream, row_id);
   CREATE TABLE ledger (
     sequence INTEGER PRIMARY KEY,
     record TEXT NOT NULL,
     previous_hash TEXT NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;
   CREATE TABLE ledger_head (
     only INTEGER PRIMARY KEY CHECK (only = 1),
     sequence INTEGER NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;
   CREATE TABLE stored_values (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE labels (
     row_id INTEGER PRIMARY KEY,
     part_id TEXT NOT NULL,
     sequence INTEGER NOT NULL,
     truth TEXT NOT NULL CHECK (truth IN ('good', 'defect')),
     decision TEXT,
     verdict_reason TEXT,
     score REAL,
     model_digest TEXT,
     actor TEXT NOT NULL,
     reason TEXT NOT NULL,
     at TEXT NOT NULL
   ) STRICT;
   CREATE INDEX labels_part ON labels (part_id, sequence, row_id);
   CREATE INDEX labels_sequence ON labels (sequence);`,
  `ALTER TABLE commands ADD COLUMN purpose TEXT NOT NULL DEFAULT 'decision';
   ALTER TABLE commands ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE commands ADD COLUMN endpoint_id TEXT;
   CREATE INDEX commands_endpoint ON commands (COALESCE(endpoint_id, endpoint), row_id);
   ALTER TABLE outbox ADD COLUMN receiver TEXT NOT NULL DEFAULT 'null';
   ALTER TABLE outbox ADD COLUMN further_evidence TEXT NOT NULL DEFAULT '[]';
   ALTER TABLE outbox ADD COLUMN evidence_bytes INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE outbox ADD COLUMN kind TEXT GENERATED ALWAYS AS (substr(stream, 1, instr(stream || ':', ':') - 1)) VIRTUAL;
   CREATE INDEX outbox_kind ON outbox (kind, row_id) WHERE state = 'waiting';
   CREATE INDEX outbox_undelivered ON outbox (part_id) WHERE state <> 'delivered';
   CREATE INDEX commands_open ON commands (part_id) WHERE outcome IS NULL;
   -- What waits of each kind (the stream's name up to its first colon), kept by triggers, so that every
   -- way into and out of the outbox is counted and a rollback takes the count back.
   CREATE TABLE outbox_use (
     kind TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, dropped INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   INSERT INTO outbox_use (kind, rows, bytes)
     SELECT kind, COUNT(*), SUM(length(body)) FROM outbox WHERE state = 'waiting' GROUP BY 1;
   CREATE TRIGGER outbox_waits AFTER INSERT ON outbox WHEN new.state = 'waiting' BEGIN
     INSERT INTO outbox_use (kind, rows, bytes)
       VALUES (new.kind, 1, length(new.body) + new.evidence_bytes)
       ON CONFLICT (kind) DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
   END;
   CREATE TRIGGER outbox_goes AFTER DELETE ON outbox WHEN old.state = 'waiting' BEGIN
     UPDATE outbox_use SET rows = rows - 1, bytes = bytes - length(old.body) - old.evidence_bytes
       WHERE kind = old.kind;
   END;
   CREATE TRIGGER outbox_settles AFTER UPDATE OF state ON outbox WHEN (old.state = 'waiting') <> (new.state = 'waiting') BEGIN
     UPDATE outbox_use
       SET rows = rows + iif(new.state = 'waiting', 1, -1),
           bytes = bytes + iif(new.state = 'waiting', 1, -1) * (length(new.body) + new.evidence_bytes)
       WHERE kind = new.kind;
   END;
   -- Counted up by every commit, so that after an error of the disk it shows whether it kept what it confirmed.
   CREATE TABLE commits (only INTEGER PRIMARY KEY CHECK (only = 1), count INTEGER NOT NULL) STRICT;
   INSERT INTO commits (only, count) VALUES (1, 0);`,
  `-- Parts of the ledger that are in files of their own; their rows have gone, or are about to.
   CREATE TABLE ledger_segments (
     last INTEGER PRIMARY KEY,
     first INTEGER NOT NULL,
     previous_hash TEXT NOT NULL,
     hash TEXT NOT NULL,
     file TEXT NOT NULL,
     sha256 TEXT NOT NULL,
     bytes INTEGER NOT NULL
   ) STRICT;
   -- Where in the ledger the intent of a command is; null for commands of earlier versions.
   ALTER TABLE commands ADD COLUMN record INTEGER;
   -- A stream up to its second colon: mes:<endpoint>:part:17 is addressed to mes:<endpoint>:
   ALTER TABLE outbox ADD COLUMN address TEXT GENERATED ALWAYS AS (substr(stream, 1,
     instr(stream, ':') + instr(substr(stream, instr(stream, ':') + 1), ':'))) VIRTUAL;
   ALTER TABLE outbox ADD COLUMN ticket_id TEXT GENERATED ALWAYS AS (json_extract(answer, '$.ticketId')) VIRTUAL;
   ALTER TABLE outbox ADD COLUMN receiver_state TEXT GENERATED ALWAYS AS (json_extract(receiver, '$.state')) VIRTUAL;
   CREATE INDEX outbox_open ON outbox (address, row_id) WHERE state = 'delivered' AND receiver_state IS NOT 'closed';
   CREATE INDEX outbox_ticket ON outbox (address, ticket_id, row_id) WHERE state = 'delivered';
   CREATE INDEX outbox_left ON outbox (state, address, row_id) WHERE state <> 'delivered';`,
  `ALTER TABLE labels ADD COLUMN defect_class TEXT;
   ALTER TABLE labels ADD COLUMN proposed_by TEXT;`,
];

/** The write-ahead log is cut back to this after a checkpoint; it grew to gigabytes elsewhere. */
const WAL_LIMIT_BYTES = 16 * 1024 * 1024;
const BUSY_TIMEOUT_MS = 5000;
const SMALL_TABLES = ['ledger_head', 'ledger_segments', 'commits', 'stored_values', 'outbox_use'];
/** Read in about a second from the eMMC of a gateway. */
const CHECKED_WHOLE_BYTES = 64 * 1024 * 1024;

/**
 * @throws JournalError `JOURNAL_UNAVAILABLE`, `JOURNAL_FULL`, `JOURNAL_NEWER` or `JOURNAL_CORRUPT`
 */
export function openDatabase(folder: string, migrations: Migrations = MIGRATIONS): Database.Database {
  try {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'journal.db');
    let database = connect(file);
    try {
      const version = database.pragma('user_version', { simple: true }) as number;
      if (version > migrations.length) {
        throw new JournalError(
          'JOURNAL_NEWER',
          `the journal has version ${version}, this package knows ${migrations.length}`,
          {
            hint: 'Update the package, or give the station another folder.',
          },
        );
      }
      if (version > 0 && version < migrations.length) {
        migrateCopy(database, folder, file, version, migrations);
        database = connect(file);
      } else if (version === 0) {
        bringUp(database, 0, migrations);
      }
      check(database, file);
      syncFolder(folder);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw asJournalError(error, folder);
  }
}

function connect(file: string): Database.Database {
  const database = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('wal_autocheckpoint = 0');
    database.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function bringUp(database: Database.Database, version: number, migrations: Migrations): void {
  database.transaction(() => {
    for (const sql of migrations.slice(version)) database.exec(sql);
    database.pragma(`user_version = ${migrations.length}`);
  })();
}

/**
 * All of a file that is read within a second or two; of a larger one what is small but must be right, because
 * the station waits. `jidoka journal verify` reads every page.
 */
function check(database: Database.Database, file: string): void {
  const isLarge = statSync(file).size > CHECKED_WHOLE_BYTES;
  const checks = isLarge ? SMALL_TABLES.map((table) => `quick_check(${table})`) : ['quick_check(1)'];
  const findings = checks.map((pragma) => database.pragma(pragma, { simple: true }) as string);
  const finding = findings.find((found) => found !== 'ok') ?? 'ok';
  if (finding !== 'ok') {
    throw new JournalError('JOURNAL_CORRUPT', `the journal is damaged: ${finding}`, {
      hint: 'Keep the folder for analysis, and restore a backup or give the station another folder.',
    });
  }
}

/** Leaves the file as it was, whatever happens: the new one takes its name in one step at the end. */
function migrateCopy(
  database: Database.Database,
  folder: string,
  file: string,
  version: number,
  migrations: Migrations,
): void {
  const copy = join(folder, 'journal.migrating.db');
  const forgetCopy = (): void => {
    for (const leftover of [copy, `${copy}-wal`, `${copy}-shm`]) rmSync(leftover, { force: true });
  };
  forgetCopy();
  try {
    bringUpCopy(database, copy, version, migrations);
  } catch (error) {
    forgetCopy();
    throw error;
  }
  database.close();
  // A log that is left over would be replayed into the file that takes this one's name.
  if (existsSync(`${file}-wal`)) {
    forgetCopy();
    throw inUse(folder);
  }
  const before = join(folder, `journal.version-${version}.db`);
  if (!existsSync(before)) {
    try {
      linkSync(file, before);
    } catch {
      copyFileSync(file, before);
    }
  }
  renameSync(copy, file);
}

function bringUpCopy(
  database: Database.Database,
  copy: string,
  version: number,
  migrations: Migrations,
): void {
  // Fails while somebody else reads; from here on the file holds everything and has no log beside it.
  if (database.pragma('journal_mode = DELETE', { simple: true }) !== 'delete') throw inUse(dirname(copy));
  database.prepare('VACUUM INTO ?').run(copy);
  const migrated = connect(copy);
  try {
    bringUp(migrated, version, migrations);
    check(migrated, copy);
  } finally {
    migrated.close();
  }
  const handle = openSync(copy, 'r+');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function inUse(folder: string): JournalError {
  return new JournalError('JOURNAL_IN_USE', `another program has the journal in ${folder} open`, {
    hint: 'It is brought to the version of this package at this start, which needs it alone: close what reads it, then restart Node-RED.',
  });
}
