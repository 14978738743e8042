/**
 * Throws away what is older than it is kept: parts, finished commands, delivered entries, evidence. A little at a
 * time, so that no commit waits long for it. What was thrown away is a record of the ledger, written in the same
 * commit or, for files, before it; the ledger itself is never pruned. What waits, is open or was set aside stays,
 * and so do the newest part and the newest command of each endpoint, because counting goes on from them.
 */
import type { Database } from 'better-sqlite3';
import { evidenceFile, evidenceFolders, evidenceIn, removeEvidence, type EvidenceFile } from './evidence.ts';
import type { Store } from './store.ts';
import { Tables } from './tables.ts';
import type { Retention } from './types.ts';

const ROWS_AT_ONCE = 100;
/** Of looking through folders, in one step. */
const LOOK_MS = 5;
const DAY_MS = 86_400_000;
/** The wall clock may differ by this much from what it should be by the monotonic one. */
const CLOCK_SLACK_MS = 3_600_000;

/** What may go, oldest first. Rows in front of the first young one: their stamps may be wrong, their order is not. */
const PRUNABLE = {
  parts: `SELECT row_id, id, json_extract(inspection, '$.part.capturedAt') AS at,
      EXISTS (SELECT 1 FROM outbox WHERE part_id = parts.id AND state <> 'delivered')
        OR EXISTS (SELECT 1 FROM commands WHERE part_id = parts.id AND outcome IS NULL)
        OR sequence = (SELECT MAX(sequence) FROM parts) AS held FROM parts`,
  commands: `SELECT row_id, id, at, outcome IS NULL OR row_id =
      (SELECT MAX(row_id) FROM commands AS last WHERE COALESCE(last.endpoint_id, last.endpoint)
        = COALESCE(commands.endpoint_id, commands.endpoint)) AS held FROM commands`,
  outbox: `SELECT row_id, key AS id, accepted_at AS at, state <> 'delivered' AS held FROM outbox`,
} as const;

interface PrunableRow {
  row_id: number;
  id: string;
  at: string | null;
  held: 0 | 1;
}

export interface PruningOptions {
  folder: string;
  retention: Retention;
  now?: () => number;
  monotonicNow?: () => number;
}

export class Pruning {
  readonly #database: Database;
  readonly #tables: Tables;
  readonly #store: Store;
  readonly #folder: string;
  readonly #retention: Retention;
  readonly #now: () => number;
  readonly #monotonicNow: () => number;
  readonly #startedAt: { wall: number; monotonic: number };
  /** Rows up to this one were looked at and held, in this round. */
  readonly #looked = { parts: 0, commands: 0, outbox: 0 };
  #folders: string[] | undefined;
  #files: EvidenceFile[] = [];
  #doomed: EvidenceFile[] = [];

  constructor(
    database: Database,
    store: Store,
    { folder, retention, now = Date.now, monotonicNow = () => performance.now() }: PruningOptions,
  ) {
    this.#database = database;
    this.#tables = new Tables(database);
    this.#store = store;
    this.#folder = folder;
    this.#retention = retention;
    this.#now = now;
    this.#monotonicNow = monotonicNow;
    this.#startedAt = { wall: now(), monotonic: monotonicNow() };
  }

