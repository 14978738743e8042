/**
 * What the journal's worker asks of its tables, and the records in the ledger that go with a change: both are one
 * transaction, which is the caller's, as is durability (group commit). Synchronous; every method is safe to run again
 * after a rollback. Values that are any JSON travel as JSON text.
 */
import type { Database } from 'better-sqlite3';
import type { Inspection } from '../inspection/inspection.ts';
import { Bounds } from './bounds.ts';
import type { Head } from './chain.ts';
import { Commands, otherThanName } from './commands.ts';
import { Commits, type Tail } from './commits.ts';
import { Counter } from './counts.ts';
import { readEvidence } from './evidence.ts';
import { FigureReader, type FigureRow, type LabelFigureRow } from './figures.ts';
import { Labels } from './labels.ts';
import { Ledger } from './ledger.ts';
import { Outbox } from './outbox.ts';
import { Parts } from './parts.ts';
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
import { StoredValues } from './values.ts';

export interface StoreOptions {
  folder: string;
  maxWaiting: number;
  bounds?: readonly StreamBound[];
  monotonicNow?: () => number;
  now?: () => Date;
}

/** Who asks for a change, and why. */
interface Because {
  actor: string;
  reason: string;
}

export class Store {
  readonly #parts: Parts;
  readonly #labels: Labels;
  readonly #ledger: Ledger;
  readonly #commands: Commands;
  readonly #outbox: Outbox;
  readonly #bounds: Bounds;
  readonly #counter: Counter;
  readonly #figures: FigureReader;
  readonly #values: StoredValues;
  readonly #commits: Commits;
  readonly #folder: string;

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
    const tables = new Tables(database);
    this.#folder = folder;
    this.#parts = new Parts(tables);
    this.#labels = new Labels(tables, this.#parts, now);
    this.#ledger = new Ledger(tables, now);
    this.#commands = new Commands(tables, now);
    this.#bounds = new Bounds(tables, bounds, now);
    const admit = this.#bounds.admit.bind(this.#bounds);
    this.#outbox = new Outbox(tables, { folder, maxWaiting, admit, monotonicNow, now });
    this.#counter = new Counter(tables, () => this.#bounds.use(), monotonicNow);
    this.#figures = new FigureReader(tables);
    this.#values = new StoredValues(tables);
    this.#commits = new Commits(tables, this.#ledger);
  }

  recordPart(json: string): void {
    this.#parts.record(JSON.parse(json) as Inspection);
  }

  /** Newest last; without `after`, the newest `limit` parts. */
  parts(query: PartQuery): PartRecord[] {
    return this.#parts.list(query);
  }

  lastSequence(): number {
    return this.#parts.lastSequence();
  }

  waitingForReview(): { scored: number; unscored: number } {
    return this.#parts.waitingForReview();
  }

  counts(): JournalCounts {
    return this.#counter.counts();
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

  recordLabel(json: string): Label {
    const label = JSON.parse(json) as NewLabel;
    const stored = this.#labels.record(label);
    const { partId, truth, decision, score } = stored;
    const { defectClass, proposedBy } = label;
    this.#ledger.append({
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
    return stored;
  }

  /** Newest last; without `after`, the newest `limit` labels. */
  labels(query: LabelQuery): Label[] {
    return this.#labels.list(query);
  }

  appendLedger(json: string): LedgerRecord {
    return this.#ledger.append(JSON.parse(json) as LedgerEntry);
  }

  /** Newest last; without `after`, the newest `limit` records. */
  ledger(query: { limit?: number; after?: number }): LedgerRecord[] {
    return this.#ledger.list(query);
  }

  verifyLedgerFrom(head: Head, limit: number): { head: Head; brokenAt: number | null; end: boolean } {
    return this.#ledger.verifyFrom(head, limit);
  }

  /** The last record that is in a file of its own. */
  sealedHead(): Head {
    return this.#ledger.sealedHead();
  }

  recordSegment(segment: Segment): void {
    this.#ledger.recordSegment(segment);
  }

  recordCommand(json: string): CommandNumber {
    const intent = JSON.parse(json) as NewCommand;
    const number = this.#commands.record(intent, this.#ledger.head().sequence + 1);
    const { id, partId, endpoint, tag, value, actor, purpose = 'decision' } = intent;
    const endpointId = otherThanName(intent);
    const named = endpointId === undefined ? { endpoint } : { endpoint, endpointId };
    const detail = { id, partId, ...named, value, number, purpose };
    const { hash } = this.#ledger.append({ type: 'plc.command', actor, object: tag, detail });
    return { number, reference: Number.parseInt(hash.slice(0, 8), 16) };
  }

  recordCommandResult(json: string): void {
    const result = JSON.parse(json) as CommandResult;
    this.#commands.recordResult(result);
    const { id, outcome, reason, readBack = null } = result;
    this.#ledger.append({
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

  requeueOutbox(key: string, { actor, reason }: Because): void {
    const { partId, answer } = this.#outbox.requeue(key);
    this.#ledger.append({ type: 'ticket.requeue', actor, object: key, reason, detail: { partId, answer } });
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
    if (detail.tickets > 0) this.#ledger.append({ type, object, ...by, detail });
    return detail.tickets;
  }

  noteReceiver(key: string, receiver: ReceiverState, actor: string): boolean {
    const entry = this.#outbox.noteReceiver(key, receiver);
    if (entry === undefined) return false;
    const { partId, answer } = entry;
    this.#parts.recordReceiver(partId, key, receiver);
    this.#ledger.append({
      type: 'ticket.state',
      actor,
      object: key,
      detail: { partId, answer, ...receiver },
    });
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
    return this.#values.get(key);
  }

  setValue(key: string, json: string): void {
    this.#values.set(key, json);
  }

  bounds(): BoundUse[] {
    return this.#bounds.use();
  }

  /** Telemetry that is older than it may be goes, with a record in the ledger. */
  expireTelemetry(): number {
    const entries = this.#bounds.expire();
    if (entries > 0) {
      this.#ledger.append({
        type: 'journal.prune',
        actor: 'system',
        object: 'outbox',
        detail: { expired: entries },
      });
    }
    return entries;
  }

  /** Part of every transaction: tells what is on the disk once it is committed. */
  countCommit(): Tail {
    return this.#commits.count();
  }

  /** False when commits that were confirmed are not there. */
  holds(confirmed: Tail): boolean {
    return this.#commits.hold(confirmed);
  }

  /** What was counted in memory may be wrong after a rollback. */
  forget(): void {
    this.#outbox.forget();
  }

  /** Keeps what is left of the delays for the next run. */
  saveDelays(): void {
    this.#outbox.saveDelays();
  }
}
