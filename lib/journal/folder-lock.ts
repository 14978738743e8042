/**
 * One process per folder. The lock is SQLite's own, on a file that holds nothing: the kernel drops it with its
 * process, so neither `kill -9` nor a power cut leaves a folder locked.
 */
import Database from 'better-sqlite3';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { JournalError } from './journal-error.ts';

/** A process that is just ending lets go within this. */
const PATIENCE_MS = 2000;

export interface FolderLock {
  release(): void;
}

/**
 * Blocks for up to 2 s.
 *
 * @throws JournalError `JOURNAL_IN_USE`; SQLite's error where the lock file cannot be made
 */
export function lockFolder(folder: string): FolderLock {
  const file = join(folder, 'journal.lock');
  const database = new Database(file, { timeout: PATIENCE_MS });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    const owner = ownerOf(file);
    database.close();
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    throw new JournalError(
      'JOURNAL_IN_USE',
      `the journal in ${folder} is in use by another process${owner === null ? '' : ` (${owner})`}`,
      { hint: 'Stop the other Node-RED, or give this station a folder of its own.', cause: error },
    );
  }
  return { release: () => database.close() };
}

/** Who holds the lock, where the kernel says so. */
function ownerOf(file: string): string | null {
  try {
    const { ino } = statSync(file);
    // "1: POSIX  ADVISORY  WRITE 4711 08:01:131099 1073741824 1073742335"
    const line = readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .find((text) => text.includes(`:${ino} `));
    const pid = line?.trim().split(/\s+/)[4];
    return pid === undefined || Number(pid) <= 0 ? null : `process ${pid}`;
  } catch {
    return null;
  }
}
