/**
 * Throws away what is older than it is kept: parts, finished commands, delivered entries, evidence. A little at a
 * time, so that no commit waits long for it. What was thrown away is a record of the ledger, written in the same
 * commit or, for files, before it; the ledger itself is never pruned. What waits, is open or was set aside stays,
 * and so do the newest part and the newest command of each endpoint, because counting goes on from them.
 */
import type { Database } from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { AgeClock, CLOCK_SLACK_MS, type AgeClockOptions } from './age-clock.ts';
import { evidenceFile, evidenceFolders, evidenceIn, removeEvidence, type EvidenceFile } from './evidence.ts';
import type { Store } from './store.ts';
import { Tables } from './tables.ts';
import type { Retention } from './types.ts';

const ROWS_AT_ONCE = 100;
/** Of looking through folders, in one step. */
const LOOK_MS = 5;
const DAY_MS = 86_400_000;

/** What may go, oldest first. Rows in front of the first young one: their stamps may be wrong, their order is not. */
const PRUNABLE = {
  parts: `SELECT row_id, id, NULL AS record, json_extract(inspection, '$.part.capturedAt') AS at,
      EXISTS (SELECT 1 FROM outbox WHERE part_id = parts.id AND state <> 'delivered')
        OR EXISTS (SELECT 1 FROM commands WHERE part_id = parts.id AND outcome IS NULL)
        OR sequence = (SELECT MAX(sequence) FROM parts) AS held FROM parts`,
  commands: `SELECT row_id, id, record, at, outcome IS NULL OR row_id =
      (SELECT MAX(row_id) FROM commands AS last WHERE COALESCE(last.endpoint_id, last.endpoint)
        = COALESCE(commands.endpoint_id, commands.endpoint)) AS held FROM commands`,
  outbox: `SELECT row_id, key AS id, NULL AS record, accepted_at AS at,
      state <> 'delivered' OR receiver_state IS 'open' AS held FROM outbox`,
} as const;

interface PrunableRow {
  row_id: number;
  id: string;
  /** Of a command: where in the ledger it is. */
  record: number | null;
  at: string | null;
  held: 0 | 1;
}

export interface PruningOptions extends AgeClockOptions {
  folder: string;
  retention: Retention;
}

/**
 * What is said of rows that go: how many, and a digest of their ids, one a line. Of commands also which records of
 * the ledger they had, from first to last without one in between that stays; by id where they are older than that.
 */
function described(
  table: keyof typeof PRUNABLE,
  looked: readonly PrunableRow[],
  gone: readonly PrunableRow[],
): Record<string, unknown> {
  const digest = createHash('sha256');
  for (const { id } of gone) digest.update(`${id}\n`);
  const [first, last] = [gone[0]?.id, gone.at(-1)?.id];
  const told = { rows: gone.length, first, last, digest: digest.digest('hex') };
  if (table !== 'commands') return told;
  const going = new Set(gone);
  const runs: [first: number, last: number, count: number][] = [];
  let isRun = false;
  for (const row of looked) {
    const run = runs.at(-1);
    if (!going.has(row)) isRun = false;
    else if (row.record === null) continue;
    else if (isRun && run !== undefined) [run[1], run[2]] = [row.record, run[2] + 1];
    else {
      runs.push([row.record, row.record, 1]);
      isRun = true;
    }
  }
  const ids = gone.filter(({ record }) => record === null).map(({ id }) => id);
  return { ...told, ...(runs.length > 0 && { runs }), ...(ids.length > 0 && { ids }) };
}

export class Pruning {
  readonly #database: Database;
  readonly #tables: Tables;
  readonly #store: Store;
  readonly #folder: string;
  readonly #retention: Retention;
  readonly #clock: AgeClock;
  /** Rows up to this one were looked at and held, in this round. */
  readonly #looked = { parts: 0, commands: 0, outbox: 0 };
  #folders: string[] | undefined;
  #files: EvidenceFile[] = [];
  #doomed: EvidenceFile[] = [];

  constructor(database: Database, store: Store, { folder, retention, ...clock }: PruningOptions) {
    this.#database = database;
    this.#tables = new Tables(database);
    this.#store = store;
    this.#folder = folder;
    this.#retention = retention;
    this.#clock = new AgeClock(clock);
  }

  /**
   * One step, a few milliseconds. Returns false when there is nothing more to do for now. After the wall clock has
   * jumped, nothing is done until the journal is opened again: who knows how old anything is.
   */
  step(): boolean {
    if (this.#clock.hasJumped) return false;
    const { partsDays } = this.#retention;
    const rows =
      partsDays !== undefined &&
      (['parts', 'commands', 'outbox'] as const).some((table) => this.#pruneRows(table, partsDays));
    if (rows) return true;
    return this.#pruneFiles();
  }

  #pruneRows(table: keyof typeof PRUNABLE, days: number): boolean {
    const rows = this.#tables.all<PrunableRow>(
      `${PRUNABLE[table]} WHERE row_id > ? ORDER BY row_id LIMIT ?`,
      this.#looked[table],
      ROWS_AT_ONCE,
    );
    const oldest = this.#clock.now() - days * DAY_MS;
    const young = rows.findIndex(({ at }) => {
      const stamp = Date.parse(at ?? '');
      return stamp >= oldest && stamp <= this.#clock.now() + CLOCK_SLACK_MS;
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
      this.#record(table, { ...described(table, old, gone), before: new Date(oldest).toISOString() });
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
    const oldest = this.#clock.now() - evidenceDays * DAY_MS;
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
