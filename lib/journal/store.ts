/**
 * The tables of the journal: parts, labels, commands, ledger, outbox, values. Synchronous, so it lives in the
 * journal's worker; durability (transactions, group commit) is the caller's, and every method is
 * safe to run again after a rollback. Values that are any JSON travel as JSON text.
 */
import type { Database } from 'better-sqlite3';
import type { Inspection } from '../inspection/inspection.ts';
import { Bounds } from './bounds.ts';
import { Commands, otherThanName } from './commands.ts';
import { readEvidence } from './evidence.ts';
import { FigureReader, type FigureRow, type LabelFigureRow } from './figures.ts';
import { JournalError } from './journal-error.ts';
import {
  COUNT_WAITING,
  HAS_SCORE,
  INSERT_LABEL,
  IS_UNLABELLED,
  labelCondition,
  labelRecord,
  labelValues,
  type LabelRow,
} from './labels.ts';
import { chain, FIRST_PREVIOUS_HASH, follows, type LedgerRow } from './ledger.ts';
import { Outbox } from './outbox.ts';
import type { Segment } from './segments.ts';
import { Tables } from './tables.ts';
import type {
  Attachment,
  BoundUse,
  NewCommand,
  CommandNumber,
  CommandRecord,
  CommandResult,
  JournalCounts,
  Label,
  LabelQuery,
  LedgerEntry,
  LedgerRecord,
  NewLabel,
  OutboxDue,
  OutboxQuery,
  OutboxRecord,
  PartQuery,
  PartRecord,
  StreamBound,
  ReceiverState,
  Undelivered,
} from './types.ts';

/** Counting that takes less is done each time. */
const QUICK_COUNT_MS = 10;
/** Most of the worker's time that goes into counting. */
const COUNTING_SHARE = 0.02;

export interface StoreOptions {
  folder: string;
  maxWaiting: number;
  bounds?: readonly StreamBound[];
  monotonicNow?: () => number;
  now?: () => Date;
}

/** What has been confirmed: how many commits, and the last record of the ledger. */
export interface Tail extends Pick<LedgerRow, 'sequence' | 'hash'> {
  commits: number;
}

/** Who asks for a change, and why. */
interface Because {
  actor: string;
  reason: string;
}

type ChainRow = Omit<LedgerRow, 'previousHash'> & { previous_hash: string };

export class Store {
  readonly #tables: Tables;
  readonly #commands: Commands;
  readonly #outbox: Outbox;
  readonly #bounds: Bounds;
  readonly #figures: FigureReader;
  readonly #folder: string;
  readonly #now: () => Date;
  readonly #monotonicNow: () => number;
  #counted: { counts: JournalCounts; until: number } | undefined;

  constructor(
    database: Database,
    {
      folder,
      maxWaiting,
      bounds = [],
      monotonicNow = () => performance.now(),
      now = () => new Date(),
    }: StoreOptions,
  ) {
    this.#tables = new Tables(database);
    this.#figures = new FigureReader(this.#tables);
    this.#folder = folder;
    this.#now = now;
    this.#monotonicNow = monotonicNow;
    this.#commands = new Commands(this.#tables, now);
    this.#bounds = new Bounds(this.#tables, bounds, now);
    const admit = this.#bounds.admit.bind(this.#bounds);
    this.#outbox = new Outbox(this.#tables, { folder, maxWaiting, admit, monotonicNow, now });
  }

  recordPart(json: string): void {
    const inspection = JSON.parse(json) as Inspection;
    const { id, sequence, capturedAt } = inspection.part;
    const row = this.#tables.all<{ inspection: string }>('SELECT inspection FROM parts WHERE id = ?', id)[0];
    const known = row === undefined ? undefined : (JSON.parse(row.inspection) as Inspection);
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

  /** Newest last; without `after`, the newest `limit` parts. */
  parts({ limit, decision, after, unlabelled = false, scored }: PartQuery): PartRecord[] {
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

  /**
   * Walks whole indexes, so on a long record an answer is given again for a while: people who look at a
   * station must not hold up what it writes.
   */
  counts(): JournalCounts {
    const startedAt = this.#monotonicNow();
    if (this.#counted !== undefined && startedAt < this.#counted.until) return this.#counted.counts;
    const counts = this.#count();
    const tookMs = this.#monotonicNow() - startedAt;
    this.#counted =
      tookMs < QUICK_COUNT_MS ? undefined : { counts, until: startedAt + tookMs + tookMs / COUNTING_SHARE };
    return counts;
  }

  #count(): JournalCounts {
    const tally = (table: string, column: string): Map<string, number> =>
      new Map(
        this.#tables
          .all<{ name: string | null; count: number }>(
            `SELECT ${column} AS name, COUNT(*) AS count FROM ${table} GROUP BY ${column}`,
          )
          .map(({ name, count }) => [name ?? '', count]),
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
      bounds: this.bounds(),
    };
  }

  recordLabel(json: string): Label {
    const label = JSON.parse(json) as NewLabel;
    const row = this.#tables.all<{ inspection: string }>(
      'SELECT inspection FROM parts WHERE id = ?',
      label.partId,
    )[0];
    if (row === undefined) {
      throw new JournalError('JOURNAL_NOT_FOUND', `no part ${label.partId} is on record`);
    }
    const values = labelValues(JSON.parse(row.inspection) as Inspection, label, this.#now().toISOString());
    const [stored] = this.#tables.all<LabelRow>(INSERT_LABEL, ...values);
    if (stored === undefined) throw new JournalError('JOURNAL_NOT_FOUND', 'the label was not stored');
    const { partId, truth, decision, score } = labelRecord(stored);
    const { defectClass, proposedBy } = label;
    this.#chain({
      type: 'gate.label',
      actor: label.actor,
      object: label.station,
      reason: label.reason,
      detail: {
        ...{ partId, truth, decision, score },
        ...(defectClass === undefined ? {} : { defectClass }),
        ...(proposedBy === undefined ? {} : { proposedBy }),
      },
    });
    return labelRecord(stored);
  }

