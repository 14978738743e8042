/**
 * What the station's durable memory promises. The store behind it is SQLite in a worker thread;
 * whatever resolves here has been committed with `synchronous=FULL`.
 */
import type { CommandOutcome, Decision, Inspection } from '../inspection/inspection.ts';
import type { ShiftFigures } from './figures.ts';

/** One line of the ledger: who or what did which thing to which object, and why. */
export interface LedgerEntry {
  /** Dotted verb: `station.arm`, `gate.tolerance`, `plc.command`, `model.teach`, … */
  type: string;
  actor: string;
  /** What it was done to: a station, a tag, a model. */
  object: string;
  reason?: string;
  detail?: Record<string, unknown>;
}

export interface LedgerRecord extends LedgerEntry {
  sequence: number;
  /** ISO 8601 in UTC; for people, never for order. */
  at: string;
  /** Hex SHA-256 over the previous hash and the canonical JSON of this record. */
  hash: string;
  previousHash: string;
}

/** What is written before the first byte of a command leaves. */
export interface CommandIntent {
  id: string;
  partId: string | null;
  /** As people call it, which they may change. */
  endpoint: string;
  /** What tells it from others of the same name, and stays when it is renamed; the name where there is nothing else. */
  endpointId?: string;
  tag: string;
  value: unknown;
  /** `system`, or the person who asked for it. */
  actor: string;
  /** What it is for; a decision about a part unless told. */
  purpose?: CommandPurpose;
}

export interface NewCommand extends CommandIntent {
  /** Newest number that the PLC has seen: its own is above it, also where this journal knows of none. */
  above?: number;
}

/** `decision`: about a part. `release`: a person lets go. `request`: a person or program asked for it. `fallback`: the output that was defined for the station that stopped acting. */
export type CommandPurpose = 'decision' | 'release' | 'request' | 'fallback';

/** What the journal gives a command that it has made durable. */
export interface CommandNumber {
  /** Counts the commands to one endpoint, 1 to 2³² − 1 and then 1 again: what the PLC acknowledges. */
  number: number;
  /** First four bytes of the hash of its record in the ledger: ties what the PLC did to the record. */
  reference: number;
}

export interface CommandResult {
  id: string;
  outcome: CommandOutcome;
  reason?: string;
  readBack?: unknown;
  ms: number;
}

export interface CommandRecord extends CommandIntent {
  endpointId: string;
  purpose: CommandPurpose;
  number: number;
  at: string;
  outcome: CommandOutcome | null;
  reason: string | null;
  readBack: unknown;
  ms: number | null;
}

export interface OutboxEntry {
  /** Idempotency key, made once by the sender; a second accept with it changes nothing. */
  key: string;
  /** Delivery is in order within a stream and independent between streams. */
  stream: string;
  partId: string | null;
  body: unknown;
  /** Evidence of the part, stored as a file addressed by its SHA-256. */
  attachment?: Attachment;
  /** Kept as files too, and removed with the entry. */
  furtherAttachments?: readonly Attachment[];
}

export interface Attachment {
  bytes: Uint8Array;
  mediaType: string;
}

/** An attachment as the journal keeps it. */
export interface StoredAttachment {
  sha256: string;
  mediaType: string;
}

/** What the receiver last said of a delivered entry. */
export interface ReceiverState {
  state: 'open' | 'closed';
  /** The receiver's own word for it. */
  said: string;
  /** ISO 8601 in UTC; for people. */
  at: string;
}

export interface OutboxQuery {
  limit?: number;
  state?: OutboxRecord['state'];
  /** Only entries whose stream starts with it. */
  streamPrefix?: string;
  /** Only entries accepted after the one with this `rowId`, oldest first. */
  after?: number;
}

/** What is not delivered of the entries with one address: a stream's name up to its second colon. */
export interface Undelivered {
  address: string;
  waiting: number;
  /** Set aside. */
  dead: number;
}

export interface OutboxRecord {
  /** Order of arrival in this journal. */
  rowId: number;
  key: string;
  stream: string;
  partId: string | null;
  body: unknown;
  attachment: StoredAttachment | null;
  furtherAttachments: StoredAttachment[];
  state: 'waiting' | 'delivered' | 'dead';
  attempts: number;
  /** What the receiver answered, or the last error. */
  answer: unknown;
  receiver: ReceiverState | null;
  acceptedAt: string;
}

export interface OutboxDelivery {
  key: string;
  /**
   * `done`: delivered. `retry`: stays first of its stream, not before `delayMs`. `dead`: set aside,
   * visible. `progress`: a part of the delivery succeeded and is remembered in `answer`.
   */
  result: 'done' | 'retry' | 'dead' | 'progress';
  delayMs?: number;
  answer: unknown;
}

