/** `jidoka journal`: looks at what a station has recorded, also while Node-RED records, and never writes to it. */
import {
  createWriteStream,
  mkdirSync,
  constants,
  copyFileSync,
  existsSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import SQLite, { type Database } from 'better-sqlite3';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { evidenceFolders, evidenceIn } from '../lib/journal/evidence.ts';
import { EXPORTS, exportLines } from '../lib/journal/export.ts';
import { copyJournal, openReader, openSnapshot } from '../lib/journal/reader.ts';
import { segmentFolder, segmentsOf } from '../lib/journal/segments.ts';
import { verifyJournal } from '../lib/journal/verify.ts';
import { oneOf, parse, required, UsageError } from './arguments.ts';
import { printable } from './printable.ts';
import { megabytes } from './progress.ts';

export const summary = 'verify, export, count or back up what a station has recorded';

export const help = `Usage: jidoka journal verify FOLDER [--expect SEQUENCE:HASH] [--json]
       jidoka journal export FOLDER --what WHAT [--format FORMAT] [--out FILE] [--sealed]
       jidoka journal stats FOLDER [--json]
       jidoka journal backup FOLDER --out NEW-FOLDER

${summary}.
FOLDER is the folder of the station; Node-RED may be running or not.

  verify             the ledger's chain through its sealed files, commands and labels against it, every evidence
                     file; exit code 3 when something is wrong
  --expect SEQ:HASH  a head of the ledger that was noted elsewhere must still be in it
  export             lines of text, to a file or to the standard output
  --what WHAT        ${EXPORTS.join(', ')}
  --format FORMAT    ndjson (default) or csv
  --sealed           the ledger from its beginning: its sealed files too
  --archive FOLDER   of verify and export: where the sealed files of the ledger lie, if not in FOLDER/ledger
  stats              how many rows and bytes there are
  backup             the journal and its evidence as they are now, into a folder that a station can be given
  --json             one JSON object instead of text`;

const ARCHIVE = { archive: { type: 'string' } } as const;
const VERIFY = { json: { type: 'boolean' }, expect: { type: 'string' }, ...ARCHIVE } as const;
const EXPORT = {
  what: { type: 'string' },
  format: { type: 'string' },
  out: { type: 'string' },
  sealed: { type: 'boolean' },
  ...ARCHIVE,
} as const;
const STATS = { json: { type: 'boolean' } } as const;
const BACKUP = { out: { type: 'string' } } as const;

/** Of `verify`, when something is not what it was. */
const FOUND = 3;
const SHOWN_FINDINGS = 20;

function head(text: string): { sequence: number; hash: string } {
  const [, sequence, hash] = /^(\d+):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence === undefined || hash === undefined) {
    throw new UsageError(`--expect is SEQUENCE:HASH as verify prints it, not '${text}'`);
  }
  return { sequence: Number(sequence), hash };
}

function verify(args: string[]): number {
  const { values, positionals } = parse(args, VERIFY, ['FOLDER']);
  const [folder] = positionals as [string];
  const { archive } = values;
  const expected = values.expect === undefined ? undefined : head(values.expect);
  const found = verifyJournal(folder, { archive, expected });
  if (values.json === true) {
    console.log(JSON.stringify(found));
  } else {
    const { records, sealed, commands, labels, evidence, problems, findings } = found;
    for (const { what, id, problem } of findings.slice(0, SHOWN_FINDINGS)) {
      console.log(printable(`${what.padEnd(9)} ${id}  ${problem}`));
    }
    if (problems > SHOWN_FINDINGS)
      console.log(`… ${problems - SHOWN_FINDINGS} more; --json lists a thousand`);
    console.log(
      `${records} records (${sealed.records} in ${sealed.files} sealed files), ${commands} commands, ${labels} labels, ${evidence.files} evidence files ` +
        `(${megabytes(evidence.bytes)}, ${evidence.pruned} pruned): ${problems === 0 ? 'intact' : `${problems} problems`}`,
    );
    console.log(`head ${found.head.sequence}:${found.head.hash}`);
  }
  return found.problems === 0 ? 0 : FOUND;
}

/** Waits where the reader is slower than the journal; ends early where the reader has gone. */
async function writeLines(lines: Iterable<string>, stream: Writable): Promise<void> {
  for (const line of lines) {
    if (stream.destroyed) return;
    if (!stream.write(line)) await once(stream, 'drain');
  }
}

async function exportJournal(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, EXPORT, ['FOLDER']);
  const [folder] = positionals as [string];
  const what = oneOf('what', required('what', values.what), EXPORTS);
  const format = oneOf('format', values.format ?? 'ndjson', ['ndjson', 'csv']);
  const withSealed = values.sealed === true || values.archive !== undefined;
  if (withSealed && what !== 'ledger') throw new UsageError('--sealed is about --what ledger');
  const archive = withSealed ? (values.archive ?? segmentFolder(folder)) : undefined;
  const snapshot = openSnapshot(folder);
  try {
    const lines = exportLines(snapshot.database, what, format, { archive });
    if (values.out === undefined) {
      await writeLines(lines, process.stdout).catch((error: unknown) => {
        if ((error as { code?: string }).code !== 'EPIPE') throw error;
      });
      return 0;
    }
    // its name exists once it is whole
    const unfinished = `${values.out}.part`;
    const stream = createWriteStream(unfinished);
    await once(stream, 'open');
    await writeLines(lines, stream);
    stream.end();
    await once(stream, 'close');
    await rename(unfinished, values.out);
    return 0;
  } finally {
    snapshot.close();
  }
}

