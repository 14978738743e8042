/**
 * Whether a journal is what it was when it was written: the chain of the ledger through its sealed files and the
 * database, the commands and labels against their records in it, and every evidence file against its name. What it cannot
 * show: records that were cut off the end together with the head, or a chain computed anew; for that, a head that was
 * noted elsewhere is compared.
 */
import type { Database } from 'better-sqlite3';
import { isDeepStrictEqual } from 'node:util';
import { FIRST_PREVIOUS_HASH, follows, type Head, type LedgerRow } from './chain.ts';
import { checkEvidence, type EvidenceFound } from './evidence-check.ts';
import { Pruned } from './pruned.ts';
import { openReader } from './reader.ts';
import { readSegment, segmentFolder, segmentsOf, type Segment } from './segments.ts';
import type { LedgerRecord } from './types.ts';

/** Read at a stretch, so that the reader lets go of the file in between. */
const STRETCH = 1000;
/** A command without outcome is under way for less than this. */
const UNDER_WAY_MS = 60_000;
const MAX_FINDINGS = 1000;

interface Finding {
  what: 'file' | 'ledger' | 'segment' | 'head' | 'command' | 'label' | 'evidence';
  /** Of the record, command, label or file. */
  id: string;
  problem: string;
}

export interface Verification {
  records: number;
  /** Records that are in files of their own, and these. */
  sealed: { records: number; files: number };
  head: Head;
  commands: number;
  labels: number;
  evidence: EvidenceFound;
  /** How many there are; the list holds the first thousand. */
  problems: number;
  findings: Finding[];
}

interface CommandRow {
  id: string;
  part_id: string | null;
  endpoint: string;
  endpoint_id: string | null;
  tag: string;
  value: string;
  actor: string;
  purpose: string;
  number: number;
  at: string;
  outcome: string | null;
  reason: string | null;
  read_back: string;
}

interface LabelRow {
  row_id: number;
  part_id: string;
  truth: string;
  decision: string | null;
  score: number | null;
  actor: string;
  reason: string;
}

type StoredRow = Omit<LedgerRow, 'previousHash'> & { previous_hash: string };

export interface VerifyOptions {
  /** A head that was noted earlier: its sequence and hash. */
  expected?: Head | undefined;
  /** Where sealed parts of the ledger lie now; where they were sealed unless given. */
  archive?: string | undefined;
  /** Milliseconds since 1970. */
  now?: number;
}

/** @throws JournalError as `openReader` */
export function verifyJournal(folder: string, options: VerifyOptions = {}): Verification {
  const database = openReader(folder);
  try {
    return verifyDatabase(database, folder, options);
  } finally {
    database.close();
  }
}

/** As {@link verifyJournal}, of a file that is open. */
export function verifyDatabase(
  database: Database,
  folder: string,
  options: VerifyOptions = {},
): Verification {
  return new Verifier(database, folder, options).run();
}

class Verifier {
  readonly #database: Database;
  readonly #folder: string;
  readonly #archive: string;
  readonly #expected: VerifyOptions['expected'];
  readonly #now: number;
  readonly #segments: readonly Segment[];
  /** Files that a record of the ledger names as they are. */
  readonly #named = new Set<string>();
  /** Records are missing with a file: what counts them all cannot be told. */
  #isPartial = false;
  #isExpectedThere = false;
  readonly #findings: Finding[] = [];
  #problems = 0;
  #head: Head = { sequence: 0, hash: FIRST_PREVIOUS_HASH };
  #commands = 0;
  #labels = 0;
  #lastLabel = -Infinity;
  /** Commands whose row does not (yet) say what the last record of them says. */
  readonly #differing = new Map<string, string>();
  readonly #pruned = new Pruned();

  constructor(database: Database, folder: string, { expected, archive, now = Date.now() }: VerifyOptions) {
    this.#database = database;
    this.#folder = folder;
    this.#archive = archive ?? segmentFolder(folder);
    this.#expected = expected;
    this.#now = now;
    this.#segments = segmentsOf(database);
  }