export interface OutboxDue {
  /** In order of acceptance, at most one of each stream, at most 64. */
  records: OutboxRecord[];
  /** Entries of these streams that are not delivered yet, due or not. */
  waiting: number;
  /** Entries of these streams that were set aside. */
  dead: number;
  /** Milliseconds until the next first-of-its-stream that is not due yet; null when there is none. */
  nextDueMs: number | null;
}

/** What a person found a part to be, whatever the station had decided. */
export type Truth = 'good' | 'defect';

export interface NewLabel {
  partId: string;
  truth: Truth;
  /** What is wrong with it, in the plant's own words. */
  defectClass?: string;
  actor: string;
  /** Who had found the same before, where two have to agree. */
  proposedBy?: string;
  reason: string;
  /** The station, as the ledger names it. */
  station: string;
}

export interface Label extends Omit<NewLabel, 'station' | 'defectClass' | 'proposedBy'> {
  defectClass: string | null;
  proposedBy: string | null;
  /** Order of arrival in this journal. */
  rowId: number;
  /** Of the inspection it is about: a part may be inspected again. */
  sequence: number;
  /** What the station had decided, and why; null when no gate had judged the part. */
  decision: Decision | null;
  verdictReason: string | null;
  score: number | null;
  /** Of the model that scored it. */
  modelDigest: string | null;
  /** ISO 8601 in UTC; for people, never for order. */
  at: string;
}

export interface LabelQuery {
  limit?: number;
  /** Only labels recorded after the one with this `rowId`. */
  after?: number;
  /** Only labels of inspections with this sequence and later ones. */
  sinceSequence?: number;
  /** Also labels that a later one of the same inspection has corrected. */
  history?: boolean;
}

export interface PartQuery {
  limit?: number;
  decision?: Decision;
  /** Only parts whose inspection on record nobody has labelled. */
  unlabelled?: boolean;
  /** Only parts that were judged by a score, or only those without one. */
  scored?: boolean;
  /** Only parts journalled after the one with this sequence in the journal. */
  after?: number;
}

export interface PartRecord {
  /** Order of arrival in this journal. */
  rowId: number;
  inspection: Inspection;
}

/** What is thrown away when it is old enough. Without a figure, nothing of that kind is. Of the ledger nothing ever is. */
export interface Retention {
  /** Days that parts, commands with their outcome and delivered outbox entries are kept. */
  partsDays?: number;
  /** Days that evidence files are kept. */
  evidenceDays?: number;
  /** Bytes that evidence files may take together; beyond it the oldest go first. */
  evidenceMaxBytes?: number;
  /** Days after which records of the ledger move from the database into sealed files beside it. */
  ledgerDays?: number;
}

/** How much of one kind of stream may wait for delivery; what has no figure has no bound. */
export interface StreamBound {
  /** The streams' name up to the first colon. */
  kind: string;
  maxRows?: number;
  /** Of bodies and attachments together. */
  maxBytes?: number;
  /** Telemetry that is older goes; of what must not be dropped, waiting that long is told like being full. */
  maxAgeDays?: number;
  /** `reject`: a further entry is refused. `drop-oldest`: for telemetry only. */
  onFull: 'reject' | 'drop-oldest';
}

/** From 80 %, from 95 % and from 100 % of a bound. */
export type PressureLevel = 'normal' | 'warn' | 'shed' | 'full';

export interface BoundUse {
  kind: string;
  onFull: StreamBound['onFull'];
  rows: number;
  maxRows: number | null;
  bytes: number;
  maxBytes: number | null;
  /** Of the bound that is nearest, 0 and up. */
  share: number;
  level: PressureLevel;
  /** Entries that made room for newer ones, ever. */
  dropped: number;
  /** Entries that were turned away since the journal was opened. */
  refused: number;
}

export interface JournalCounts {
  parts: number;
  accept: number;
  review: number;
  reject: number;
  commands: Record<CommandOutcome | 'pending', number>;
  outbox: { waiting: number; delivered: number; dead: number };
  /** What waits for delivery against what may. */
  bounds: BoundUse[];
}

export interface Journal {
  /**
   * Writes what is known of a part. Sections it has replace earlier ones of the same inspection,
   * sections it lacks stay: the branches of a flow each know their own. The same part id with a higher
   * sequence is a new inspection and replaces the old one; what comes late of the old one changes nothing.
   */
  recordPart(inspection: Inspection): Promise<void>;
  parts(query?: PartQuery): Promise<PartRecord[]>;
  /** Highest part sequence ever recorded; 0 in an empty journal. */
  lastSequence(): Promise<number>;
  counts(): Promise<JournalCounts>;

