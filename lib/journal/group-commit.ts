/**
 * Runs requests against the store and answers none before its commit. A lone request commits at
 * once; what arrives while a commit is under way shares the next one, up to 64 requests or 5 ms.
 */
import type { Database } from 'better-sqlite3';
import type { Tail } from './commits.ts';
import { asJournalError, JournalError } from './journal-error.ts';
import type { Reply, Request, StoreMethod } from './protocol.ts';
import type { Store } from './store.ts';

const MAX_REQUESTS = 64;
const MAX_MS = 5;
/** With what a record may hold at most, this keeps one commit within the bound of the write-ahead log. */
const MAX_CHARACTERS = 8 * 1024 * 1024;

const READS: ReadonlySet<StoreMethod> = new Set([
  'parts',
  'lastSequence',
  'counts',
  'labels',
  'ledger',
  'verifyLedgerFrom',
  'command',
  'openCommands',
  'commands',
  'dueOutbox',
  'outbox',
  'outboxEntry',
  'openOutbox',
  'undelivered',
  'deliveredAs',
  'attachment',
  'getValue',
]);

/** Errors of a single request: the others of its batch are not concerned. */
function concernsOneRequest(error: unknown): boolean {
  if (error instanceof JournalError) return true;
  const { code = '' } = error as { code?: string };
  if (code.startsWith('SQLITE_CONSTRAINT') || code === 'SQLITE_MISMATCH') return true;
  return !code.startsWith('SQLITE_') && !/^E[A-Z]+$/.test(code);
}

function lengthOf({ parameters }: Request): number {
  return parameters.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0);
}

/** Everything that is waiting, in one commit. Throws when nothing of it was committed. */
function commit(
  database: Database,
  store: Store,
  requests: Iterable<Request>,
): Pick<Batch, 'replies' | 'committed'> {
  const replies: Reply[] = [];
  let committed: Tail | undefined;
  try {
    for (const { id, method, parameters } of requests) {
      const writes = !READS.has(method);
      if (writes && !database.inTransaction) database.exec('BEGIN IMMEDIATE');
      if (writes) database.exec('SAVEPOINT request');
      try {
        const methods = store as unknown as Record<StoreMethod, (...parameters: unknown[]) => unknown>;
        replies.push({ id, result: methods[method](...parameters) });
        if (writes) database.exec('RELEASE request');
      } catch (error) {
        if (!concernsOneRequest(error)) throw error;
        if (writes) database.exec('ROLLBACK TO request; RELEASE request');
        const { message } = error as Error;
        const { code, hint } =
          error instanceof JournalError ? error : { code: 'JOURNAL_BAD_RECORD', hint: undefined };
        replies.push({ id, error: { code: code as JournalError['code'], message, hint } });
      }
    }
    if (database.inTransaction) {
      committed = store.countCommit();
      database.exec('COMMIT');
    }
    return { replies, committed };
  } catch (error) {
    store.forget();
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

export interface Batch {
  replies: Reply[];
  /** What the disk has confirmed; undefined when nothing was written. */
  committed?: Tail | undefined;
  /** Why nothing of the batch was committed. */
  failure: JournalError | undefined;
  /** True when the disk was full and room was made. */
  madeRoom: boolean;
}

/**
 * Takes the first request and what follows it, and commits them together. When the disk is full,
 * `makeRoom` is asked once and the batch runs again.
 */
export function commitBatch(
  open: { database: Database; store: Store; folder: string },
  first: Request,
  next: () => Request | undefined,
  makeRoom: () => boolean,
): Batch {
  const taken: Request[] = [];
  function* take(): Generator<Request> {
    const startedAt = performance.now();
    let request: Request | undefined = first;
    let characters = 0;
    while (request !== undefined) {
      taken.push(request);
      yield request;
      characters += lengthOf(request);
      const full =
        taken.length >= MAX_REQUESTS ||
        characters >= MAX_CHARACTERS ||
        performance.now() - startedAt >= MAX_MS;
      request = full ? undefined : next();
    }
  }
  const attempt = (requests: Iterable<Request>): Omit<Batch, 'madeRoom'> => {
    try {
      return { ...commit(open.database, open.store, requests), failure: undefined };
    } catch (thrown) {
      const failure = asJournalError(thrown, open.folder);
      const { code, message, hint } = failure;
      return { replies: taken.map(({ id }) => ({ id, error: { code, message, hint } })), failure };
    }
  };
  const batch = attempt(take());
  if (batch.failure?.code === 'JOURNAL_FULL' && makeRoom()) return { ...attempt(taken), madeRoom: true };
  return { ...batch, madeRoom: false };
}
