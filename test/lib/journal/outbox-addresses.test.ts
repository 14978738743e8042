import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { openDatabase } from '../../../lib/journal/database.ts';
import { QUERIES } from '../../../lib/journal/outbox.ts';
import { Store } from '../../../lib/journal/store.ts';

const BY = { actor: 'kim', reason: 'the MES was replaced' };

describe('what waits of each address', () => {
  let folder: string;
  let database: Database;
  let store: Store;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-addresses-'));
    database = openDatabase(folder);
    store = new Store(database, { folder, maxWaiting: Infinity });
  });
  afterEach(async () => {
    database.close();
    await rm(folder, { recursive: true, force: true });
  });

  function accept(key: string, stream: string): void {
    store.acceptOutbox(JSON.stringify({ key, stream, partId: null, body: {} }), null);
  }

  function settle(key: string, result: 'done' | 'dead', answer: object = {}): void {
    store.settleOutbox(JSON.stringify({ key, result, answer }));
  }

  it('is counted, put back, handed over and set aside together, each with one record in the ledger', () => {
    for (let index = 1; index <= 6; index += 1) accept(`k-${index}`, `mes:old:part:${index % 2}`);
    accept('other', 'mes:new:station');
    settle('k-1', 'done', { ticketId: 'T-1' });
    for (const key of ['k-2', 'k-3']) settle(key, 'dead', { error: { code: 'MES_REJECTED', message: 'no' } });
    assert.deepEqual(
      store.undelivered().toSorted((one, other) => one.address.localeCompare(other.address)),
      [
        { address: 'mes:new:', waiting: 1, dead: 0 },
        { address: 'mes:old:', waiting: 3, dead: 2 },
      ],
    );

    assert.equal(store.requeueAllOutbox('mes:old:', BY), 2);
    assert.equal(store.outboxEntry('k-2')?.attempts, 1, 'the MES is asked first');
    assert.equal(store.readdressOutbox('mes:old:', 'mes:new:', BY), 5);
    const { records } = store.dueOutbox('mes:new:');
    assert.deepEqual(
      records.map(({ key }) => key),
      ['k-2', 'k-3', 'other'],
      'in the order of each part',
    );
    assert.equal(store.outboxEntry('k-1')?.stream, 'mes:old:part:1', 'what was delivered stays as it was');

    assert.equal(store.setAsideOutbox('mes:new:', BY), 6);
    assert.deepEqual(store.undelivered(), [{ address: 'mes:new:', waiting: 0, dead: 6 }]);
    assert.deepEqual(store.outboxEntry('other')?.answer, { error: { code: 'MES_GONE', message: BY.reason } });
    assert.equal(store.setAsideOutbox('mes:new:', BY), 0);
    assert.deepEqual(
      store.ledger({}).map(({ type, object, detail }) => [type, object, detail?.['tickets']]),
      [
        ['ticket.requeue', 'mes:old:', 2],
        ['ticket.handover', 'mes:old:', 5],
        ['ticket.aside', 'mes:new:', 6],
      ],
    );
  });

  it('can be looked through from the first to the last, however many they are', () => {
    for (let index = 1; index <= 25; index += 1) {
      accept(`k-${index}`, 'mes:a:station');
      settle(`k-${index}`, 'dead');
    }
    const seen: string[] = [];
    for (let after = 0; ;) {
      const page = store.outbox({ state: 'dead', limit: 10, after });
      if (page.length === 0) break;
      seen.push(...page.map(({ key }) => key));
      after = page.at(-1)?.rowId ?? 0;
    }
    assert.deepEqual([seen.length, new Set(seen).size, seen[0]], [25, 25, 'k-1']);
  });

  it('is found by its index, and never by walking through what was delivered', () => {
    const plan = (sql: string): string => {
      const rows = database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...Array.from(sql.matchAll(/\?/g), () => 1));
      return (rows as { detail: string }[]).map(({ detail }) => detail).join('\n');
    };
    assert.match(plan(QUERIES.open), /SEARCH outbox USING INDEX outbox_open \(address=\? AND row_id>\?\)/);
    assert.match(
      plan(QUERIES.deliveredAs),
      /SEARCH outbox USING INDEX outbox_ticket \(address=\? AND ticket_id=\?\)/,
    );
    assert.match(plan(QUERIES.undelivered), /USING (COVERING )?INDEX outbox_left/);
    for (const sql of Object.values(QUERIES))
      assert.doesNotMatch(plan(sql), /TEMP B-TREE|SCAN outbox(?! USING)/);
    const before = `SELECT * FROM outbox WHERE state = 'delivered' AND stream >= ? AND stream < ?
      AND json_extract(receiver, '$.state') IS NOT 'closed' ORDER BY row_id LIMIT ?`;
    assert.match(plan(before), /TEMP B-TREE/, 'as it was asked for before');
  });
});