  /**
   * One step, a few milliseconds. Returns false when there is nothing more to do for now. After the wall clock has
   * jumped, nothing is done until the journal is opened again: who knows how old anything is.
   */
  step(): boolean {
    if (this.#hasClockJumped()) return false;
    const { partsDays } = this.#retention;
    const rows =
      partsDays !== undefined &&
      (['parts', 'commands', 'outbox'] as const).some((table) => this.#pruneRows(table, partsDays));
    if (rows) return true;
    return this.#pruneFiles();
  }

  #hasClockJumped(): boolean {
    const { wall, monotonic } = this.#startedAt;
    const expected = wall + this.#monotonicNow() - monotonic;
    return Math.abs(this.#now() - expected) > CLOCK_SLACK_MS;
  }

  #pruneRows(table: keyof typeof PRUNABLE, days: number): boolean {
    const rows = this.#tables.all<PrunableRow>(
      `${PRUNABLE[table]} WHERE row_id > ? ORDER BY row_id LIMIT ?`,
      this.#looked[table],
      ROWS_AT_ONCE,
    );
    const oldest = this.#now() - days * DAY_MS;
    const young = rows.findIndex(({ at }) => {
      const stamp = Date.parse(at ?? '');
      return stamp >= oldest && stamp <= this.#now() + CLOCK_SLACK_MS;
    });
    const old = young === -1 ? rows : rows.slice(0, young);
    const gone = old.filter(({ held, at }) => held === 0 && Date.parse(at ?? '') < oldest);
    if (gone.length === 0) {
      // Held rows are passed over, and looked at again in the next round.
      this.#looked[table] = young === -1 && rows.length === ROWS_AT_ONCE ? (rows.at(-1)?.row_id ?? 0) : 0;
      return this.#looked[table] > 0;
    }
    this.#commit(() => {
      for (const { row_id: rowId } of gone) this.#tables.run(`DELETE FROM ${table} WHERE row_id = ?`, rowId);
      this.#record(table, {
        rows: gone.length,
        ids: gone.map(({ id }) => id),
        before: new Date(oldest).toISOString(),
      });
    });
    return true;
  }

  /** Looks through the folders first, a few at a time; then removes what is too old or too much. */
  #pruneFiles(): boolean {
    const { evidenceDays, evidenceMaxBytes } = this.#retention;
    if (evidenceDays === undefined && evidenceMaxBytes === undefined) return false;
    if (this.#doomed.length > 0) {
      this.#remove(this.#doomed.splice(0, ROWS_AT_ONCE));
      return true;
    }
    this.#folders ??= evidenceFolders(this.#folder);
    const startedAt = performance.now();
    while (performance.now() - startedAt < LOOK_MS) {
      const name = this.#folders.pop();
      if (name === undefined) {
        this.#doomed = this.#tooOldOrMuch(this.#files);
        this.#folders = undefined;
        this.#files = [];
        return this.#doomed.length > 0;
      }
      this.#files.push(...evidenceIn(this.#folder, name));
    }
    return true;
  }

  #tooOldOrMuch(files: EvidenceFile[]): EvidenceFile[] {
    const { evidenceDays = Infinity, evidenceMaxBytes = Infinity } = this.#retention;
    const oldest = this.#now() - evidenceDays * DAY_MS;
    const kept = this.#undelivered();
    let excess = files.reduce((sum, { bytes }) => sum + bytes, 0) - evidenceMaxBytes;
    return files
      .sort((a, b) => a.keptAt - b.keptAt)
      .filter(({ sha256, bytes, keptAt }) => {
        if (kept.has(sha256) || !(keptAt < oldest || excess > 0)) return false;
        excess -= bytes;
        return true;
      });
  }

  #undelivered(): Set<string> {
    const rows = this.#tables.all<{ sha256: string }>(
      `SELECT sha256 FROM outbox WHERE state <> 'delivered' AND sha256 IS NOT NULL
       UNION SELECT json_extract(value, '$.sha256') FROM outbox, json_each(further_evidence)
         WHERE state <> 'delivered'`,
    );
    return new Set(rows.map(({ sha256 }) => sha256));
  }

  #remove(files: EvidenceFile[]): void {
    const kept = this.#undelivered();
    // What has been kept again since it was looked at is young.
    const gone = files.filter(
      ({ sha256, keptAt }) => !kept.has(sha256) && evidenceFile(this.#folder, sha256)?.keptAt === keptAt,
    );
    if (gone.length === 0) return;
    this.#commit(() => {
      const bytes = gone.reduce((sum, file) => sum + file.bytes, 0);
      this.#record('evidence', { rows: gone.length, bytes, ids: gone.map(({ sha256 }) => sha256) });
    });
    for (const { sha256 } of gone) removeEvidence(this.#folder, sha256);
  }

  #record(object: string, detail: Record<string, unknown>): void {
    this.#store.appendLedger(JSON.stringify({ type: 'journal.prune', actor: 'system', object, detail }));
  }

  #commit(work: () => void): void {
    this.#database.transaction(() => {
      work();
      this.#store.countCommit();
    })();
  }
}
