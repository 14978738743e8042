import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Database } from 'better-sqlite3';
import { openInspection } from '../../../lib/inspection/inspection.ts';
import { openDatabase } from '../../../lib/journal/database.ts';
import { exportLines } from '../../../lib/journal/export.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import { Pruning } from '../../../lib/journal/pruning.ts';
import { Sealing } from '../../../lib/journal/sealing.ts';
import { segmentFolder } from '../../../lib/journal/segments.ts';
import { Store } from '../../../lib/journal/store.ts';
import { verifyJournal } from '../../../lib/journal/verify.ts';

const DAY_MS = 86_400_000;
const PARTS = 200;
const RECORDS = 3 * PARTS;
const SEGMENT_RECORDS = 250;
const KILLS = 4;

/** A command with its outcome and a label for each part. */
function fill(folder: string): void {
  const database = openDatabase(folder);
  const store = new Store(database, { folder, maxWaiting: Infinity });
  database.transaction(() => {
    for (let index = 1; index <= PARTS; index += 1) {
      const { part, ...rest } = openInspection({
        station: 's',
        sequence: index,
        deadlineMs: 900,
        id: `p-${index}`,
      });
      store.recordPart(JSON.stringify({ part, ...rest }));
      const command = { id: `c-${index}`, partId: part.id, endpoint: 'plc', tag: 'Line.Divert', value: true };
      store.recordCommand(JSON.stringify({ ...command, actor: 'system' }));
      store.recordCommandResult(
        JSON.stringify({ id: command.id, outcome: 'confirmed', readBack: true, ms: 3 }),
      );
      const label = { partId: part.id, truth: 'good', actor: 'kim', reason: 'looked', station: 's' };
      store.recordLabel(JSON.stringify(label));
    }
    store.countCommit();
  })();
  database.close();
}

