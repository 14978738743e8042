/** A journal without a disk, for tests in which it has to fail or to wait on command. */
import { CodedError } from '../../lib/errors.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type {
  NewCommand,
  CommandNumber,
  CommandRecord,
  CommandResult,
  Journal,
  LedgerEntry,
  LedgerRecord,
} from '../../lib/journal/types.ts';

function notHere(): Promise<never> {
  return Promise.reject(new Error('not part of the memory journal'));
}

export class MemoryJournal implements Journal {
  /** When set, every write rejects with it. */
  failure: Error | undefined;
  /** Awaited before every write; replace it to hold writes back. */
  beforeWrite: () => Promise<void> = () => Promise.resolve();
  readonly entries: LedgerRecord[] = [];
  readonly inspections: Inspection[] = [];
  readonly values = new Map<string, unknown>();
  readonly commandRecords = new Map<string, CommandRecord>();
  closed = false;

  async #write(): Promise<void> {
    await this.beforeWrite();
    if (this.failure !== undefined) throw this.failure;
  }

  async recordPart(inspection: Inspection): Promise<void> {
    await this.#write();
    this.inspections.push(structuredClone(inspection));
  }

  parts(): Promise<{ rowId: number; inspection: Inspection }[]> {
    return Promise.resolve(this.inspections.map((inspection, index) => ({ rowId: index + 1, inspection })));
  }

  lastSequence(): Promise<number> {
    return Promise.resolve(Math.max(0, ...this.inspections.map(({ part }) => part.sequence)));
  }

  counts = notHere;

  async appendLedger(entry: LedgerEntry): Promise<LedgerRecord> {
    await this.#write();
    const sequence = this.entries.length + 1;
    const record = { ...entry, sequence, at: '2026-01-01T00:00:00.000Z', hash: '', previousHash: '' };
    this.entries.push(record);
    return record;
  }

  ledger(): Promise<LedgerRecord[]> {
    return Promise.resolve(this.entries);
  }

  verifyLedger = notHere;

  async recordCommand({ above = 0, ...intent }: NewCommand): Promise<CommandNumber> {
    await this.#write();
    if (this.commandRecords.has(intent.id))
      throw new CodedError('JOURNAL_DUPLICATE', `${intent.id} is known`);
    const number = (Math.max(this.commandRecords.size, above) % 0xffff_ffff) + 1;
    this.commandRecords.set(intent.id, {
      ...intent,
      endpointId: intent.endpointId ?? intent.endpoint,
      purpose: intent.purpose ?? 'decision',
      number,
      at: '2026-01-01T00:00:00.000Z',
      outcome: null,
      reason: null,
      readBack: undefined,
      ms: null,
    });
    return { number, reference: number };
  }

  async recordCommandResult(result: CommandResult): Promise<void> {
    await this.#write();
    const record = this.commandRecords.get(result.id);
    if (record === undefined) throw new Error(`no command ${result.id}`);
    if (record.outcome !== null) throw new CodedError('JOURNAL_DUPLICATE', `${result.id} has ended`);
    this.commandRecords.set(result.id, { ...record, ...result, reason: result.reason ?? null });
  }

  command(id: string): Promise<CommandRecord | undefined> {
    return Promise.resolve(this.commandRecords.get(id));
  }

  openCommands(): Promise<CommandRecord[]> {
    return Promise.resolve([...this.commandRecords.values()].filter(({ outcome }) => outcome === null));
  }

  commands(): Promise<CommandRecord[]> {
    return Promise.resolve([...this.commandRecords.values()]);
  }

  recordLabel = notHere;
  figures = notHere;
  waitingForReview = notHere;
  labels = notHere;
  acceptOutbox = notHere;
  dueOutbox = notHere;
  settleOutbox = notHere;
  outbox = notHere;
  outboxEntry = notHere;
  requeueOutbox = notHere;
  undelivered = notHere;
  requeueAllOutbox = notHere;
  readdressOutbox = notHere;
  setAsideOutbox = notHere;
  noteReceiver = notHere;
  openOutbox = notHere;
  deliveredAs = notHere;
  attachment = notHere;

  getValue(key: string): Promise<unknown> {
    return Promise.resolve(this.values.get(key));
  }

  async setValue(key: string, value: unknown): Promise<void> {
    await this.#write();
    this.values.set(key, structuredClone(value));
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
