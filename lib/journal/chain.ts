/**
 * The chain that makes the ledger tell on whoever changes it: every record carries the SHA-256 of
 * the record before it. The chain shows changed, removed and reordered records; it cannot show a
 * tail that was cut off together with its stored head, so heads that leave the machine are worth more.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../canonical.ts';
import type { LedgerEntry } from './types.ts';

/** Stands in for the hash before the first record. */
export const FIRST_PREVIOUS_HASH = '0'.repeat(64);

/** One row of the ledger as stored: the canonical JSON the hash was taken of, and the chain. */
export interface LedgerRow {
  sequence: number;
  /** Canonical JSON of the record with its `sequence` and `at`. */
  record: string;
  previousHash: string;
  hash: string;
}

/** The last record of a chain, or of a part of it. */
export type Head = Pick<LedgerRow, 'sequence' | 'hash'>;

function hashOf(previousHash: string, record: string): string {
  return createHash('sha256').update(previousHash).update(record).digest('hex');
}

/** Makes the next row of the chain. */
export function chain(entry: LedgerEntry, at: string, head: Head): LedgerRow {
  const sequence = head.sequence + 1;
  const { type, actor, object, reason, detail } = entry;
  const record = canonicalJson({ type, actor, object, reason, detail, sequence, at });
  return { sequence, record, previousHash: head.hash, hash: hashOf(head.hash, record) };
}

/** True when the row is the one that follows the head. */
export function follows(row: LedgerRow, head: Head): boolean {
  if (row.sequence !== head.sequence + 1 || row.previousHash !== head.hash) return false;
  return row.hash === hashOf(head.hash, row.record) && sequenceIn(row.record) === row.sequence;
}

function sequenceIn(record: string): unknown {
  try {
    return (JSON.parse(record) as { sequence?: unknown }).sequence;
  } catch {
    return undefined;
  }
}