describe('the sealed part of a ledger', function () {
  this.timeout(60_000);
  let template: string;
  let folder: string;
  let database: Database | undefined;
  const inAWeek = Date.now() + 7 * DAY_MS;

  before(async () => {
    template = await mkdtemp(join(tmpdir(), 'jidoka-sealed-'));
    fill(template);
  });
  after(() => rm(template, { recursive: true, force: true }));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-sealing-'));
    cpSync(template, folder, { recursive: true });
  });
  afterEach(async () => {
    database?.close();
    database = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  function open(days?: number, now = () => inAWeek): { store: Store; sealing: Sealing } {
    database?.close();
    database = openDatabase(folder);
    const store = new Store(database, { folder, maxWaiting: Infinity, now: () => new Date(now()) });
    return {
      store,
      sealing: new Sealing(database, store, { folder, days, segmentRecords: SEGMENT_RECORDS, now }),
    };
  }

  function seal(): Store {
    const { store, sealing } = open(1);
    while (sealing.step());
    return store;
  }

  const files = (): string[] => readdirSync(segmentFolder(folder)).sort();
  const rows = (): number[] =>
    database?.prepare('SELECT sequence FROM ledger ORDER BY sequence').pluck().all() as number[];
  const lines = (archive?: string): string[] => {
    assert.ok(database);
    return [...exportLines(database, 'ledger', 'ndjson', { archive })];
  };
  const findings = (options: Parameters<typeof verifyJournal>[1] = {}) =>
    verifyJournal(folder, options).findings;

  it('is in files the chain names, and not in the database any more', () => {
    open();
    const before = lines();
    seal();
    const found = verifyJournal(folder);
    assert.deepEqual(found.findings, []);
    assert.deepEqual([found.sealed.files, found.sealed.records], [3, RECORDS]);
    assert.deepEqual([found.commands, found.labels], [PARTS, PARTS], 'compared as before');
    assert.deepEqual(rows(), [RECORDS + 1, RECORDS + 2, RECORDS + 3], 'the records of the three files');
    assert.deepEqual(lines(segmentFolder(folder)).slice(0, RECORDS), before);
    const [first = ''] = files();
    assert.match(first, /^000000000001-000000000250-[0-9a-f]{8}\.ndjson\.gz$/);
    const [line = ''] = gunzipSync(readFileSync(join(segmentFolder(folder), first)))
      .toString()
      .split('\n');
    const { record } = JSON.parse(line) as { record: { type: string; sequence: number } };
    assert.deepEqual([record.type, record.sequence], ['plc.command', 1]);
  });

  it('stays in the database for as long as was said, and for ever unless told', () => {
    for (const [days, now] of [
      [undefined, inAWeek],
      [30, inAWeek],
      [1, Date.now()],
    ] as const) {
      const { sealing } = open(days, () => now);
      assert.equal(sealing.step(), true, 'looks for what an earlier run left');
      assert.equal(sealing.step(), false);
    }
    assert.equal(rows().length, RECORDS);
  });

  it('is whole at every moment, whenever the process ends', () => {
    for (let last = 1; ; last += 1) {
      const { sealing } = open(1);
      let ended = false;
      for (let step = 0; step < last && !ended; step += 1) ended = !sealing.step();
      const found = verifyJournal(folder);
      assert.deepEqual(found.findings, [], `after ${last} steps`);
      assert.deepEqual(found.records, RECORDS + found.sealed.files);
      if (ended) break;
    }
    assert.equal(files().length, 3, 'no file is left that nothing names');
    assert.equal(rows()[0], RECORDS + 1);
  });

  it('survives kill -9 between its steps', async () => {
    const script = fileURLToPath(import.meta.resolve('./sealing-process.ts'));
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const child = spawn(process.execPath, [script, folder, String(SEGMENT_RECORDS), String(inAWeek)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      for await (const line of createInterface({ input: child.stdout })) {
        if (line === String(kill * 3)) child.kill('SIGKILL');
      }
      await exited;
      assert.deepEqual(findings(), []);
    }
    seal();
    const { sealed, records, findings: found } = verifyJournal(folder);
    assert.deepEqual([sealed.records, found], [RECORDS, []]);
    assert.equal(records, RECORDS + sealed.files);
  });

  it('would be missed if its rows went before its file was there', () => {
    open();
    database?.exec(`DELETE FROM ledger WHERE sequence <= ${SEGMENT_RECORDS}`);
    const [finding] = findings();
    assert.deepEqual([finding?.what, finding?.id], ['ledger', String(SEGMENT_RECORDS + 1)]);
  });

  it('keeps its rows when its file is gone before they are', () => {
    const { store, sealing } = open(1);
    while (files0() === 0) assert.ok(sealing.step());
    for (const file of files()) rmSync(join(segmentFolder(folder), file));
    while (sealing.step());
    assert.equal(rows()[0], 1);
    const told = store.ledger({ limit: 10 }).find(({ type }) => type === 'ledger.seal-failed');
    assert.match(told?.reason ?? '', /its records stay in the database/);
  });
  const files0 = (): number => {
    try {
      return files().filter((file) => file.endsWith('.gz')).length;
    } catch {
      return 0;
    }
  };

  it('tells of a file that is missing, changed or not named, and finds it where it was moved', () => {
    seal();
    const [first = '', second = ''] = files().map((file) => join(segmentFolder(folder), file));
    const archive = join(folder, 'archive');
    cpSync(segmentFolder(folder), archive, { recursive: true });

    renameSync(first, `${first}.away`);
    assert.deepEqual(
      findings().map(({ what, problem }) => [what, problem]),
      [['segment', 'is missing']],
    );
    assert.deepEqual(findings({ archive }), [], 'somewhere else it is as good');
    assert.throws(() => lines(segmentFolder(folder)), { code: 'JOURNAL_NOT_FOUND' });
    renameSync(`${first}.away`, first);

    const bytes = readFileSync(second);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    writeFileSync(second, bytes);
    assert.ok(findings().some(({ problem }) => problem === 'has other bytes than it was sealed with'));
    assert.throws(() => lines(segmentFolder(folder)), { code: 'JOURNAL_CORRUPT' });
    cpSync(archive, segmentFolder(folder), { recursive: true });
    assert.deepEqual(findings(), []);

    database?.exec(`UPDATE ledger_segments SET sha256 = '${'0'.repeat(64)}' WHERE first = 1`);
    const changed = findings().map(({ problem }) => problem);
    assert.ok(changed.includes('differs from its record in the ledger'), changed.join());
    database?.exec('DELETE FROM ledger_segments WHERE first = 1');
    const gone = findings().map(({ problem }) => problem);
    assert.ok(gone.includes('is in the ledger only'), gone.join());
  });

  it('still tells which commands were thrown away, and of one more that was not', () => {
    const { store } = open();
    assert.ok(database);
    const retention = { partsDays: 5 };
    const pruning = new Pruning(database, store, { folder, retention, now: () => inAWeek });
    while (pruning.step());
    const sealed = seal();
    assert.equal(sealed.commands({}).length, 1, 'the newest');
    assert.deepEqual(findings(), []);
    const records = lines(segmentFolder(folder)).filter((line) => line.includes('"journal.prune"'));
    const longest = Math.max(...records.map((line) => line.length));
    assert.ok(longest < 700, `${longest} characters for up to a hundred rows`);
    database.exec('DELETE FROM commands');
    const [finding] = findings();
    assert.equal(finding?.what, 'command');
  });

  it('holds a head that was noted before it was sealed', () => {
    open();
    const { hash } = JSON.parse(lines()[99] ?? '') as { hash: string };
    seal();
    assert.deepEqual(findings({ expected: { sequence: 100, hash } }), []);
    assert.equal(findings({ expected: { sequence: 101, hash } })[0]?.what, 'head');
  });

  it('leaves the chain to the station as it was', async () => {
    seal();
    database?.close();
    database = undefined;
    const journal = await openJournal({ folder, ballastBytes: 4096 });
    try {
      await journal.appendLedger({ type: 'test', actor: 'kim', object: 'x' });
      assert.deepEqual(await journal.verifyLedger(), { records: RECORDS + 4, brokenAt: null });
    } finally {
      await journal.close();
    }
  });
});

describe('a journal of version 3', () => {
  it('is brought up to date with its commands, tickets and what it threw away', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-version-3-'));
    try {
      const before = readFileSync(join(import.meta.dirname, 'version-3.db.gz'));
      writeFileSync(join(folder, 'journal.db'), gunzipSync(before));
      const journal = await openJournal({ folder, ballastBytes: 4096 });
      try {
        const ids = (await journal.commands({ limit: 100 })).map(({ id }) => id);
        assert.deepEqual([ids.length, ids[0]], [8, 'c-5']);
        assert.equal((await journal.deliveredAs('mes:endpoint:', 'T-3'))?.key, 'k-3');
        const open = await journal.openOutbox('mes:endpoint:', { limit: 10, after: null });
        assert.deepEqual(
          open.map(({ key }) => key),
          ['k-2', 'k-3', 'k-4', 'k-5', 'k-6', 'k-7', 'k-8'],
        );
        await journal.recordCommand({
          ...{ id: 'c-13', partId: null, endpoint: 'plc', tag: 'Line.Torque', value: 1, actor: 'kim' },
        });
        await journal.recordCommandResult({ id: 'c-13', outcome: 'refused', ms: 1 });
      } finally {
        await journal.close();
      }
      const { findings, commands } = verifyJournal(folder);
      assert.deepEqual([findings, commands], [[], 9]);
      assert.ok(readdirSync(folder).includes('journal.version-3.db'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
