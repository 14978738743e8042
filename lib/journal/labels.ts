/**
 * What people found a judged part to be. Every label is kept; the last one of an inspection is the one
 * that counts. What the station had decided is copied into the label, so that it stays true when the
 * part is inspected again.
 */
import type { Inspection } from '../inspection/inspection.ts';
import { JournalError } from './journal-error.ts';
import type { Parts } from './parts.ts';
import type { Tables } from './tables.ts';
import type { Label, LabelQuery, NewLabel } from './types.ts';

interface LabelRow {
  row_id: number;
  part_id: string;
  sequence: number;
  truth: Label['truth'];
  decision: Label['decision'];
  verdict_reason: string | null;
  score: number | null;
  model_digest: string | null;
  actor: string;
  reason: string;
  at: string;
  defect_class: string | null;
  proposed_by: string | null;
}

const INSERT_LABEL = `INSERT INTO labels
  (part_id, sequence, truth, decision, verdict_reason, score, model_digest, actor, reason, at, defect_class, proposed_by)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`;

/** Holds for parts whose inspection on record nobody has labelled. */
export const IS_UNLABELLED = `NOT EXISTS
  (SELECT 1 FROM labels WHERE labels.part_id = parts.id AND labels.sequence = parts.sequence)`;

export class Labels {
  readonly #tables: Tables;
  readonly #parts: Parts;
  readonly #now: () => Date;

  constructor(tables: Tables, parts: Parts, now: () => Date) {
    this.#tables = tables;
    this.#parts = parts;
    this.#now = now;
  }

  /** @throws JournalError `JOURNAL_NOT_FOUND` where the part is not on record */
  record(label: NewLabel): Label {
    const inspection = this.#parts.get(label.partId);
    if (inspection === undefined) {
      throw new JournalError('JOURNAL_NOT_FOUND', `no part ${label.partId} is on record`);
    }
    const values = labelValues(inspection, label, this.#now().toISOString());
    const [stored] = this.#tables.all<LabelRow>(INSERT_LABEL, ...values);
    if (stored === undefined) throw new JournalError('JOURNAL_NOT_FOUND', 'the label was not stored');
    return labelRecord(stored);
  }

  /** Newest last; without `after`, the newest `limit` labels. */
  list(query: LabelQuery): Label[] {
    return this.#tables
      .page<LabelRow>(
        'SELECT * FROM labels',
        labelCondition(query),
        'row_id',
        query,
        query.sinceSequence ?? 0,
      )
      .map(labelRecord);
  }
}

/** Of the model whose score a part is judged by. */
export function judgedModel({ anomaly, inference }: Inspection): string | null {
  return anomaly?.model.digest ?? inference?.at(-1)?.model.digest ?? null;
}

/** Values for {@link INSERT_LABEL}. */
function labelValues(inspection: Inspection, label: NewLabel, at: string) {
  const { part, verdict, anomaly } = inspection;
  return [
    part.id,
    part.sequence,
    label.truth,
    verdict?.decision ?? null,
    verdict?.reason ?? null,
    verdict?.score ?? anomaly?.score ?? null,
    judgedModel(inspection),
    label.actor,
    label.reason,
    at,
    label.defectClass ?? null,
    label.proposedBy ?? null,
  ];
}

/** The condition of a query, with one parameter, a sequence. */
function labelCondition({ history = false }: LabelQuery): string {
  const superseded = `SELECT 1 FROM labels AS later WHERE later.part_id = labels.part_id
    AND later.sequence = labels.sequence AND later.row_id > labels.row_id`;
  return history ? 'sequence >= ?' : `sequence >= ? AND NOT EXISTS (${superseded})`;
}

function labelRecord(row: LabelRow): Label {
  return {
    rowId: row.row_id,
    partId: row.part_id,
    sequence: row.sequence,
    truth: row.truth,
    decision: row.decision,
    verdictReason: row.verdict_reason,
    score: row.score,
    modelDigest: row.model_digest,
    actor: row.actor,
    reason: row.reason,
    at: row.at,
    defectClass: row.defect_class,
    proposedBy: row.proposed_by,
  };
}