  /** Newest last; without `after`, the newest `limit` labels. */
  labels(query: LabelQuery): Label[] {
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

  firstSince(since: string): number {
    return this.#figures.firstSince(since);
  }

  figureRows(from: number): FigureRow[] {
    return this.#figures.rows(from);
  }

  labelFigures(from: number): LabelFigureRow[] {
    return this.#figures.labels(from);
  }

  waitingForReview(): { scored: number; unscored: number } {
    const [found] = this.#tables.all<{ count: number; scored: number }>(COUNT_WAITING);
    const { count = 0, scored = 0 } = found ?? {};
    return { scored, unscored: count - scored };
  }

  appendLedger(json: string): LedgerRecord {
    return this.#chain(JSON.parse(json) as LedgerEntry);
  }

  #chain(entry: LedgerEntry): LedgerRecord {
    const head = this.#ledgerHead();
    const row = chain(entry, this.#now().toISOString(), head);
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
  ledger(query: { limit?: number; after?: number }): LedgerRecord[] {
    return this.#tables
      .page<ChainRow>('SELECT * FROM ledger', '? IS NULL', 'sequence', query, null)
      .map((row) => ledgerRecord({ ...row, previousHash: row.previous_hash }));
  }

  /**
   * Walks at most `limit` records on from a head, so that a long ledger does not hold up the writers. What was
   * sealed is taken as it was sealed: `verifyJournal` reads it. `end` is true when the walk came to the end and the end is the one that was stored.
   */
  verifyLedgerFrom(
    head: Pick<LedgerRow, 'sequence' | 'hash'>,
    limit: number,
  ): { head: Pick<LedgerRow, 'sequence' | 'hash'>; brokenAt: number | null; end: boolean } {
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
    const stored = this.#ledgerHead();
    const whole = stored.sequence === last.sequence && stored.hash === last.hash;
    return { head: last, brokenAt: whole ? null : last.sequence + 1, end: true };
  }

  recordCommand(json: string): CommandNumber {
    const intent = JSON.parse(json) as NewCommand;
    const number = this.#commands.record(intent, this.#ledgerHead().sequence + 1);
    const { id, partId, endpoint, tag, value, actor, purpose = 'decision' } = intent;
    const endpointId = otherThanName(intent);
    const named = endpointId === undefined ? { endpoint } : { endpoint, endpointId };
    const detail = { id, partId, ...named, value, number, purpose };
    const { hash } = this.#chain({ type: 'plc.command', actor, object: tag, detail });
    return { number, reference: Number.parseInt(hash.slice(0, 8), 16) };
  }

  recordCommandResult(json: string): void {
    const result = JSON.parse(json) as CommandResult;
    this.#commands.recordResult(result);
    const { id, outcome, reason, readBack = null } = result;
    this.#chain({
      type: 'plc.outcome',
      actor: 'system',
      object: this.#commands.get(id)?.tag ?? '',
      detail: { id, outcome, readBack, ...(reason === undefined ? {} : { reason }) },
    });
  }

  command(id: string): CommandRecord | undefined {
    return this.#commands.get(id);
  }

  openCommands(): CommandRecord[] {
    return this.#commands.open();
  }

  /** Newest last. */
  commands(query: { limit?: number }): CommandRecord[] {
    return this.#commands.list(query);
  }

  acceptOutbox(
    json: string,
    attachment: Attachment | null,
    further: readonly Attachment[] = [],
  ): { accepted: boolean; record: OutboxRecord } {
    return this.#outbox.accept(json, attachment, further);
  }

  dueOutbox(streamPrefix: string): OutboxDue {
    return this.#outbox.due(streamPrefix);
  }

  settleOutbox(json: string): void {
    this.#outbox.settle(json);
  }

  /** Newest last. */
  outbox(query: OutboxQuery): OutboxRecord[] {
    return this.#outbox.list(query);
  }

  outboxEntry(key: string): OutboxRecord | undefined {
    return this.#outbox.entry(key);
  }

