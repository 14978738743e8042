/**
 * Parts of the ledger that were moved out of the database: `ledger/<first>-<last>-<hash>.ndjson.gz`, one line of JSON
 * for each record as it was hashed, with its hash. Whoever has the file can check the chain without this package:
 * SHA-256 over the hash of the line before (of the first line: `previousHash` of the `ledger.sealed` record) and
 * the text of `record`.
 */
import type { Database } from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { LedgerRow } from './chain.ts';

/** A part of the chain in a file. */
export interface Segment {
  /** Sequence of its first and last record. */
  first: number;
  last: number;
  /** Hash of the record before its first. */
  previousHash: string;
  /** Hash of its last record. */
  hash: string;
  /** Name below `ledger/`. */
  file: string;
  /** Hex, of the file as it lies there. */
  sha256: string;
  bytes: number;
}

const DIGITS = 12;
const HASH_SHOWN = 8;
const BEFORE_RECORD = '{"record":';
const BEFORE_HASH = ',"hash":"';
const HASH_LENGTH = 64;
const AFTER_HASH = '"}';
const TAIL_LENGTH = BEFORE_HASH.length + HASH_LENGTH + AFTER_HASH.length;

/** Where segments of a journal lie. */
export function segmentFolder(folder: string): string {
  return join(folder, 'ledger');
}

/** The hash is part of the name, so that files of two chains never take each other's. */
export function segmentName({ first, last, hash }: Pick<Segment, 'first' | 'last' | 'hash'>): string {
  const padded = (sequence: number): string => String(sequence).padStart(DIGITS, '0');
  return `${padded(first)}-${padded(last)}-${hash.slice(0, HASH_SHOWN)}.ndjson.gz`;
}

/** First and last sequence by the name of a file; undefined for any other file. */
export function spanOf(name: string): { first: number; last: number } | undefined {
  const [, first, last] = /^(\d{12})-(\d{12})-[0-9a-f]{8}\.ndjson\.gz$/.exec(name) ?? [];
  return first === undefined || last === undefined ? undefined : { first: Number(first), last: Number(last) };
}

/** Some rows as a gzip member: members after each other are a gzip file (RFC 1952 §2.2). */
export function packed(rows: readonly Pick<LedgerRow, 'record' | 'hash'>[]): Buffer {
  const line = ({ record, hash }: Pick<LedgerRow, 'record' | 'hash'>): string =>
    `${BEFORE_RECORD}${record}${BEFORE_HASH}${hash}${AFTER_HASH}\n`;
  return gzipSync(rows.map(line).join(''));
}

/** In the order of the chain; none in a journal of an earlier version. */
export function segmentsOf(database: Database): Segment[] {
  return database
    .prepare(
      `SELECT first, last, previous_hash AS previousHash, hash, file, sha256, bytes FROM ledger_segments
       ORDER BY last`,
    )
    .all() as Segment[];
}

export interface ReadSegment {
  /** `whole`: the bytes it was sealed with. `changed`: other bytes, of which the rows are what could be read. */
  state: 'whole' | 'changed' | 'missing';
  rows: LedgerRow[];
}

/** @param archive where the files lie now */
export function readSegment(archive: string, segment: Segment): ReadSegment {
  const path = join(archive, segment.file);
  if (!existsSync(path)) return { state: 'missing', rows: [] };
  const bytes = readFileSync(path);
  const whole = createHash('sha256').update(bytes).digest('hex') === segment.sha256;
  return { state: whole ? 'whole' : 'changed', rows: rowsIn(bytes, segment) };
}

/** The rows as far as they can be read: a damaged file may end anywhere. */
function rowsIn(bytes: Buffer, { first, previousHash }: Segment): LedgerRow[] {
  const rows: LedgerRow[] = [];
  let [sequence, previous] = [first, previousHash];
  for (const line of textIn(bytes).split('\n')) {
    if (!line.startsWith(BEFORE_RECORD) || line.length <= BEFORE_RECORD.length + TAIL_LENGTH) continue;
    const record = line.slice(BEFORE_RECORD.length, -TAIL_LENGTH);
    const hash = line.slice(-AFTER_HASH.length - HASH_LENGTH, -AFTER_HASH.length);
    rows.push({ sequence, record, previousHash: previous, hash });
    sequence += 1;
    previous = hash;
  }
  return rows;
}

function textIn(bytes: Buffer): string {
  try {
    return gunzipSync(bytes).toString('utf8');
  } catch {
    return '';
  }
}
