/**
 * The ledger as the database holds it: every record chained to the one before it, with the head stored beside them.
 * Records only come; they leave for a file of their own, which the ledger then names (`ledger.sealed`).
 */
import { chain, FIRST_PREVIOUS_HASH, follows, type Head, type LedgerRow } from './chain.ts';
import type { Segment } from './segments.ts';
import type { Tables } from './tables.ts';
import type { LedgerEntry, LedgerRecord } from './types.ts';

type ChainRow = Omit<LedgerRow, 'previousHash'> & { previous_hash: string };

export class Ledger {
  readonly #tables: Tables;
  readonly #now: () => Date;

  constructor(tables: Tables, now: () => Date) {
    this.#tables = tables;
    this.#now = now;
  }

  append(entry: LedgerEntry): LedgerRecord {
    const row = chain(entry, this.#now().toISOString(), this.head());
    this.#tables.run(
      'INSERT INTO ledger (sequence, record, previous_hash, hash) VALUES (?, ?, ?, ?)',
      row.sequence,
      row.record,
      row.previousHash,
      row.hash,
    );
    this.#tables.run(
      `INSERT INTO ledger_head (only, sequence, hash) VALUES (1, ?, ?)
       ON CONFLICT (only) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash`,
      row.sequence,
      row.hash,
    );
    return ledgerRecord(row);
  }

  /** Newest last; without `after`, the newest `limit` records. */
  list(query: { limit?: number; after?: number }): LedgerRecord[] {
    return this.#tables
      .page<ChainRow>('SELECT * FROM ledger', '? IS NULL', 'sequence', query, null)
      .map((row) => ledgerRecord({ ...row, previousHash: row.previous_hash }));
  }

  /**
   * Walks at most `limit` records on from a head, so that a long ledger does not hold up the writers. What was
   * sealed is taken as it was sealed: `verifyJournal` reads it. `end` is true when the walk came to the end and the end is the one that was stored.
   */
  verifyFrom(head: Head, limit: number): { head: Head; brokenAt: number | null; end: boolean } {
    const sealed = this.sealedHead();
    const start = head.sequence < sealed.sequence ? sealed : head;
    const rows = this.#tables.all<ChainRow>(
      'SELECT * FROM ledger WHERE sequence > ? ORDER BY sequence LIMIT ?',
      start.sequence,
      limit,
    );
    let last = start;
    for (const row of rows) {
      if (!follows({ ...row, previousHash: row.previous_hash }, last)) {
        return { head: last, brokenAt: last.sequence + 1, end: true };
      }
      last = { sequence: row.sequence, hash: row.hash };
    }
    if (rows.length === limit) return { head: last, brokenAt: null, end: false };
    const stored = this.head();
    const whole = stored.sequence === last.sequence && stored.hash === last.hash;
    return { head: last, brokenAt: whole ? null : last.sequence + 1, end: true };
  }

  /** The last record. */
  head(): Head {
    const head = this.#tables.all<{ sequence: number; hash: string }>(
      'SELECT sequence, hash FROM ledger_head',
    )[0];
    return head ?? { sequence: 0, hash: FIRST_PREVIOUS_HASH };
  }

  /** The last record that is in a file of its own. */
  sealedHead(): Head {
    const [last] = this.#tables.all<{ sequence: number; hash: string }>(
      'SELECT last AS sequence, hash FROM ledger_segments ORDER BY last DESC LIMIT 1',
    );
    return last ?? { sequence: 0, hash: FIRST_PREVIOUS_HASH };
  }

  /** Keeps where a part of the ledger is from now on, with its record in the ledger. Its rows may go after the commit. */
  recordSegment({ first, last, previousHash, hash, file, sha256, bytes }: Segment): void {
    this.#tables.run(
      `INSERT INTO ledger_segments (first, last, previous_hash, hash, file, sha256, bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      ...[first, last, previousHash, hash, file, sha256, bytes],
    );
    const detail = { first, last, previousHash, hash, sha256, bytes };
    this.append({ type: 'ledger.sealed', actor: 'system', object: file, detail });
  }
}

function ledgerRecord(row: LedgerRow): LedgerRecord {
  const record = JSON.parse(row.record) as Omit<LedgerRecord, 'hash' | 'previousHash'>;
  return { ...record, hash: row.hash, previousHash: row.previousHash };
}
