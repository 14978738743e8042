/**
 * The tables of the journal: parts, labels, commands, ledger, outbox, values. Synchronous, so it lives in the
 * journal's worker; durability (transactions, group commit) is the caller's, and every method is
 * safe to run again after a rollback. Values that are any JSON travel as JSON text.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { Inspection } from '../inspection/inspection.ts';
import { keepEvidence, readEvidence } from './evidence.ts';
import { JournalError } from './journal-error.ts';
import {
  INSERT_LABEL,
  IS_UNLABELLED,
  labelCondition,
  labelRecord,
  labelValues,
  type LabelRow,
} from './labels.ts';
import { chain, FIRST_PREVIOUS_HASH, follows, type LedgerRow } from './ledger.ts';
import type {
  CommandIntent,
  CommandRecord,
  CommandResult,
  JournalCounts,
  Label,
  LabelQuery,
  LedgerEntry,
  LedgerRecord,
  NewLabel,
  OutboxDelivery,
  OutboxDue,
  OutboxEntry,
  OutboxRecord,
  PartQuery,
  PartRecord,
} from './types.ts';

/** Most rows one answer holds, whatever was asked for. */
const MAX_ROWS = 10_000;
const DEFAULT_ROWS = 100;
/** Streams offered for delivery at once. */
const MAX_DUE = 64;

export interface StoreOptions {
  folder: string;
  maxWaiting: number;
  monotonicNow?: () => number;
  now?: () => Date;
}

interface CommandRow {
  id: string;
  part_id: string | null;
  endpoint: string;
  tag: string;
  value: string;
  actor: string;
  at: string;
  outcome: CommandRecord['outcome'];
  reason: string | null;
  read_back: string;
  ms: number | null;
}

interface OutboxRow {
  row_id: number;
  key: string;
  stream: string;
  part_id: string | null;
  body: string;
  sha256: string | null;
  media_type: string | null;
  state: OutboxRecord['state'];
  attempts: number;
  delay_ms: number;
  answer: string;
  accepted_at: string;
}

type ChainRow = Omit<LedgerRow, 'previousHash'> & { previous_hash: string };

export class Store {
  readonly #database: Database;
  readonly #folder: string;
  readonly #maxWaiting: number;
  readonly #monotonicNow: () => number;
  readonly #now: () => Date;
  readonly #statements = new Map<string, Statement>();
  /** When a delayed entry is due, by the monotonic clock of this run; the row keeps only the delay. */
  readonly #dueAt = new Map<string, number>();
  #waiting: number | undefined;

