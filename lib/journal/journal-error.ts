/** What can go wrong with the station's memory. */
import { CodedError } from '../errors.ts';

export type JournalErrorCode =
  /** The folder cannot be written, the disk answers with errors, or the worker has ended. */
  | 'JOURNAL_UNAVAILABLE'
  /** Another process has the journal open. */
  | 'JOURNAL_IN_USE'
  /** The disk no longer has what it had confirmed. */
  | 'JOURNAL_LOST'
  /** The file was written by a newer version of the package. */
  | 'JOURNAL_NEWER'
  /** The file does not pass SQLite's own check. */
  | 'JOURNAL_CORRUPT'
  /** The disk is full, and the ballast is spent. */
  | 'JOURNAL_FULL'
  | 'JOURNAL_CLOSED'
  | 'JOURNAL_DUPLICATE'
  | 'JOURNAL_NOT_FOUND'
  /** One file of evidence cannot be read; the rest of the journal can. */
  | 'JOURNAL_EVIDENCE_UNREADABLE'
  /** More entries wait for delivery than the journal may hold. */
  | 'JOURNAL_OUTBOX_FULL'
  /** Telemetry is turned away, because what must not be dropped needs the room. */
  | 'JOURNAL_SHED'
  /** More requests are under way than the journal takes at once. */
  | 'JOURNAL_OVERLOAD'
  /** What was to be recorded is not JSON. */
  | 'JOURNAL_BAD_RECORD';

export class JournalError extends CodedError<JournalErrorCode> {}

/** What SQLite or the file system said, as an error of the journal. */
export function asJournalError(error: unknown, folder: string): JournalError {
  if (error instanceof JournalError) return error;
  const { code = '', message } = error as { code?: string; message: string };
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') {
    return new JournalError('JOURNAL_FULL', `the disk of ${folder} is full`, {
      hint: 'Free space on the disk; the journal goes on by itself.',
      cause: error,
    });
  }
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB') {
    return new JournalError('JOURNAL_CORRUPT', `the journal in ${folder} is damaged: ${message}`, {
      hint: 'Keep the folder for analysis, and restore a backup or give the station another folder.',
      cause: error,
    });
  }
  return new JournalError('JOURNAL_UNAVAILABLE', `the journal in ${folder} cannot be used: ${message}`, {
    hint: 'Check that the folder exists, is on a local disk and can be written by Node-RED.',
    cause: error,
  });
}
