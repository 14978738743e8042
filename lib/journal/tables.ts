/** Statements on the tables of the journal: prepared once, and answers of a bounded number of rows. */
import type { Database, Statement } from 'better-sqlite3';

/** Most rows one answer holds, whatever was asked for. */
export const MAX_ROWS = 10_000;
const DEFAULT_ROWS = 100;

export class Tables {
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Ascending from `after`, or the newest rows, ascending too. */
  page<Row>(
    select: string,
    where: string,
    order: string,
    { limit = DEFAULT_ROWS, after }: { limit?: number | undefined; after?: number | undefined },
    parameter: string | number | null,
  ): Row[] {
    const rows = Math.max(0, Math.min(Math.trunc(limit), MAX_ROWS));
    if (after !== undefined) {
      const sql = `${select} WHERE ${where} AND ${order} > ? ORDER BY ${order} LIMIT ?`;
      return this.all<Row>(sql, parameter, after, rows);
    }
    return this.all<Row>(
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

  run(sql: string, ...parameters: unknown[]): { changes: number } {
    return this.#statement(sql).run(...parameters);
  }

  all<Row>(sql: string, ...parameters: unknown[]): Row[] {
    return this.#statement(sql).all(...parameters) as Row[];
  }
}
