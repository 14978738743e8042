/**
 * What waits to be delivered, in the order of its stream: nothing that was accepted is dropped, and a delay
 * goes on after a restart with the time it had left.
 */
import { keepEvidence } from './evidence.ts';
import { JournalError } from './journal-error.ts';
import type { Tables } from './tables.ts';
import type {
  Attachment,
  OutboxDelivery,
  OutboxDue,
  OutboxEntry,
  OutboxQuery,
  OutboxRecord,
  ReceiverState,
  StoredAttachment,
  Undelivered,
} from './types.ts';

/** Streams offered for delivery at once. */
const MAX_DUE = 64;
/** Entries changed in one commit: about 20 ms. */
const MAX_CHANGED = 1000;

export interface OutboxOptions {
  folder: string;
  maxWaiting: number;
  /** Makes room in the stream for so many bytes, or throws. */
  admit: (stream: string, bytes: number) => void;
  monotonicNow: () => number;
  now: () => Date;
}

/** The indexes that serve them are made for these very conditions. */
export const QUERIES = {
  deliveredAs: `SELECT * FROM outbox WHERE state = 'delivered' AND address = ? AND ticket_id = ?
    ORDER BY row_id DESC LIMIT 1`,
  open: `SELECT * FROM outbox WHERE state = 'delivered' AND receiver_state IS NOT 'closed' AND address = ?
    AND row_id > IFNULL((SELECT row_id FROM outbox WHERE key = ?), 0) ORDER BY row_id LIMIT ?`,
  undelivered: `SELECT address, state, COUNT(*) AS count FROM outbox WHERE state <> 'delivered'
    GROUP BY state, address`,
} as const;

/** What was done to several entries at once. */
interface Changed {
  tickets: number;
  /** Keys, in the order in which they were accepted. */
  first: string | null;
  last: string | null;
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
  receiver: string;
  further_evidence: string;
}

export class Outbox {
  readonly #tables: Tables;
  readonly #folder: string;
  readonly #maxWaiting: number;
  readonly #admit: OutboxOptions['admit'];
  readonly #monotonicNow: () => number;
  readonly #now: () => Date;
  /** When a delayed entry is due, by the monotonic clock of this run; the row keeps only the delay. */
  readonly #dueAt = new Map<string, number>();
  #waiting: number | undefined;

  constructor(tables: Tables, { folder, maxWaiting, admit, monotonicNow, now }: OutboxOptions) {
    this.#tables = tables;
    this.#folder = folder;
    this.#maxWaiting = maxWaiting;
    this.#admit = admit;
    this.#monotonicNow = monotonicNow;
    this.#now = now;
    for (const { key, delay_ms: delayMs } of tables.all<{ key: string; delay_ms: number }>(
      `SELECT key, delay_ms FROM outbox WHERE state = 'waiting' AND delay_ms > 0`,
    )) {
      this.#dueAt.set(key, monotonicNow() + delayMs);
    }
  }