  constructor(
    database: Database,
    { folder, maxWaiting, monotonicNow = () => performance.now(), now = () => new Date() }: StoreOptions,
  ) {
    this.#database = database;
    this.#folder = folder;
    this.#maxWaiting = maxWaiting;
    this.#monotonicNow = monotonicNow;
    this.#now = now;
    for (const { key, delay_ms: delayMs } of this.#all<{ key: string; delay_ms: number }>(
      `SELECT key, delay_ms FROM outbox WHERE state = 'waiting' AND delay_ms > 0`,
    )) {
      this.#dueAt.set(key, monotonicNow() + delayMs);
    }
  }

  recordPart(json: string): void {
    const inspection = JSON.parse(json) as Inspection;
    const { id, sequence, capturedAt } = inspection.part;
    const row = this.#all<{ inspection: string }>('SELECT inspection FROM parts WHERE id = ?', id)[0];
    const known = row === undefined ? undefined : (JSON.parse(row.inspection) as Inspection);
    const same = known?.part.sequence === sequence && known.part.capturedAt === capturedAt;
    const merged: Inspection = same
      ? { ...known, ...inspection, timings: { ...known.timings, ...inspection.timings } }
      : inspection;
    this.#run(
      `INSERT INTO parts (id, sequence, decision, inspection) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, decision = excluded.decision,
         inspection = excluded.inspection`,
      id,
      sequence,
      merged.verdict?.decision ?? null,
      JSON.stringify(merged),
    );
  }

  /** Newest last; without `after`, the newest `limit` parts. */
  parts({ limit, decision, after, unlabelled = false }: PartQuery): PartRecord[] {
    const decided = decision === undefined ? '? IS NULL' : 'decision = ?';
    const where = unlabelled ? `${decided} AND ${IS_UNLABELLED}` : decided;
    const rows = this.#page<{ row_id: number; inspection: string }>(
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
    return this.#all<{ last: number | null }>('SELECT MAX(sequence) AS last FROM parts')[0]?.last ?? 0;
  }

  counts(): JournalCounts {
    const tally = (table: string, column: string): Map<string, number> =>
      new Map(
        this.#all<{ name: string | null; count: number }>(
          `SELECT ${column} AS name, COUNT(*) AS count FROM ${table} GROUP BY ${column}`,
        ).map(({ name, count }) => [name ?? '', count]),
      );
    const parts = tally('parts', 'decision');
    const commands = tally('commands', 'outcome');
    const outbox = tally('outbox', 'state');
    return {
      parts: [...parts.values()].reduce((sum, count) => sum + count, 0),
      accept: parts.get('accept') ?? 0,
      review: parts.get('review') ?? 0,
      reject: parts.get('reject') ?? 0,
      commands: {
        confirmed: commands.get('confirmed') ?? 0,
        refused: commands.get('refused') ?? 0,
        clamped: commands.get('clamped') ?? 0,
        unknown: commands.get('unknown') ?? 0,
        pending: commands.get('') ?? 0,
      },
      outbox: {
        waiting: outbox.get('waiting') ?? 0,
        delivered: outbox.get('delivered') ?? 0,
        dead: outbox.get('dead') ?? 0,
      },
    };
  }

  recordLabel(json: string): Label {
    const label = JSON.parse(json) as NewLabel;
    const row = this.#all<{ inspection: string }>(
      'SELECT inspection FROM parts WHERE id = ?',
      label.partId,
    )[0];
    if (row === undefined) {
      throw new JournalError('JOURNAL_NOT_FOUND', `no part ${label.partId} is on record`);
    }
    const values = labelValues(JSON.parse(row.inspection) as Inspection, label, this.#now().toISOString());
    const [stored] = this.#all<LabelRow>(INSERT_LABEL, ...values);
    if (stored === undefined) throw new JournalError('JOURNAL_NOT_FOUND', 'the label was not stored');
    const { partId, truth, decision, score } = labelRecord(stored);
    this.#chain({
      type: 'gate.label',
      actor: label.actor,
      object: label.station,
      reason: label.reason,
      detail: { partId, truth, decision, score },
    });
    return labelRecord(stored);
  }

  /** Newest last; without `after`, the newest `limit` labels. */
  labels(query: LabelQuery): Label[] {
    return this.#page<LabelRow>(
      'SELECT * FROM labels',
      labelCondition(query),
      'row_id',
      query,
      query.sinceSequence ?? 0,
    ).map(labelRecord);
  }

  appendLedger(json: string): LedgerRecord {
    return this.#chain(JSON.parse(json) as LedgerEntry);
  }

  #chain(entry: LedgerEntry): LedgerRecord {
    const head = this.#ledgerHead();
    const row = chain(entry, this.#now().toISOString(), head);
    this.#run(
      'INSERT INTO ledger (sequence, record, previous_hash, hash) VALUES (?, ?, ?, ?)',
      row.sequence,
      row.record,
      row.previousHash,
      row.hash,
    );
    this.#run(
      `INSERT INTO ledger_head (only, sequence, hash) VALUES (1, ?, ?)
       ON CONFLICT (only) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash`,
      row.sequence,
      row.hash,
    );
    return ledgerRecord(row);
  }

  /** Newest last; without `after`, the newest `limit` records. */
  ledger(query: { limit?: number; after?: number }): LedgerRecord[] {
    return this.#page<ChainRow>('SELECT * FROM ledger', '? IS NULL', 'sequence', query, null).map((row) =>
      ledgerRecord({ ...row, previousHash: row.previous_hash }),
    );
  }

  /**
   * Walks at most `limit` records on from a head, so that a long ledger does not hold up the writers.
   * `end` is true when the walk came to the end and the end is the one that was stored.
   */
  verifyLedgerFrom(
    head: Pick<LedgerRow, 'sequence' | 'hash'>,
    limit: number,
  ): { head: Pick<LedgerRow, 'sequence' | 'hash'>; brokenAt: number | null; end: boolean } {
    const rows = this.#all<ChainRow>(
      'SELECT * FROM ledger WHERE sequence > ? ORDER BY sequence LIMIT ?',
      head.sequence,
      limit,
    );
    let last = head;
    for (const row of rows) {
      if (!follows({ ...row, previousHash: row.previous_hash }, last)) {
        return { head: last, brokenAt: last.sequence + 1, end: true };
      }
      last = { sequence: row.sequence, hash: row.hash };
    }
    if (rows.length === limit) return { head: last, brokenAt: null, end: false };
    const stored = this.#ledgerHead();
    const whole = stored.sequence === last.sequence && stored.hash === last.hash;
    return { head: last, brokenAt: whole ? null : last.sequence + 1, end: true };
  }

  recordCommand(json: string): void {
    const intent = JSON.parse(json) as CommandIntent;
    const { changes } = this.#run(
      `INSERT INTO commands (id, part_id, endpoint, tag, value, actor, at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO NOTHING`,
      intent.id,
      intent.partId,
      intent.endpoint,
      intent.tag,
      JSON.stringify(intent.value ?? null),
      intent.actor,
      this.#now().toISOString(),
    );
    if (changes === 0) {
      throw new JournalError('JOURNAL_DUPLICATE', `the command ${intent.id} was recorded before`, {
        hint: 'A command is sent once; make a new one.',
      });
    }
  }

  recordCommandResult(json: string): void {
    const result = JSON.parse(json) as CommandResult;
    const { changes } = this.#run(
      'UPDATE commands SET outcome = ?, reason = ?, read_back = ?, ms = ? WHERE id = ?',
      result.outcome,
      result.reason ?? null,
      JSON.stringify(result.readBack ?? null),
      result.ms,
      result.id,
    );
    if (changes === 0) {
      throw new JournalError('JOURNAL_NOT_FOUND', `no command ${result.id} was recorded`);
    }
  }

  command(id: string): CommandRecord | undefined {
    const row = this.#all<CommandRow>('SELECT * FROM commands WHERE id = ?', id)[0];
    return row === undefined ? undefined : commandRecord(row);
  }

  openCommands(): CommandRecord[] {
    return this.#all<CommandRow>(
      'SELECT * FROM commands WHERE outcome IS NULL ORDER BY row_id LIMIT ?',
      MAX_ROWS,
    ).map(commandRecord);
  }

  /** Newest last. */
  commands(query: { limit?: number }): CommandRecord[] {
    return this.#page<CommandRow>('SELECT * FROM commands', '? IS NULL', 'row_id', query, null).map(
      commandRecord,
    );
  }

  acceptOutbox(
    json: string,
    attachment: { bytes: Uint8Array; mediaType: string } | null,
  ): { accepted: boolean; record: OutboxRecord } {
    const entry = JSON.parse(json) as Omit<OutboxEntry, 'attachment'>;
    const known = this.#outboxRow(entry.key);
    if (known !== undefined) return { accepted: false, record: outboxRecord(known) };
    const waiting = this.#countWaiting();
    if (waiting >= this.#maxWaiting) {
      throw new JournalError('JOURNAL_OUTBOX_FULL', `${waiting} entries wait for delivery already`, {
        hint: 'Bring the receiver back; nothing that was accepted is dropped.',
      });
    }
    const sha256 = attachment === null ? null : keepEvidence(this.#folder, attachment.bytes);
    this.#run(
      `INSERT INTO outbox (key, stream, part_id, body, sha256, media_type, accepted_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      entry.key,
      entry.stream,
      entry.partId,
      JSON.stringify(entry.body ?? null),
      sha256,
      attachment?.mediaType ?? null,
      this.#now().toISOString(),
    );
    this.#waiting = waiting + 1;
    const row = this.#outboxRow(entry.key);
    if (row === undefined) throw new JournalError('JOURNAL_NOT_FOUND', `${entry.key} was not stored`);
    return { accepted: true, record: outboxRecord(row) };
  }

  dueOutbox(streamPrefix: string): OutboxDue {
    const end = `${streamPrefix}\u{10FFFF}`;
    const firsts = this.#all<{ row_id: number; key: string; waiting: number }>(
      `SELECT MIN(row_id) AS row_id, key, COUNT(*) AS waiting FROM outbox
       WHERE state = 'waiting' AND stream >= ? AND stream < ? GROUP BY stream ORDER BY 1`,
      streamPrefix,
      end,
    );
    const due: OutboxDue = { records: [], waiting: 0, dead: 0, nextDueMs: null };
    const now = this.#monotonicNow();
    for (const { row_id: rowId, key, waiting } of firsts) {
      due.waiting += waiting;
      const delayMs = (this.#dueAt.get(key) ?? now) - now;
      if (delayMs > 0) {
        due.nextDueMs = Math.min(due.nextDueMs ?? Infinity, delayMs);
      } else if (due.records.length < MAX_DUE) {
        const row = this.#all<OutboxRow>('SELECT * FROM outbox WHERE row_id = ?', rowId)[0];
        if (row !== undefined) due.records.push(outboxRecord(row));
      }
    }
    due.dead =
      this.#all<{ count: number }>(
        `SELECT COUNT(*) AS count FROM outbox WHERE state = 'dead' AND stream >= ? AND stream < ?`,
        streamPrefix,
        end,
      )[0]?.count ?? 0;
    return due;
  }

  settleOutbox(json: string): void {
    const { key, result, delayMs = 0, answer } = JSON.parse(json) as OutboxDelivery;
    const row = this.#outboxRow(key);
    if (row === undefined) throw new JournalError('JOURNAL_NOT_FOUND', `no entry ${key} is in the outbox`);
    if (row.state !== 'waiting') return;
    const state = { done: 'delivered', dead: 'dead', retry: 'waiting', progress: 'waiting' }[result];
    const retryMs = result === 'retry' ? delayMs : 0;
    this.#run(
      'UPDATE outbox SET state = ?, attempts = ?, delay_ms = ?, answer = ? WHERE row_id = ?',
      state,
      row.attempts + (result === 'progress' ? 0 : 1),
      retryMs,
      JSON.stringify(answer ?? null),
      row.row_id,
    );
    this.#waiting = undefined;
    if (retryMs > 0) this.#dueAt.set(key, this.#monotonicNow() + retryMs);
    else this.#dueAt.delete(key);
  }

  /** Newest last. */
  outbox({ limit, state }: { limit?: number; state?: OutboxRecord['state'] }): OutboxRecord[] {
    const where = state === undefined ? '? IS NULL' : 'state = ?';
    return this.#page<OutboxRow>('SELECT * FROM outbox', where, 'row_id', { limit }, state ?? null).map(
      outboxRecord,
    );
  }

  /** Bytes of their own, so that they can be handed to another thread. */
  attachment(sha256: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(readEvidence(this.#folder, sha256));
  }

  getValue(key: string): unknown {
    const row = this.#all<{ value: string }>('SELECT value FROM stored_values WHERE key = ?', key)[0];
    return row === undefined ? undefined : JSON.parse(row.value);
  }

  setValue(key: string, json: string): void {
    this.#run(
      `INSERT INTO stored_values (key, value) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      key,
      json,
    );
  }

  /** What was counted in memory may be wrong after a rollback. */
  forget(): void {
    this.#waiting = undefined;
  }

  /** Keeps what is left of the delays for the next run. */
  saveDelays(): void {
    const now = this.#monotonicNow();
    for (const [key, dueAt] of this.#dueAt) {
      this.#run(
        `UPDATE outbox SET delay_ms = ? WHERE key = ? AND state = 'waiting'`,
        Math.max(0, dueAt - now),
        key,
      );
    }
  }

  #ledgerHead(): Pick<LedgerRow, 'sequence' | 'hash'> {
    const head = this.#all<{ sequence: number; hash: string }>('SELECT sequence, hash FROM ledger_head')[0];
    return head ?? { sequence: 0, hash: FIRST_PREVIOUS_HASH };
  }

  #outboxRow(key: string): OutboxRow | undefined {
    return this.#all<OutboxRow>('SELECT * FROM outbox WHERE key = ?', key)[0];
  }

  #countWaiting(): number {
    this.#waiting ??=
      this.#all<{ count: number }>(`SELECT COUNT(*) AS count FROM outbox WHERE state = 'waiting'`)[0]
        ?.count ?? 0;
    return this.#waiting;
  }

  /** Ascending from `after`, or the newest rows, ascending too. */
  #page<Row>(
    select: string,
    where: string,
    order: string,
    { limit = DEFAULT_ROWS, after }: { limit?: number | undefined; after?: number | undefined },
    parameter: string | number | null,
  ): Row[] {
    const rows = Math.max(0, Math.min(Math.trunc(limit), MAX_ROWS));
    if (after !== undefined) {
      const sql = `${select} WHERE ${where} AND ${order} > ? ORDER BY ${order} LIMIT ?`;
      return this.#all<Row>(sql, parameter, after, rows);
    }
    return this.#all<Row>(
      `${select} WHERE ${where} ORDER BY ${order} DESC LIMIT ?`,
      parameter,
      rows,
    ).reverse();
  }

  #statement(sql: string): Statement {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #run(sql: string, ...parameters: unknown[]): { changes: number } {
    return this.#statement(sql).run(...parameters);
  }

  #all<Row>(sql: string, ...parameters: unknown[]): Row[] {
    return this.#statement(sql).all(...parameters) as Row[];
  }
}

function ledgerRecord(row: LedgerRow): LedgerRecord {
  const record = JSON.parse(row.record) as Omit<LedgerRecord, 'hash' | 'previousHash'>;
  return { ...record, hash: row.hash, previousHash: row.previousHash };
}

function commandRecord(row: CommandRow): CommandRecord {
  return {
    id: row.id,
    partId: row.part_id,
    endpoint: row.endpoint,
    tag: row.tag,
    value: JSON.parse(row.value),
    actor: row.actor,
    at: row.at,
    outcome: row.outcome,
    reason: row.reason,
    readBack: JSON.parse(row.read_back),
    ms: row.ms,
  };
}

function outboxRecord(row: OutboxRow): OutboxRecord {
  return {
    key: row.key,
    stream: row.stream,
    partId: row.part_id,
    body: JSON.parse(row.body),
    attachment:
      row.sha256 === null
        ? null
        : { sha256: row.sha256, mediaType: row.media_type ?? 'application/octet-stream' },
    state: row.state,
    attempts: row.attempts,
    answer: JSON.parse(row.answer),
    acceptedAt: row.accepted_at,
  };
}