interface Stats {
  rows: Record<string, number>;
  /** Of a table and its indexes, in the database. */
  tableBytes: Record<string, number>;
  sealed: { files: number; records: number; bytes: number };
  first: string | null;
  last: string | null;
  bytes: { journal: number; free: number; evidence: number };
  evidenceFiles: number;
  waiting: { kind: string; rows: number; bytes: number; dropped: number }[];
  openCommands: number;
}

function bytesOf(database: Database, table: string): number {
  const sql = `SELECT COALESCE(SUM(pgsize), 0) FROM dbstat
    WHERE aggregate = 1 AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)`;
  return database.prepare(sql).pluck().get(table) as number;
}

function statsOf(folder: string): Stats {
  const database = openReader(folder);
  try {
    const pick = (sql: string): unknown => database.prepare(sql).pluck().get();
    const count = (table: string): number => pick(`SELECT COUNT(*) FROM ${table}`) as number;
    const pages = (name: string): number => database.pragma(name, { simple: true }) as number;
    const tables = ['parts', 'commands', 'outbox', 'labels', 'ledger'];
    const segments = segmentsOf(database);
    const files = evidenceFolders(folder).flatMap((name) => evidenceIn(folder, name));
    return {
      rows: Object.fromEntries(tables.map((name) => [name, count(name)])),
      tableBytes: Object.fromEntries(tables.map((name) => [name, bytesOf(database, name)])),
      sealed: {
        files: segments.length,
        records: segments.reduce((sum, { first, last }) => sum + last - first + 1, 0),
        bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      },
      first: pick(`SELECT record ->> '$.at' FROM ledger ORDER BY sequence LIMIT 1`) as string | null,
      last: pick(`SELECT record ->> '$.at' FROM ledger ORDER BY sequence DESC LIMIT 1`) as string | null,
      bytes: {
        journal: pages('page_count') * pages('page_size'),
        free: pages('freelist_count') * pages('page_size'),
        evidence: files.reduce((sum, { bytes }) => sum + bytes, 0),
      },
      evidenceFiles: files.length,
      waiting: database
        .prepare('SELECT kind, rows, bytes, dropped FROM outbox_use')
        .all() as Stats['waiting'],
      openCommands: pick('SELECT COUNT(*) FROM commands WHERE outcome IS NULL') as number,
    };
  } finally {
    database.close();
  }
}

function stats(args: string[]): number {
  const { values, positionals } = parse(args, STATS, ['FOLDER']);
  const [folder] = positionals as [string];
  const found = statsOf(folder);
  if (values.json === true) {
    console.log(JSON.stringify(found));
    return 0;
  }
  const { rows, tableBytes, sealed, bytes, waiting, first, last } = found;
  const lines = [
    ...Object.entries(rows).map(([name, number]) => [
      name,
      `${String(number).padEnd(12)} ${megabytes(tableBytes[name] ?? 0)}`,
    ]),
    ['sealed ledger', `${sealed.records} in ${sealed.files} files, ${megabytes(sealed.bytes)}`],
    ['open commands', String(found.openCommands)],
    ['ledger from', `${first ?? '—'} to ${last ?? '—'}`],
    ['journal', `${megabytes(bytes.journal)}, ${megabytes(bytes.free)} of it free for new rows`],
    ['evidence', `${found.evidenceFiles} files, ${megabytes(bytes.evidence)}`],
    ...waiting.map((use) => [
      `waiting ${use.kind}`,
      `${use.rows}, ${megabytes(use.bytes)}; ${use.dropped} dropped`,
    ]),
  ];
  console.log(lines.map(([name = '', text = '']) => printable(`${name.padEnd(15)}${text}`)).join('\n'));
  return 0;
}

function backup(args: string[]): number {
  const { values, positionals } = parse(args, BACKUP, ['FOLDER']);
  const [folder] = positionals as [string];
  const out = required('out', values.out);
  const file = join(out, 'journal.db');
  if (existsSync(file)) throw new UsageError(`${out} holds a journal already`);
  mkdirSync(out, { recursive: true });
  // its name exists once everything is there: a backup that was cut off can be made again in the same place
  const unfinished = `${file}.part`;
  rmSync(unfinished, { force: true });
  copyJournal(folder, unfinished);
  // after the rows: what they name was there before them
  let files = 0;
  for (const name of evidenceFolders(folder)) {
    for (const { sha256 } of evidenceIn(folder, name)) {
      if (copied(join('evidence', name, sha256), folder, out)) files += 1;
    }
  }
  const segments = namedSegments(unfinished);
  const missing = segments.filter((segment) => !copied(join('ledger', segment), folder, out));
  renameSync(unfinished, file);
  console.log(
    printable(
      `${file}, ${files} evidence files and ${segments.length - missing.length} sealed parts of the ledger; ` +
        `jidoka journal verify ${out} checks them`,
    ),
  );
  if (missing.length > 0) console.log(printable(`not in ${segmentFolder(folder)}: ${missing.join(', ')}`));
  return 0;
}

function namedSegments(file: string): string[] {
  const database = new SQLite(file, { readonly: true });
  try {
    return segmentsOf(database).map((segment) => segment.file);
  } finally {
    database.close();
  }
}

/** False for a file that has been thrown away or moved meanwhile. */
function copied(path: string, folder: string, out: string): boolean {
  const [from, to] = [join(folder, path), join(out, path)];
  if (statSync(from, { throwIfNoEntry: false }) === undefined) return false;
  mkdirSync(dirname(to), { recursive: true });
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

const VERBS: Readonly<Record<string, (args: string[]) => number | Promise<number>>> = {
  verify,
  export: exportJournal,
  stats,
  backup,
};

export async function run([verb = '', ...args]: string[]): Promise<number> {
  const chosen = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (chosen === undefined) {
    throw new UsageError(`journal is followed by one of ${Object.keys(VERBS).join(', ')}, not '${verb}'`);
  }
  return await chosen(args);
}
