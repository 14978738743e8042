/**
 * Reads a journal beside the process that writes it, or without one. Never writes to it, takes no lock, and holds no
 * read transaction for long on the file itself: a reader that stays keeps the write-ahead log from being cut.
 */
import Database from 'better-sqlite3';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS } from './database.ts';
import { asJournalError, JournalError } from './journal-error.ts';

export interface Snapshot {
  database: Database.Database;
  /** Removes the copy. */
  close(): void;
}

/**
 * @throws JournalError `JOURNAL_NOT_FOUND`, `JOURNAL_NEWER`, `JOURNAL_CORRUPT`, or `JOURNAL_UNAVAILABLE` for what
 * cannot be read, a journal of an earlier version among it
 */
export function openReader(folder: string): Database.Database {
  const file = join(folder, 'journal.db');
  if (!existsSync(file)) {
    throw new JournalError('JOURNAL_NOT_FOUND', `there is no journal in ${folder}`, {
      hint: 'Name the folder of the station: it holds journal.db.',
    });
  }
  try {
    const database = new Database(file, { readonly: true, fileMustExist: true });
    try {
      checkVersion(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw asJournalError(error, folder);
  }
}

function checkVersion(database: Database.Database): void {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    throw new JournalError(
      'JOURNAL_NEWER',
      `the journal has version ${version}, this package knows ${MIGRATIONS.length}`,
      { hint: 'Use the jidoka command of the version that wrote it.' },
    );
  }
  if (version < MIGRATIONS.length) {
    throw new JournalError('JOURNAL_UNAVAILABLE', `the journal has the earlier version ${version}`, {
      hint: 'Start Node-RED with this version of the package once: it brings the journal up to date.',
    });
  }
}

/** Copies what is committed to a new file, in one statement. @throws JournalError as {@link openReader} */
export function copyJournal(folder: string, file: string): void {
  const database = openReader(folder);
  try {
    database.prepare('VACUUM INTO ?').run(file);
  } catch (error) {
    rmSync(file, { force: true });
    throw asJournalError(error, folder);
  } finally {
    database.close();
  }
}

/** A copy to read from at leisure, below the system's folder for temporary files. @throws as {@link openReader} */
export function openSnapshot(folder: string): Snapshot {
  const own = mkdtempSync(join(tmpdir(), 'jidoka-journal-'));
  try {
    const file = join(own, 'journal.db');
    copyJournal(folder, file);
    const database = new Database(file, { readonly: true });
    return {
      database,
      close: () => {
        database.close();
        rmSync(own, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    throw error;
  }
}
