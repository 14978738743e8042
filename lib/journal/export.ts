/** What a journal holds as lines of text: JSON objects, or the columns people look at in a spreadsheet. */
import type { Database } from 'better-sqlite3';
import { csvLine } from './csv.ts';
import { JournalError } from './journal-error.ts';
import type { LedgerRow } from './chain.ts';
import { readSegment, segmentsOf } from './segments.ts';
import type { LedgerRecord } from './types.ts';

export const EXPORTS = ['parts', 'commands', 'tickets', 'labels', 'ledger'] as const;
export type ExportName = (typeof EXPORTS)[number];
export type ExportFormat = 'ndjson' | 'csv';

type Row = Record<string, unknown>;

/** Columns that hold JSON are named; the rest is text and numbers as stored. */
const SOURCES: Readonly<Record<ExportName, { sql: string; json: readonly string[]; csv?: string }>> = {
  parts: {
    sql: 'SELECT inspection FROM parts ORDER BY row_id',
    json: ['inspection'],
    csv: `SELECT id, sequence, inspection ->> '$.part.station' AS station,
        inspection ->> '$.part.capturedAt' AS capturedAt, decision,
        inspection ->> '$.verdict.score' AS score, inspection ->> '$.verdict.threshold' AS threshold,
        inspection ->> '$.verdict.reason' AS reason, inspection ->> '$.verdict.mode' AS mode,
        inspection ->> '$.anomaly.model.name' AS model, inspection ->> '$.anomaly.model.digest' AS modelDigest,
        inspection ->> '$.frame.sha256' AS frameSha256, inspection ->> '$.ticket.id' AS ticket
      FROM parts ORDER BY row_id`,
  },
  commands: {
    sql: `SELECT id, part_id AS partId, endpoint, endpoint_id AS endpointId, tag, value, actor, purpose, number, at, outcome, reason,
        read_back AS readBack, ms FROM commands ORDER BY row_id`,
    json: ['value', 'readBack'],
  },
  tickets: {
    sql: `SELECT key, stream, part_id AS partId, state, attempts, accepted_at AS acceptedAt, sha256,
        media_type AS mediaType, further_evidence AS furtherEvidence, answer, receiver, body
      FROM outbox ORDER BY row_id`,
    json: ['furtherEvidence', 'answer', 'receiver', 'body'],
  },
  labels: {
    sql: `SELECT row_id AS rowId, part_id AS partId, sequence, truth, decision, verdict_reason AS verdictReason, score,
        model_digest AS modelDigest, actor, reason, at FROM labels ORDER BY row_id`,
    json: [],
  },
  ledger: {
    sql: `SELECT sequence, record ->> '$.at' AS at, record ->> '$.type' AS type, record ->> '$.actor' AS actor,
        record ->> '$.object' AS object, record ->> '$.reason' AS reason, record -> '$.detail' AS detail,
        previous_hash AS previousHash, hash FROM ledger
      WHERE sequence > (SELECT COALESCE(MAX(last), 0) FROM ledger_segments) OR ? ORDER BY sequence`,
    json: ['detail'],
  },
};

export interface ExportOptions {
  /** Where the sealed parts of the ledger lie, which then come first; without it the ledger is what the database holds. */
  archive?: string | undefined;
}

/**
 * One line after the other, oldest first; CSV begins with the names of its columns.
 * @throws JournalError `JOURNAL_NOT_FOUND` or `JOURNAL_CORRUPT` for a sealed part that is not there as it was sealed
 */
export function* exportLines(
  database: Database,
  name: ExportName,
  format: ExportFormat,
  { archive }: ExportOptions = {},
): Generator<string, void, undefined> {
  const { sql, json, csv = sql } = SOURCES[name];
  const statement = database.prepare(format === 'csv' ? csv : sql);
  const columns = statement.columns().map((column) => column.name);
  // whether records that are in a file already, and not removed yet, count as well
  const parameters = name === 'ledger' ? [archive === undefined ? 1 : 0] : [];
  if (format === 'csv') yield csvLine(columns);
  if (name === 'ledger' && archive !== undefined) {
    for (const row of sealedRows(database, archive)) {
      const cells = {
        ...row,
        detail: format === 'csv' ? JSON.stringify(row['detail']) : row['detail'],
      } as Row;
      yield format === 'csv' ? csvLine(columns.map((column) => cells[column])) : `${JSON.stringify(cells)}\n`;
    }
  }
  if (format === 'csv') {
    for (const row of statement.raw().iterate(...parameters)) yield csvLine(row as unknown[]);
    return;
  }
  for (const row of statement.iterate(...parameters) as IterableIterator<Row>) {
    for (const column of json) row[column] = JSON.parse((row[column] as string | null) ?? 'null');
    yield `${JSON.stringify(name === 'parts' ? row['inspection'] : row)}\n`;
  }
}

/** With the columns of the ledger. */
function* sealedRows(database: Database, archive: string): Generator<Row, void, undefined> {
  for (const segment of segmentsOf(database)) {
    const { state, rows } = readSegment(archive, segment);
    if (state === 'missing') {
      throw new JournalError('JOURNAL_NOT_FOUND', `${segment.file} is not in ${archive}`, {
        hint: 'Say where the sealed parts of the ledger lie now, or export without them.',
      });
    }
    if (state === 'changed') {
      throw new JournalError('JOURNAL_CORRUPT', `${segment.file} has other bytes than it was sealed with`, {
        hint: 'Bring it back from a backup; jidoka journal verify says what is wrong.',
      });
    }
    yield* rows.map(ledgerCells);
  }
}

function ledgerCells({ sequence, record, previousHash, hash }: LedgerRow): Row {
  const { at, type, actor, object, reason = null, detail = null } = JSON.parse(record) as LedgerRecord;
  return { sequence, at, type, actor, object, reason, detail, previousHash, hash };
}
