/**
 * How many parts, commands and tickets there are of each kind. Walks whole indexes, so on a long record an answer is
 * given again for a while: people who look at a station must not hold up what it writes.
 */
import type { Tables } from './tables.ts';
import type { BoundUse, JournalCounts } from './types.ts';

/** Counting that takes less is done each time. */
const QUICK_COUNT_MS = 10;
/** Most of the worker's time that goes into counting. */
const COUNTING_SHARE = 0.02;

export class Counter {
  readonly #tables: Tables;
  readonly #bounds: () => BoundUse[];
  readonly #monotonicNow: () => number;
  #counted: { counts: JournalCounts; until: number } | undefined;

  constructor(tables: Tables, bounds: () => BoundUse[], monotonicNow: () => number) {
    this.#tables = tables;
    this.#bounds = bounds;
    this.#monotonicNow = monotonicNow;
  }

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
    const parts = this.#tally('parts', 'decision');
    const commands = this.#tally('commands', 'outcome');
    const outbox = this.#tally('outbox', 'state');
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
      bounds: this.#bounds(),
    };
  }

  #tally(table: 'parts' | 'commands' | 'outbox', column: string): Map<string, number> {
    return new Map(
      this.#tables
        .all<{ name: string | null; count: number }>(
          `SELECT ${column} AS name, COUNT(*) AS count FROM ${table} GROUP BY ${column}`,
        )
        .map(({ name, count }) => [name ?? '', count]),
    );
  }
}
