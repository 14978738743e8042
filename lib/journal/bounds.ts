/**
 * How much may wait for delivery, for each kind of stream (its name up to the first colon: `mes:a:station` is of
 * kind `mes`). What people or an audit wait for is refused when it is full and never dropped; of telemetry the oldest
 * goes. Both are counted. At 80 % a person is warned; at 95 % telemetry is turned away so that tickets still fit.
 */
import { JournalError } from './journal-error.ts';
import type { Tables } from './tables.ts';
import type { BoundUse, PressureLevel, StreamBound } from './types.ts';

const WARN_SHARE = 0.8;
const SHED_SHARE = 0.95;
const DAY_MS = 86_400_000;

interface UseRow {
  kind: string;
  rows: number;
  bytes: number;
  dropped: number;
}

/** The kind a stream is of. */
function kindOf(stream: string): string {
  return stream.split(':', 1)[0] ?? stream;
}

function levelOf(share: number): PressureLevel {
  if (share >= 1) return 'full';
  if (share >= SHED_SHARE) return 'shed';
  return share >= WARN_SHARE ? 'warn' : 'normal';
}

export class Bounds {
  readonly #tables: Tables;
  readonly #bounds: ReadonlyMap<string, StreamBound>;
  readonly #now: () => Date;
  /** Since the journal was opened: what was turned away leaves no row to count. */
  readonly #refused = new Map<string, number>();

  constructor(tables: Tables, bounds: readonly StreamBound[], now: () => Date) {
    this.#tables = tables;
    this.#bounds = new Map(bounds.map((bound) => [bound.kind, bound]));
    this.#now = now;
  }

  /**
   * Makes room for one entry: drops the oldest where that is the policy.
   *
   * @throws JournalError `JOURNAL_OUTBOX_FULL`, or `JOURNAL_SHED` for telemetry while tickets need the room
   */
  admit(stream: string, bytes: number): void {
    const bound = this.#bounds.get(kindOf(stream));
    if (bound === undefined) return;
    const { kind, onFull } = bound;
    if (onFull === 'drop-oldest' && this.#isTight()) {
      this.#count(kind);
      throw new JournalError(
        'JOURNAL_SHED',
        `entries of ${kind} are not taken while the outbox is nearly full`,
        {
          hint: 'Bring the receiver of the tickets back; telemetry is taken again when there is room.',
        },
      );
    }
    const use = this.#use(kind);
    if (this.#fits(bound, use, bytes)) return;
    if (onFull === 'drop-oldest') {
      this.#drop(bound, bytes);
      return;
    }
    this.#count(kind);
    throw new JournalError(
      'JOURNAL_OUTBOX_FULL',
      `${use.rows} entries of ${kind} (${use.bytes} bytes) wait for delivery already`,
      { hint: 'Bring the receiver back; nothing that was accepted is dropped.' },
    );
  }

  /** Telemetry that is older than its bound goes; returns how many entries. What is not telemetry stays. */
  expire(): number {
    let expired = 0;
    for (const { kind, maxAgeDays, onFull } of this.#bounds.values()) {
      if (maxAgeDays === undefined || onFull !== 'drop-oldest') continue;
      const before = new Date(this.#now().getTime() - maxAgeDays * DAY_MS).toISOString();
      const { changes } = this.#tables.run(
        `DELETE FROM outbox WHERE state = 'waiting' AND kind = ? AND accepted_at < ?`,
        kind,
        before,
      );
      this.#countDropped(kind, changes);
      expired += changes;
    }
    return expired;
  }

  use(): BoundUse[] {
    return [...this.#bounds.values()].map((bound) => {
      const { rows, bytes, dropped } = this.#use(bound.kind);
      const share = this.#share(bound, { rows, bytes });
      const { kind, maxRows = null, maxBytes = null, onFull } = bound;
      const refused = this.#refused.get(kind) ?? 0;
      return { kind, onFull, rows, maxRows, bytes, maxBytes, share, level: levelOf(share), dropped, refused };
    });
  }

  /** True while something that must not be dropped is nearly full. */
  #isTight(): boolean {
    return [...this.#bounds.values()].some(
      (bound) => bound.onFull === 'reject' && this.#share(bound, this.#use(bound.kind)) >= SHED_SHARE,
    );
  }

  #fits(bound: StreamBound, { rows, bytes }: UseRow, more: number): boolean {
    return rows + 1 <= (bound.maxRows ?? Infinity) && bytes + more <= (bound.maxBytes ?? Infinity);
  }

  #share(bound: StreamBound, { rows, bytes }: Pick<UseRow, 'rows' | 'bytes'>): number {
    const byAge = bound.maxAgeDays === undefined ? 0 : this.#oldestDays(bound.kind) / bound.maxAgeDays;
    const age = bound.onFull === 'reject' ? byAge : 0;
    return Math.max(rows / (bound.maxRows ?? Infinity), bytes / (bound.maxBytes ?? Infinity), age);
  }

  #oldestDays(kind: string): number {
    const [row] = this.#tables.all<{ at: string }>(
      `SELECT accepted_at AS at FROM outbox WHERE state = 'waiting' AND kind = ? ORDER BY row_id LIMIT 1`,
      kind,
    );
    if (row === undefined) return 0;
    return Math.max(0, (this.#now().getTime() - Date.parse(row.at)) / DAY_MS);
  }

  #drop(bound: StreamBound, bytes: number): void {
    const { kind, maxBytes = Infinity } = bound;
    if (bytes > maxBytes) {
      throw new JournalError(
        'JOURNAL_OUTBOX_FULL',
        `an entry of ${bytes} bytes is larger than all of ${kind} may be`,
      );
    }
    let dropped = 0;
    while (!this.#fits(bound, this.#use(kind), bytes)) {
      const { changes } = this.#tables.run(
        `DELETE FROM outbox WHERE row_id =
           (SELECT row_id FROM outbox WHERE state = 'waiting' AND kind = ? ORDER BY row_id LIMIT 1)`,
        kind,
      );
      if (changes === 0) break;
      dropped += changes;
    }
    this.#countDropped(kind, dropped);
  }

  #countDropped(kind: string, dropped: number): void {
    if (dropped > 0) {
      this.#tables.run('UPDATE outbox_use SET dropped = dropped + ? WHERE kind = ?', dropped, kind);
    }
  }

  #count(kind: string): void {
    this.#refused.set(kind, (this.#refused.get(kind) ?? 0) + 1);
  }

  #use(kind: string): UseRow {
    const [row] = this.#tables.all<UseRow>('SELECT * FROM outbox_use WHERE kind = ?', kind);
    return row ?? { kind, rows: 0, bytes: 0, dropped: 0 };
  }
}
