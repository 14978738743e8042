/**
 * What is on record of each part: its last inspection, as far as it has come. What comes late, such as a ticket, joins
 * the inspection it belongs to and never takes the place of a newer one.
 */
import type { Inspection } from '../inspection/inspection.ts';
import { IS_UNLABELLED } from './labels.ts';
import type { Tables } from './tables.ts';
import type { PartQuery, PartRecord, ReceiverState } from './types.ts';

/** Holds for parts that have a score to be judged by. */
const HAS_SCORE = `json_extract(parts.inspection, '$.verdict.score') IS NOT NULL`;

/** Parts that wait for a person, with and without a score, among the newest that were sent to one. */
const COUNT_WAITING = `SELECT COUNT(*) AS count, COUNT(*) FILTER (WHERE ${HAS_SCORE}) AS scored
  FROM (SELECT id, sequence, inspection FROM parts WHERE decision = 'review' ORDER BY row_id DESC LIMIT 5000) AS parts
  WHERE ${IS_UNLABELLED}`;

export class Parts {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  get(id: string): Inspection | undefined {
    const [row] = this.#tables.all<{ inspection: string }>('SELECT inspection FROM parts WHERE id = ?', id);
    return row === undefined ? undefined : (JSON.parse(row.inspection) as Inspection);
  }

  record(inspection: Inspection): void {
    const { id, sequence, capturedAt } = inspection.part;
    const known = this.get(id);
    // What comes late of an inspection, such as its ticket, must not take the place of the one after it.
    if (known !== undefined && known.part.sequence > sequence) return;
    const same = known?.part.sequence === sequence && known.part.capturedAt === capturedAt;
    const merged: Inspection = same
      ? { ...known, ...inspection, timings: { ...known.timings, ...inspection.timings } }
      : inspection;
    this.#tables.run(
      `INSERT INTO parts (id, sequence, decision, inspection) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, decision = excluded.decision,
         inspection = excluded.inspection`,
      id,
      sequence,
      merged.verdict?.decision ?? null,
      JSON.stringify(merged),
    );
  }

  /** What has become of the ticket with this key; the part may have been inspected again since, with a ticket of its own or none. */
  recordReceiver(id: string | null, key: string, receiver: ReceiverState): void {
    const known = id === null ? undefined : this.get(id);
    if (known?.ticket?.key === key) this.record({ ...known, ticket: { ...known.ticket, receiver } });
  }

  /** Newest last; without `after`, the newest `limit` parts. */
  list({ limit, decision, after, unlabelled = false, scored }: PartQuery): PartRecord[] {
    const decided = decision === undefined ? '? IS NULL' : 'decision = ?';
    const where = [
      decided,
      ...(unlabelled ? [IS_UNLABELLED] : []),
      ...(scored === undefined ? [] : [scored ? HAS_SCORE : `NOT (${HAS_SCORE})`]),
    ].join(' AND ');
    const rows = this.#tables.page<{ row_id: number; inspection: string }>(
      'SELECT row_id, inspection FROM parts',
      where,
      'row_id',
      { limit, after },
      decision ?? null,
    );
    return rows.map((row) => ({
      rowId: row.row_id,
      inspection: JSON.parse(row.inspection) as Inspection,
    }));
  }

  lastSequence(): number {
    return this.#tables.all<{ last: number | null }>('SELECT MAX(sequence) AS last FROM parts')[0]?.last ?? 0;
  }

  waitingForReview(): { scored: number; unscored: number } {
    const [found] = this.#tables.all<{ count: number; scored: number }>(COUNT_WAITING);
    const { count = 0, scored = 0 } = found ?? {};
    return { scored, unscored: count - scored };
  }
}
