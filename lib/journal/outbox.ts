/**
 * What waits to be delivered, in the order of its stream: nothing that was accepted is dropped, and a delay
 * goes on after a restart with the time it had left.
 */
import { keepEvidence } from './evidence.ts';
import { JournalError } from './journal-error.ts';
import type { Tables } from './tables.ts';
import type { OutboxDelivery, OutboxDue, OutboxEntry, OutboxRecord } from './types.ts';

/** Streams offered for delivery at once. */
const MAX_DUE = 64;

export interface OutboxOptions {
  folder: string;
  maxWaiting: number;
  monotonicNow: () => number;
  now: () => Date;
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

export class Outbox {
  readonly #tables: Tables;
  readonly #folder: string;
  readonly #maxWaiting: number;
  readonly #monotonicNow: () => number;
  readonly #now: () => Date;
  /** When a delayed entry is due, by the monotonic clock of this run; the row keeps only the delay. */
  readonly #dueAt = new Map<string, number>();
  #waiting: number | undefined;

  constructor(tables: Tables, { folder, maxWaiting, monotonicNow, now }: OutboxOptions) {
    this.#tables = tables;
    this.#folder = folder;
    this.#maxWaiting = maxWaiting;
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
    attachment: { bytes: Uint8Array; mediaType: string } | null,
  ): { accepted: boolean; record: OutboxRecord } {
    const entry = JSON.parse(json) as Omit<OutboxEntry, 'attachment'>;
    const known = this.#row(entry.key);
    if (known !== undefined) return { accepted: false, record: outboxRecord(known) };
    const waiting = this.#countWaiting();
    if (waiting >= this.#maxWaiting) {
      throw new JournalError('JOURNAL_OUTBOX_FULL', `${waiting} entries wait for delivery already`, {
        hint: 'Bring the receiver back; nothing that was accepted is dropped.',
      });
    }
    const sha256 = attachment === null ? null : keepEvidence(this.#folder, attachment.bytes);
    this.#tables.run(
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
    const row = this.#row(entry.key);
    if (row === undefined) throw new JournalError('JOURNAL_NOT_FOUND', `${entry.key} was not stored`);
    return { accepted: true, record: outboxRecord(row) };
  }

  due(streamPrefix: string): OutboxDue {
    const end = `${streamPrefix}\u{10FFFF}`;
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
  list({ limit, state }: { limit?: number; state?: OutboxRecord['state'] }): OutboxRecord[] {
    const where = state === undefined ? '? IS NULL' : 'state = ?';
    return this.#tables
      .page<OutboxRow>('SELECT * FROM outbox', where, 'row_id', { limit }, state ?? null)
      .map(outboxRecord);
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