  /**
   * Keeps what a person found, together with its record in the ledger (`gate.label`), in one commit.
   * Rejects with `JOURNAL_NOT_FOUND` for a part that is not on record.
   */
  recordLabel(label: NewLabel): Promise<Label>;
  /** Newest last; one of every inspection, unless the history is asked for. */
  labels(query?: LabelQuery): Promise<Label[]>;
  /** What has been since a moment, in ISO 8601; asking again for the same moment reads only what came since. */
  figures(since: string): Promise<ShiftFigures>;
  /** How many of the newest 5 000 parts that were sent to a person wait for one. */
  waitingForReview(): Promise<{ scored: number; unscored: number }>;

  appendLedger(entry: LedgerEntry): Promise<LedgerRecord>;
  ledger(query?: { limit?: number; after?: number }): Promise<LedgerRecord[]>;
  /** Walks the hash chain; `brokenAt` is the sequence of the first record that does not fit. */
  verifyLedger(): Promise<{ records: number; brokenAt: number | null }>;

  /**
   * Keeps the intent together with its record in the ledger (`plc.command`), in one commit. Rejects with
   * `JOURNAL_DUPLICATE` when the id is known: a command is sent once.
   */
  recordCommand(intent: NewCommand): Promise<CommandNumber>;
  /** Together with its record in the ledger (`plc.outcome`). */
  recordCommandResult(result: CommandResult): Promise<void>;
  command(id: string): Promise<CommandRecord | undefined>;
  /** Commands without a result: what was under way when the process ended. */
  openCommands(): Promise<CommandRecord[]>;
  commands(query?: { limit?: number }): Promise<CommandRecord[]>;

  /** Resolves after the entry is durable. `accepted` is false when the key was known already. */
  acceptOutbox(entry: OutboxEntry): Promise<{ accepted: boolean; record: OutboxRecord }>;
  /** The first waiting entry of every stream that starts with the prefix, where it is due. */
  dueOutbox(streamPrefix: string): Promise<OutboxDue>;
  settleOutbox(delivery: OutboxDelivery): Promise<void>;
  outbox(query?: OutboxQuery): Promise<OutboxRecord[]>;
  /** One entry; undefined for a key nobody has sent. */
  outboxEntry(key: string): Promise<OutboxRecord | undefined>;
  /**
   * Puts an entry that was set aside back to where it stood in its stream, together with its record in the
   * ledger (`ticket.requeue`). Rejects with `JOURNAL_NOT_FOUND` for an entry that is not set aside.
   */
  requeueOutbox(key: string, by: { actor: string; reason: string }): Promise<void>;
  /** By address; none where all is delivered. */
  undelivered(): Promise<Undelivered[]>;
  /**
   * Puts back what was set aside of an address, the oldest first, up to a thousand at a time; one record in the ledger
   * (`ticket.requeue`). Resolves to how many it were.
   */
  requeueAllOutbox(address: string, by: { actor: string; reason: string }): Promise<number>;
  /**
   * Gives what is not delivered of one address to another, in its order and as it stands, up to a thousand at a time, with a
   * record in the ledger (`ticket.handover`): its receiver is no longer there. Resolves to how many it were.
   */
  readdressOutbox(address: string, to: string, by: { actor: string; reason: string }): Promise<number>;
  /** Sets aside what waits of an address, up to a thousand at a time, with a record in the ledger (`ticket.aside`). */
  setAsideOutbox(address: string, by: { actor: string; reason: string }): Promise<number>;
  /**
   * What the receiver says of a delivered entry: kept with it, on the part's record and in the ledger
   * (`ticket.state`), in one commit. Resolves to false when it says what it said before.
   */
  noteReceiver(key: string, state: ReceiverState, actor: string): Promise<boolean>;
  /** The newest delivered entry of this address to which the receiver gave this number (`answer.ticketId`). */
  deliveredAs(address: string, ticketId: string): Promise<OutboxRecord | undefined>;
  /** Delivered entries of this address the receiver has not closed, oldest first, after the one with this key. */
  openOutbox(address: string, query: { limit: number; after: string | null }): Promise<OutboxRecord[]>;
  attachment(sha256: string): Promise<Buffer>;

  /** Small durable values: the sequence counter, a gate's tolerance. */
  getValue(key: string): Promise<unknown>;
  setValue(key: string, value: unknown): Promise<void>;

  /** Flushes what is waiting and closes the file. */
  close(): Promise<void>;
}