  requeueOutbox(key: string, { actor, reason }: { actor: string; reason: string }): void {
    const { partId, answer } = this.#outbox.requeue(key);
    this.#chain({ type: 'ticket.requeue', actor, object: key, reason, detail: { partId, answer } });
  }

  undelivered(): Undelivered[] {
    return this.#outbox.undelivered();
  }

  requeueAllOutbox(address: string, { actor, reason }: Because): number {
    const changed = this.#outbox.requeueAll(address);
    return this.#noteChange('ticket.requeue', address, { ...changed }, { actor, reason });
  }

  readdressOutbox(address: string, to: string, by: Because): number {
    const changed = this.#outbox.readdress(address, to);
    return this.#noteChange('ticket.handover', address, { ...changed, to }, by);
  }

  setAsideOutbox(address: string, by: Because): number {
    const error = { code: 'MES_GONE', message: by.reason };
    return this.#noteChange('ticket.aside', address, { ...this.#outbox.setAside(address, { error }) }, by);
  }

  #noteChange(
    type: string,
    object: string,
    detail: { tickets: number; [name: string]: unknown },
    by: Because,
  ): number {
    if (detail.tickets > 0) this.#chain({ type, object, ...by, detail });
    return detail.tickets;
  }

  noteReceiver(key: string, receiver: ReceiverState, actor: string): boolean {
    const entry = this.#outbox.noteReceiver(key, receiver);
    if (entry === undefined) return false;
    const { partId, answer } = entry;
    const [row] = this.#tables.all<{ inspection: string }>(
      'SELECT inspection FROM parts WHERE id = ?',
      partId,
    );
    const known = row === undefined ? undefined : (JSON.parse(row.inspection) as Inspection);
    // The part may have been inspected again since, with a ticket of its own or none.
    if (known?.ticket?.key === key) {
      this.recordPart(JSON.stringify({ ...known, ticket: { ...known.ticket, receiver } }));
    }
    this.#chain({ type: 'ticket.state', actor, object: key, detail: { partId, answer, ...receiver } });
    return true;
  }

  deliveredAs(address: string, ticketId: string): OutboxRecord | undefined {
    return this.#outbox.deliveredAs(address, ticketId);
  }

  openOutbox(address: string, query: { limit: number; after: string | null }): OutboxRecord[] {
    return this.#outbox.open(address, query);
  }

  /** Bytes of their own, so that they can be handed to another thread. */
  attachment(sha256: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(readEvidence(this.#folder, sha256));
  }

  getValue(key: string): unknown {
    const row = this.#tables.all<{ value: string }>('SELECT value FROM stored_values WHERE key = ?', key)[0];
    return row === undefined ? undefined : JSON.parse(row.value);
  }

  setValue(key: string, json: string): void {
    this.#tables.run(
      `INSERT INTO stored_values (key, value) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      key,
      json,
    );
  }

  bounds(): BoundUse[] {
    return this.#bounds.use();
  }

  /** Telemetry that is older than it may be goes, with a record in the ledger. */
  expireTelemetry(): number {
    const entries = this.#bounds.expire();
    if (entries > 0) {
      this.#chain({ type: 'journal.prune', actor: 'system', object: 'outbox', detail: { expired: entries } });
    }
    return entries;
  }

  /** Part of every transaction: tells what is on the disk once it is committed. */
  countCommit(): Tail {
    this.#tables.run('UPDATE commits SET count = count + 1');
    return this.#tail();
  }

  /** False when commits that were confirmed are not there. */
  holds(confirmed: Tail): boolean {
    if (this.#tail().commits < confirmed.commits) return false;
    if (confirmed.sequence === 0) return true;
    const [row] = this.#tables.all<{ hash: string }>(
      'SELECT hash FROM ledger WHERE sequence = ?',
      confirmed.sequence,
    );
    return row?.hash === confirmed.hash;
  }

  #tail(): Tail {
    const [row] = this.#tables.all<{ count: number }>('SELECT count FROM commits');
    return { commits: row?.count ?? 0, ...this.#ledgerHead() };
  }

  /** What was counted in memory may be wrong after a rollback. */
  forget(): void {
    this.#outbox.forget();
  }

  /** Keeps what is left of the delays for the next run. */
  saveDelays(): void {
    this.#outbox.saveDelays();
  }

  /** The last record that is in a file of its own. */
  sealedHead(): Pick<LedgerRow, 'sequence' | 'hash'> {
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
    this.#chain({ type: 'ledger.sealed', actor: 'system', object: file, detail });
  }

  #ledgerHead(): Pick<LedgerRow, 'sequence' | 'hash'> {
    const head = this.#tables.all<{ sequence: number; hash: string }>(
      'SELECT sequence, hash FROM ledger_head',
    )[0];
    return head ?? { sequence: 0, hash: FIRST_PREVIOUS_HASH };
  }
}

function ledgerRecord(row: LedgerRow): LedgerRecord {
  const record = JSON.parse(row.record) as Omit<LedgerRecord, 'hash' | 'previousHash'>;
  return { ...record, hash: row.hash, previousHash: row.previousHash };
}