  accept(
    json: string,
    attachment: Attachment | null,
    further: readonly Attachment[] = [],
  ): { accepted: boolean; record: OutboxRecord } {
    const entry = JSON.parse(json) as Omit<OutboxEntry, 'attachment' | 'furtherAttachments'>;
    const known = this.#row(entry.key);
    if (known !== undefined) return { accepted: false, record: outboxRecord(known) };
    const waiting = this.#countWaiting();
    if (waiting >= this.#maxWaiting) {
      throw new JournalError('JOURNAL_OUTBOX_FULL', `${waiting} entries wait for delivery already`, {
        hint: 'Bring the receiver back; nothing that was accepted is dropped.',
      });
    }
    const body = JSON.stringify(entry.body ?? null);
    const evidenceBytes = [attachment, ...further].reduce((sum, file) => sum + (file?.bytes.length ?? 0), 0);
    this.#admit(entry.stream, body.length + evidenceBytes);
    const sha256 = attachment === null ? null : keepEvidence(this.#folder, attachment.bytes);
    const stored = further.map(({ bytes, mediaType }) => ({
      sha256: keepEvidence(this.#folder, bytes),
      mediaType,
    }));
    this.#tables.run(
      `INSERT INTO outbox (key, stream, part_id, body, sha256, media_type, accepted_at, further_evidence,
         evidence_bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      entry.key,
      entry.stream,
      entry.partId,
      body,
      sha256,
      attachment?.mediaType ?? null,
      this.#now().toISOString(),
      JSON.stringify(stored),
      evidenceBytes,
    );
    this.#waiting = waiting + 1;
    const row = this.#row(entry.key);
    if (row === undefined) throw new JournalError('JOURNAL_NOT_FOUND', `${entry.key} was not stored`);
    return { accepted: true, record: outboxRecord(row) };
  }

  due(streamPrefix: string): OutboxDue {
    const end = endOf(streamPrefix);
    const firsts = this.#tables.all<{ row_id: number; key: string; waiting: number }>(
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
        const row = this.#tables.all<OutboxRow>('SELECT * FROM outbox WHERE row_id = ?', rowId)[0];
        if (row !== undefined) due.records.push(outboxRecord(row));
      }
    }
    due.dead =
      this.#tables.all<{ count: number }>(
        `SELECT COUNT(*) AS count FROM outbox WHERE state = 'dead' AND stream >= ? AND stream < ?`,
        streamPrefix,
        end,
      )[0]?.count ?? 0;
    return due;
  }

  settle(json: string): void {
    const { key, result, delayMs = 0, answer } = JSON.parse(json) as OutboxDelivery;
    const row = this.#row(key);
    if (row === undefined) throw new JournalError('JOURNAL_NOT_FOUND', `no entry ${key} is in the outbox`);
    if (row.state !== 'waiting') return;
    const state = { done: 'delivered', dead: 'dead', retry: 'waiting', progress: 'waiting' }[result];
    const retryMs = result === 'retry' ? delayMs : 0;
    this.#tables.run(
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
  list({ limit, state, streamPrefix, after }: OutboxQuery): OutboxRecord[] {
    const stated = state === undefined ? '1' : `state = '${state}'`;
    const where = `${stated} AND instr(stream, IFNULL(?, '')) = 1`;
    return this.#tables
      .page<OutboxRow>('SELECT * FROM outbox', where, 'row_id', { limit, after }, streamPrefix ?? null)
      .map(outboxRecord);
  }

  entry(key: string): OutboxRecord | undefined {
    const row = this.#row(key);
    return row === undefined ? undefined : outboxRecord(row);
  }

  /** As tried once at least: whoever delivers it asks the receiver first. */
  requeue(key: string): OutboxRecord {
    const row = this.#row(key);
    if (row?.state !== 'dead') {
      throw new JournalError('JOURNAL_NOT_FOUND', `no entry ${key} was set aside`, {
        hint: 'It may have been put back already; look at the list again.',
      });
    }
    this.#tables.run(
      `UPDATE outbox SET state = 'waiting', attempts = 1, delay_ms = 0 WHERE row_id = ?`,
      row.row_id,
    );
    this.#dueAt.delete(key);
    this.#waiting = undefined;
    return outboxRecord(row);
  }

  /** The oldest first, so that what goes together later is behind what went before. */
  #change(
    address: string,
    states: readonly OutboxRecord['state'][],
    change: string,
    parameters: readonly unknown[] = [],
  ): Changed {
    const rows = this.#tables.all<{ row_id: number; key: string }>(
      `SELECT row_id, key FROM outbox WHERE address = ? AND state <> 'delivered'
         AND state IN (SELECT value FROM json_each(?)) ORDER BY row_id LIMIT ?`,
      address,
      JSON.stringify(states),
      MAX_CHANGED,
    );
    for (const { row_id: rowId, key } of rows) {
      this.#tables.run(`UPDATE outbox SET ${change} WHERE row_id = ?`, ...parameters, rowId);
      this.#dueAt.delete(key);
    }
    this.#waiting = undefined;
    return { tickets: rows.length, first: rows[0]?.key ?? null, last: rows.at(-1)?.key ?? null };
  }

  /** The entry whose receiver has changed; undefined when it says what it said before. */
  noteReceiver(key: string, receiver: ReceiverState): OutboxRecord | undefined {
    const row = this.#row(key);
    if (row?.state !== 'delivered') {
      throw new JournalError('JOURNAL_NOT_FOUND', `no entry ${key} was delivered`);
    }
    const before = JSON.parse(row.receiver) as ReceiverState | null;
    if (before?.state === receiver.state && before.said === receiver.said) return undefined;
    this.#tables.run('UPDATE outbox SET receiver = ? WHERE row_id = ?', JSON.stringify(receiver), row.row_id);
    return { ...outboxRecord(row), receiver };
  }

  deliveredAs(address: string, ticketId: string): OutboxRecord | undefined {
    return this.#tables.all<OutboxRow>(QUERIES.deliveredAs, address, ticketId).map(outboxRecord)[0];
  }

  open(address: string, { limit, after }: { limit: number; after: string | null }): OutboxRecord[] {
    return this.#tables.all<OutboxRow>(QUERIES.open, address, after, limit).map(outboxRecord);
  }

  undelivered(): Undelivered[] {
    const found = new Map<string, Undelivered>();
    for (const { address, state, count } of this.#tables.all<{
      address: string;
      state: 'waiting' | 'dead';
      count: number;
    }>(QUERIES.undelivered)) {
      const entry = found.get(address) ?? { address, waiting: 0, dead: 0 };
      entry[state] = count;
      found.set(address, entry);
    }
    return [...found.values()];
  }

  requeueAll(address: string): Changed {
    return this.#change(address, ['dead'], `state = 'waiting', attempts = 1, delay_ms = 0`);
  }

  /** As tried once at least: the other receiver is asked first. */
  readdress(address: string, to: string): Changed {
    return this.#change(
      address,
      ['waiting', 'dead'],
      'stream = ? || substr(stream, ?), attempts = max(attempts, 1), delay_ms = 0',
      [to, address.length + 1],
    );
  }

  setAside(address: string, answer: unknown): Changed {
    return this.#change(
      address,
      ['waiting'],
      `state = 'dead', delay_ms = 0, answer = json_patch(answer, ?)`,
      [JSON.stringify(answer)],
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
      this.#tables.run(
        `UPDATE outbox SET delay_ms = ? WHERE key = ? AND state = 'waiting'`,
        Math.max(0, dueAt - now),
        key,
      );
    }
  }

  #row(key: string): OutboxRow | undefined {
    return this.#tables.all<OutboxRow>('SELECT * FROM outbox WHERE key = ?', key)[0];
  }

  #countWaiting(): number {
    this.#waiting ??=
      this.#tables.all<{ count: number }>(`SELECT COUNT(*) AS count FROM outbox WHERE state = 'waiting'`)[0]
        ?.count ?? 0;
    return this.#waiting;
  }
}

/** Sorts after everything that begins with the prefix. */
function endOf(streamPrefix: string): string {
  return `${streamPrefix}\u{10FFFF}`;
}

function outboxRecord(row: OutboxRow): OutboxRecord {
  return {
    rowId: row.row_id,
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
    receiver: JSON.parse(row.receiver) as ReceiverState | null,
    furtherAttachments: JSON.parse(row.further_evidence) as StoredAttachment[],
    acceptedAt: row.accepted_at,
  };
}
