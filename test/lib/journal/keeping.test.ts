import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, statSync, utimesSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { openInspection } from '../../../lib/inspection/inspection.ts';
import { csvLine } from '../../../lib/journal/csv.ts';
import { MIGRATIONS, openDatabase } from '../../../lib/journal/database.ts';
import { lockFolder } from '../../../lib/journal/folder-lock.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import { Pruning } from '../../../lib/journal/pruning.ts';
import { Store } from '../../../lib/journal/store.ts';
import type { Retention, StreamBound } from '../../../lib/journal/types.ts';
import { verifyJournal } from '../../../lib/journal/verify.ts';
import { WriteAheadLog } from '../../../lib/journal/write-ahead-log.ts';
import { repositoryRoot } from '../../support/shared.ts';

const DAY_MS = 86_400_000;

describe('what a journal keeps', () => {
  let folder: string;
  let database: Database.Database | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-keep-'));
  });
  afterEach(async () => {
    database?.close();
    database = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  function openStore(bounds: StreamBound[] = [], now = () => new Date()): Store {
    database = openDatabase(folder);
    return new Store(database, { folder, maxWaiting: Infinity, bounds, now });
  }

  function part(sequence: number): string {
    const inspection = openInspection({ station: 's', sequence, deadlineMs: 900, id: `part-${sequence}` });
    return JSON.stringify(inspection);
  }

  function ticket(key: string, stream: string, partId: string | null = null, body: unknown = {}): string {
    return JSON.stringify({ key, stream, partId, body });
  }

  describe('for how long', () => {
    const picture = (index: number): { bytes: Buffer; mediaType: string } => ({
      bytes: Buffer.alloc(1000, index),
      mediaType: 'image/png',
    });
    const nameOf = (index: number): string => createHash('sha256').update(picture(index).bytes).digest('hex');
    const pathOf = (index: number): string =>
      join(folder, 'evidence', nameOf(index).slice(0, 2), nameOf(index));

    /** Ten parts with a command and a ticket each; of part 3 the ticket waits, of part 4 the command is open. */
    function filled(): Store {
      const store = openStore();
      for (let index = 1; index <= 10; index += 1) {
        store.recordPart(part(index));
        const id = `c-${index}`;
        store.recordCommand(
          JSON.stringify({
            id,
            partId: `part-${index}`,
            endpoint: 'plc',
            tag: 't',
            value: 1,
            actor: 'system',
          }),
        );
        if (index !== 4) store.recordCommandResult(JSON.stringify({ id, outcome: 'confirmed', ms: 1 }));
        store.acceptOutbox(ticket(`k-${index}`, 'mes:a', `part-${index}`), picture(index));
        if (index !== 3) store.settleOutbox(JSON.stringify({ key: `k-${index}`, result: 'done', answer: 1 }));
      }
      return store;
    }

    function prune(
      store: Store,
      retention: Retention,
      clock: { now?: () => number; monotonicNow?: () => number },
    ) {
      assert.ok(database);
      const pruning = new Pruning(database, store, { folder, retention, ...clock });
      while (pruning.step());
    }

    const inAWeek = (): number => Date.now() + 7 * DAY_MS;

    it('throws away what is old, never what waits or is open, and tells the ledger', () => {
      const store = filled();
      prune(store, { partsDays: 5 }, { now: inAWeek });
      const ids = store.parts({ limit: 100 }).map(({ inspection }) => inspection.part.id);
      assert.deepEqual(
        ids,
        ['part-3', 'part-4', 'part-10'],
        'a ticket waits, a command is open, the last counts on',
      );
      assert.equal(store.lastSequence(), 10);
      assert.deepEqual(
        store.commands({}).map(({ id }) => id),
        ['c-4', 'c-10'],
      );
      assert.deepEqual(
        store.outbox({}).map(({ key }) => key),
        ['k-3'],
      );
      const pruned = store.ledger({}).filter(({ type }) => type === 'journal.prune');
      assert.deepEqual(
        pruned.map(({ object, detail }) => [object, detail?.['rows']]),
        [
          ['parts', 7],
          ['commands', 8],
          ['outbox', 9],
        ],
      );
      const { findings } = verifyJournal(folder);
      assert.deepEqual(findings, [], 'what was pruned by itself is no tampering');
    });

    it('throws away old evidence, and the oldest beyond the quota, never of a ticket that waits', () => {
      const store = filled();
      for (let index = 1; index <= 10; index += 1) utimesSync(pathOf(index), index, index);
      prune(store, { evidenceMaxBytes: 5000 }, {});
      const kept = (): number[] =>
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter((index) => existsSync(pathOf(index)));
      assert.deepEqual(kept(), [3, 7, 8, 9, 10]);
      prune(store, { evidenceDays: 1 }, {});
      assert.deepEqual(kept(), [3]);
      const { findings, evidence } = verifyJournal(folder);
      assert.deepEqual(findings, []);
      assert.equal(evidence.pruned, 9);
    });

    it('throws nothing away after the wall clock has jumped', () => {
      const store = filled();
      let wall = Date.now();
      assert.ok(database);
      const retention = { partsDays: 5, evidenceDays: 5 };
      const pruning = new Pruning(database, store, {
        folder,
        retention,
        now: () => wall,
        monotonicNow: () => 0,
      });
      wall += 365 * DAY_MS;
      assert.equal(pruning.step(), false);
      assert.equal(store.parts({}).length, 10);
    });

    it('does so by itself while nobody writes', async () => {
      filled();
      database?.close();
      database = undefined;
      for (let index = 1; index <= 10; index += 1) utimesSync(pathOf(index), index, index);
      const journal = await openJournal({ folder, ballastBytes: 4096, retention: { evidenceDays: 1 } });
      while (existsSync(pathOf(1))) await new Promise((resolve) => setTimeout(resolve, 50));
      await journal.close();
      assert.equal(existsSync(pathOf(3)), true);
    }).timeout(30_000);
  });

  describe('how much', () => {
    it('refuses tickets beyond a bound, and drops the oldest of telemetry, counted', () => {
      const store = openStore([
        { kind: 'mes', maxRows: 20, onFull: 'reject' },
        { kind: 'telemetry', maxRows: 5, onFull: 'drop-oldest' },
      ]);
      for (let index = 0; index < 8; index += 1)
        store.acceptOutbox(ticket(`t-${index}`, 'telemetry:a'), null);
      assert.deepEqual(
        store.outbox({}).map(({ key }) => key),
        ['t-3', 't-4', 't-5', 't-6', 't-7'],
      );
      for (let index = 0; index < 19; index += 1) store.acceptOutbox(ticket(`m-${index}`, 'mes:a'), null);
      assert.throws(() => store.acceptOutbox(ticket('t-8', 'telemetry:a'), null), { code: 'JOURNAL_SHED' });
      store.acceptOutbox(ticket('m-19', 'mes:a'), null);
      assert.throws(() => store.acceptOutbox(ticket('m-20', 'mes:a'), null), { code: 'JOURNAL_OUTBOX_FULL' });
      const [mes, telemetry] = store.counts().bounds;
      assert.deepEqual([mes?.rows, mes?.level, mes?.refused], [20, 'full', 1]);
      assert.deepEqual([telemetry?.rows, telemetry?.dropped, telemetry?.refused], [5, 3, 1]);
      store.settleOutbox(JSON.stringify({ key: 'm-0', result: 'done', answer: null }));
      store.acceptOutbox(ticket('m-20', 'mes:a'), null);
    });

    it('bounds bytes with their attachments, and lets telemetry expire', () => {
      let now = Date.now();
      const store = openStore(
        [
          { kind: 'mes', maxBytes: 1500, onFull: 'reject' },
          { kind: 'telemetry', maxAgeDays: 1, onFull: 'drop-oldest' },
        ],
        () => new Date(now),
      );
      store.acceptOutbox(ticket('m-1', 'mes:a'), { bytes: Buffer.alloc(1300), mediaType: 'image/png' });
      assert.equal(store.counts().bounds[0]?.level, 'warn');
      assert.throws(() => store.acceptOutbox(ticket('m-2', 'mes:a', null, 'x'.repeat(300)), null), {
        code: 'JOURNAL_OUTBOX_FULL',
      });
      store.acceptOutbox(ticket('t-1', 'telemetry:a'), null);
      now += 2 * DAY_MS;
      assert.equal(store.expireTelemetry(), 1);
      assert.deepEqual(
        store.outbox({}).map(({ key }) => key),
        ['m-1'],
      );
    });

    it('tells who listens that a bound is near', async () => {
      const heard: string[] = [];
      const bounds: StreamBound[] = [{ kind: 'mes', maxRows: 4, onFull: 'reject' }];
      const onState = (state: string, pressure: string): number => heard.push(`${state} ${pressure}`);
      const journal = await openJournal({ folder, ballastBytes: 4096, bounds, onState });
      for (let index = 0; index < 4; index += 1) {
        await journal.acceptOutbox({ key: `k-${index}`, stream: 'mes:a', partId: null, body: {} });
      }
      await journal.settleOutbox({ key: 'k-0', result: 'done', answer: null });
      await journal.settleOutbox({ key: 'k-1', result: 'done', answer: null });
      await journal.getValue('after');
      const types = (await journal.ledger()).map(({ type }) => type);
      await journal.close();
      assert.deepEqual(heard, ['ready full', 'ready normal']);
      assert.deepEqual(types, ['journal.outbox-full', 'journal.outbox-normal']);
    });

    it('cuts a write-ahead log that has grown, after a commit and while nobody writes', () => {
      openStore();
      assert.ok(database);
      database.pragma('wal_autocheckpoint = 0');
      const size = (): number => statSync(join(folder, 'journal.db-wal')).size;
      const log = new WriteAheadLog(folder);
      const insert = database.prepare('INSERT INTO stored_values (key, value) VALUES (?, ?)');
      for (let index = 0; index < 17; index += 1) insert.run(`key-${index}`, 'x'.repeat(2_000_000));
      assert.ok(size() > 32 * 1024 * 1024);
      log.bound(database);
      assert.equal(size(), 0);
      insert.run('one more', 'x');
      log.bound(database);
      assert.ok(size() > 0, 'a small one is left alone');
      log.cut(database);
      assert.equal(size(), 0);
    });
  });

  it('belongs to one process, whoever ended without letting go', async () => {
    const lock = lockFolder(folder);
    await assert.rejects(openJournal({ folder, ballastBytes: 4096 }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'JOURNAL_IN_USE');
      if (process.platform === 'linux') assert.match(error.message, new RegExp(`process ${process.pid}`));
      return true;
    });
    lock.release();
    const module = join(repositoryRoot, 'lib', 'journal', 'folder-lock.ts');
    const script = `(await import(${JSON.stringify(module)})).lockFolder(${JSON.stringify(folder)}); process.kill(process.pid, 'SIGKILL')`;
    await assert.rejects(promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]), {
      signal: 'SIGKILL',
    });
    await (await openJournal({ folder, ballastBytes: 4096 })).close();
  }).timeout(30_000);

  it('knows whether the disk has what it confirmed', () => {
    const store = openStore();
    store.appendLedger(JSON.stringify({ type: 'a', actor: 'b', object: 'c' }));
    const confirmed = store.countCommit();
    assert.equal(store.holds(confirmed), true);
    database?.exec('UPDATE commits SET count = 0');
    assert.equal(store.holds(confirmed), false, 'a commit is gone');
    database?.exec(`UPDATE commits SET count = 9; DELETE FROM ledger`);
    assert.equal(store.holds(confirmed), false, 'a record is gone');
  });

  for (const version of [1, 2]) {
    it(`is brought from version ${version} to ${MIGRATIONS.length} with what waits counted`, () => {
      const old = new Database(join(folder, 'journal.db'));
      for (const sql of MIGRATIONS.slice(0, version)) old.exec(sql);
      old.exec(`PRAGMA user_version = ${version};
        INSERT INTO commands (id, endpoint, tag, value, actor, at) VALUES ('c', 'plc', 't', '1', 'system', '');
        INSERT INTO outbox (key, stream, body, accepted_at) VALUES ('a', 'mes:x', '{}', ''), ('b', 'mes:y', '{}', '');`);
      old.close();
      const store = openStore([{ kind: 'mes', maxRows: 10, onFull: 'reject' }]);
      assert.equal(store.counts().bounds[0]?.rows, 2);
      assert.equal(store.command('c')?.purpose, 'decision');
      assert.ok(existsSync(join(folder, `journal.version-${version}.db`)));
    });
  }

  it('is given out in cells that no spreadsheet runs', () => {
    assert.equal(
      csvLine(['=1+1', -3, 'a "b", c', null, '@x', 'plain']),
      `"'=1+1",-3,"a ""b"", c",,"'@x",plain\r\n`,
    );
  });
});
