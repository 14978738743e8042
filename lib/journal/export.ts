/** What a journal holds as lines of text: JSON objects, or the columns people look at in a spreadsheet. */
import type { Database } from 'better-sqlite3';
import { csvLine } from './csv.ts';

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
        previous_hash AS previousHash, hash FROM ledger ORDER BY sequence`,
    json: ['detail'],
  },
};

/** One line after the other, oldest first; CSV begins with the names of its columns. */
export function* exportLines(
  database: Database,
  name: ExportName,
  format: ExportFormat,
): Generator<string, void, undefined> {
  const { sql, json, csv = sql } = SOURCES[name];
  if (format === 'csv') {
    const statement = database.prepare(csv);
    yield csvLine(statement.columns().map((column) => column.name));
    for (const row of statement.raw().iterate()) yield csvLine(row as unknown[]);
    return;
  }
  for (const row of database.prepare(sql).iterate() as IterableIterator<Row>) {
    for (const column of json) row[column] = JSON.parse((row[column] as string | null) ?? 'null');
    yield `${JSON.stringify(name === 'parts' ? row['inspection'] : row)}\n`;
  }
}