  run(): Verification {
    for (const finding of this.#database.pragma('quick_check(10)') as { quick_check: string }[]) {
      if (finding.quick_check !== 'ok') this.#find('file', 'journal.db', finding.quick_check);
    }
    this.#readPruned();
    for (const segment of this.#segments) this.#walkSegment(segment);
    while (this.#walk() === STRETCH);
    // the end and the counts at one moment, however much is being written
    this.#database.transaction(() => {
      while (this.#walk() === STRETCH);
      this.#compareHead();
      this.#compareCounts();
    })();
    const evidence = checkEvidence({
      database: this.#database,
      folder: this.#folder,
      pruned: this.#pruned.evidence,
      isPartial: this.#isPartial,
      find: (sha256, problem) => this.#find('evidence', sha256, problem),
    });
    return {
      records: this.#head.sequence,
      sealed: {
        records: this.#segments.reduce((sum, { first, last }) => sum + last - first + 1, 0),
        files: this.#segments.length,
      },
      head: this.#head,
      commands: this.#commands,
      labels: this.#labels,
      evidence,
      problems: this.#problems,
      findings: this.#findings,
    };
  }

  #find(what: Finding['what'], id: string, problem: string): void {
    this.#problems += 1;
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ what, id, problem });
  }

  #readPruned(): void {
    const isAboutIt = (record: string): boolean => record.includes('"journal.prune"');
    for (const segment of this.#segments) {
      for (const { sequence, record } of readSegment(this.#archive, segment).rows) {
        if (isAboutIt(record)) this.#pruned.add(sequence, recordOf(record));
      }
    }
    const rows = this.#database
      .prepare(`SELECT sequence, record FROM ledger WHERE instr(record, '"journal.prune"') > 0`)
      .iterate() as IterableIterator<StoredRow>;
    for (const { sequence, record } of rows) this.#pruned.add(sequence, recordOf(record));
  }

  /** Goes on behind the file whatever it holds: what it has to hold is in the ledger after it. */
  #walkSegment(segment: Segment): void {
    const { file, first, last, hash, previousHash } = segment;
    if (first !== this.#head.sequence + 1 || previousHash !== this.#head.hash) {
      this.#find('segment', file, 'does not follow the part of the ledger before it');
      this.#isPartial = true;
    }
    this.#head = { sequence: first - 1, hash: previousHash };
    const { state, rows } = readSegment(this.#archive, segment);
    for (const row of rows) this.#take(row);
    if (state === 'missing') this.#find('segment', file, 'is missing');
    if (state === 'changed') this.#find('segment', file, 'has other bytes than it was sealed with');
    if (this.#head.sequence !== last || this.#head.hash !== hash) {
      if (state === 'whole') this.#find('segment', file, 'does not end as it was sealed');
      this.#isPartial = true;
      this.#head = { sequence: last, hash };
    }
  }

  /** Returns how many records it went on. */
  #walk(): number {
    const rows = this.#database
      .prepare('SELECT * FROM ledger WHERE sequence > ? ORDER BY sequence LIMIT ?')
      .all(this.#head.sequence, STRETCH) as StoredRow[];
    for (const { previous_hash: previousHash, ...row } of rows) this.#take({ ...row, previousHash });
    return rows.length;
  }

  #take(row: LedgerRow): void {
    const { sequence, hash, record } = row;
    if (!follows(row, this.#head)) {
      this.#find('ledger', String(sequence), 'does not follow the record before it');
    }
    this.#head = { sequence, hash };
    if (sequence === this.#expected?.sequence && hash === this.#expected.hash) this.#isExpectedThere = true;
    this.#compare(sequence, recordOf(record));
  }

  #compare(sequence: number, record: Partial<LedgerRecord>): void {
    if (record.type === 'plc.command') this.#compareCommand(sequence, record);
    if (record.type === 'plc.outcome') this.#compareOutcome(sequence, record);
    if (record.type === 'gate.label' && !this.#isPartial) this.#compareLabel(record);
    if (record.type === 'ledger.sealed') this.#compareSegment(record);
  }

  #compareSegment({ object = '', detail }: Partial<LedgerRecord>): void {
    const segment = this.#segments.find(({ file }) => file === object);
    if (segment === undefined) {
      this.#find('segment', object, 'is in the ledger only');
      return;
    }
    const { first, last, previousHash, hash, sha256, bytes } = segment;
    if (isDeepStrictEqual({ first, last, previousHash, hash, sha256, bytes }, detail))
      this.#named.add(object);
    else this.#find('segment', object, 'differs from its record in the ledger');
  }

  #commandOf(
    sequence: number,
    detail: LedgerRecord['detail'],
  ): { id: string; row: CommandRow | undefined } | null {
    const id = detail?.['id'];
    if (typeof id !== 'string' || this.#pruned.hasTaken(id, sequence)) return null;
    const row = this.#database.prepare('SELECT * FROM commands WHERE id = ?').get(id) as
      CommandRow | undefined;
    return { id, row };
  }

  #compareCommand(sequence: number, { actor, object, detail }: Partial<LedgerRecord>): void {
    const command = this.#commandOf(sequence, detail);
    if (command === null) return;
    this.#commands += 1;
    const { id, row } = command;
    if (row === undefined) {
      if (this.#pruned.takes(sequence, id)) this.#commands -= 1;
      else this.#find('command', id, 'is in the ledger only');
      return;
    }
    const { part_id: partId, endpoint, endpoint_id: endpointId, value, number, purpose } = row;
    const named = endpointId === null ? { endpoint } : { endpoint, endpointId };
    const stored = { id, partId, ...named, value: parsed(value), number, purpose };
    if (row.tag !== object || row.actor !== actor || !isDeepStrictEqual(stored, detail)) {
      this.#find('command', id, 'differs from its record in the ledger');
    }
    if (row.outcome !== null) this.#differing.set(id, 'has an outcome that the ledger does not know');
  }

  #compareOutcome(sequence: number, { detail }: Partial<LedgerRecord>): void {
    const command = this.#commandOf(sequence, detail);
    if (command === null) return;
    const { id, row } = command;
    // from a time when commands had no records
    if (row?.number === 0 || row === undefined) return;
    const { outcome, reason, read_back: readBack } = row;
    const stored = { id, outcome, readBack: parsed(readBack), ...(reason === null ? {} : { reason }) };
    if (isDeepStrictEqual(stored, detail)) this.#differing.delete(id);
    else this.#differing.set(id, 'has another outcome than its record in the ledger');
  }

  #compareLabel({ actor, reason, detail }: Partial<LedgerRecord>): void {
    const row = this.#database
      .prepare('SELECT * FROM labels WHERE row_id > ? ORDER BY row_id LIMIT 1')
      .get(this.#lastLabel) as LabelRow | undefined;
    this.#labels += 1;
    if (row === undefined) {
      this.#find('label', String(detail?.['partId']), 'is in the ledger only');
      return;
    }
    this.#lastLabel = row.row_id;
    const { part_id: partId, truth, decision, score } = row;
    const same = isDeepStrictEqual({ partId, truth, decision, score }, detail);
    if (!same || row.actor !== actor || row.reason !== reason) {
      this.#find('label', partId, 'differs from its record in the ledger');
    }
  }

  #compareHead(): void {
    const head = this.#database.prepare('SELECT sequence, hash FROM ledger_head').get() as Head | undefined;
    const { sequence, hash } = head ?? { sequence: 0, hash: FIRST_PREVIOUS_HASH };
    if (sequence !== this.#head.sequence || hash !== this.#head.hash) {
      this.#find('head', String(sequence), `is not the last record, which is ${this.#head.sequence}`);
    }
    if (this.#expected !== undefined && !this.#isExpectedThere) {
      this.#find('head', String(this.#expected.sequence), 'is not the record that was noted');
    }
  }

  #compareCounts(): void {
    for (const [id, problem] of this.#differing) this.#find('command', id, problem);
    for (const { file } of this.#segments) {
      if (!this.#named.has(file)) this.#find('segment', file, 'is not in the ledger');
    }
    if (!this.#isPartial) this.#compareTotals();
    const before = new Date(this.#now - UNDER_WAY_MS).toISOString();
    const open = this.#database
      .prepare('SELECT id FROM commands WHERE outcome IS NULL AND at < ? ORDER BY row_id')
      .pluck()
      .iterate(before) as IterableIterator<string>;
    for (const id of open) this.#find('command', id, 'has no outcome');
  }

  #compareTotals(): void {
    for (const problem of this.#pruned.differences()) this.#find('command', '', problem);
    const known = this.#count('SELECT COUNT(*) FROM commands WHERE number > 0');
    if (known > this.#commands) {
      this.#find('command', '', `${known - this.#commands} of them are not in the ledger`);
    }
    const labels = this.#count('SELECT COUNT(*) FROM labels');
    if (labels > this.#labels)
      this.#find('label', '', `${labels - this.#labels} of them are not in the ledger`);
  }

  #count(sql: string): number {
    return this.#database.prepare(sql).pluck().get() as number;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function recordOf(json: string): Partial<LedgerRecord> {
  const record = parsed(json);
  return typeof record === 'object' && record !== null ? record : {};
}
