/** Small values that outlive a restart, each under its key: the sequence counter, a gate's tolerance. */
import type { Tables } from './tables.ts';

export class StoredValues {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /** Undefined where nothing was set. */
  get(key: string): unknown {
    const row = this.#tables.all<{ value: string }>('SELECT value FROM stored_values WHERE key = ?', key)[0];
    return row === undefined ? undefined : JSON.parse(row.value);
  }

  set(key: string, json: string): void {
    this.#tables.run(
      `INSERT INTO stored_values (key, value) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      key,
      json,
    );
  }
}
