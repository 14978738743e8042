import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { openInspection, type Inspection } from '../../../lib/inspection/inspection.ts';
import { MIGRATIONS, openDatabase } from '../../../lib/journal/database.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import { Store } from '../../../lib/journal/store.ts';
import type { Journal } from '../../../lib/journal/types.ts';

const BALLAST_BYTES = 4096;

function inspection(sequence: number, decision?: 'accept' | 'review' | 'reject'): Inspection {
  const opened = openInspection({ station: 'press 4', sequence, deadlineMs: 900, id: `part-${sequence}` });
  if (decision === undefined) return opened;
  const verdict = {
    decision,
    score: 1,
    threshold: 2,
    reason: 'below-threshold',
    mode: 'NORMAL',
    calibration: 'fixed',
  } as const;
  return { ...opened, verdict };
}

function entry(key: string, stream = 'mes:a', body: unknown = {}) {
  return { key, stream, partId: null, body };
}

describe('journal', () => {
  let folder: string;
  const opened: Journal[] = [];

  async function open(options: { maxWaiting?: number } = {}): Promise<Journal> {
    const journal = await openJournal({ folder, ballastBytes: BALLAST_BYTES, ...options });
    opened.push(journal);
    return journal;
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-journal-'));
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((journal) => journal.close()));
    await rm(folder, { recursive: true, force: true });
  });

  describe('parts', () => {
    it('keeps the sections that different branches of a flow know of one part', async () => {
      const journal = await open();
      const part = inspection(1, 'reject');
      const ticket = { id: 'NC-1', state: 'acknowledged', key: 'k' } as const;
      await journal.recordPart({ ...part, timings: { gate: 1 } });
      await journal.recordPart({ part: part.part, ticket, timings: { ticket: 2 } });
      const [record] = await journal.parts();
      assert.deepEqual(record?.inspection, { ...part, ticket, timings: { gate: 1, ticket: 2 } });
    });

    it('replaces a part that is inspected again, and keeps its place', async () => {
      const journal = await open();
      await journal.recordPart(inspection(1, 'reject'));
      await journal.recordPart(inspection(2, 'accept'));
      const again = inspection(3, 'accept');
      await journal.recordPart({ ...again, part: { ...again.part, id: 'part-1' } });
      const parts = await journal.parts();
      assert.deepEqual(
        parts.map(({ inspection: { part, verdict } }) => [part.id, part.sequence, verdict?.decision]),
        [
          ['part-1', 3, 'accept'],
          ['part-2', 2, 'accept'],
        ],
      );
    });

    it('answers by decision, by place and with the newest ones', async () => {
      const journal = await open();
      const decisions = ['accept', 'reject', 'accept', 'review', 'accept'] as const;
      await Promise.all(
        decisions.map((decision, index) => journal.recordPart(inspection(index + 1, decision))),
      );
      const sequences = async (query: Parameters<Journal['parts']>[0]) =>
        (await journal.parts(query)).map((record) => record.inspection.part.sequence);
      assert.deepEqual(await sequences({ decision: 'accept' }), [1, 3, 5]);
      assert.deepEqual(await sequences({ limit: 2 }), [4, 5]);
      assert.deepEqual(await sequences({ after: 2, limit: 2 }), [3, 4]);
      assert.equal(await journal.lastSequence(), 5);
      const { parts, accept, review, reject } = await journal.counts();
      assert.deepEqual({ parts, accept, review, reject }, { parts: 5, accept: 3, review: 1, reject: 1 });
    });
  });

  describe('labels', () => {
    const label = (partId: string, truth: 'good' | 'defect', reason = 'looked at it') => ({
      partId,
      truth,
      actor: 'mara',
      reason,
      station: 'press-4',
    });

    it('keeps what a person found beside what the station had decided, and writes the ledger', async () => {
      const journal = await open();
      await journal.recordPart(inspection(1, 'reject'));
      const kept = await journal.recordLabel(label('part-1', 'good'));
      const expected = {
        rowId: 1,
        partId: 'part-1',
        sequence: 1,
        truth: 'good',
        decision: 'reject',
        verdictReason: 'below-threshold',
        score: 1,
        modelDigest: null,
        defectClass: null,
        proposedBy: null,
        actor: 'mara',
        reason: 'looked at it',
        at: kept.at,
      } as const;
      assert.deepEqual(kept, expected);
      assert.deepEqual(await journal.labels(), [expected]);
      const [record] = await journal.ledger();
      assert.deepEqual([record?.type, record?.actor, record?.object], ['gate.label', 'mara', 'press-4']);
      assert.equal((await journal.verifyLedger()).brokenAt, null);
    });

    it('counts the last label of a part and keeps those it corrects', async () => {
      const journal = await open();
      await journal.recordPart(inspection(1, 'reject'));
      await journal.recordPart(inspection(2, 'accept'));
      await journal.recordLabel(label('part-1', 'good'));
      await journal.recordLabel(label('part-2', 'defect'));
      await journal.recordLabel(label('part-1', 'defect', 'under the lamp'));
      const truths = async (query = {}) =>
        (await journal.labels(query)).map(({ partId, truth }) => `${partId} ${truth}`);
      assert.deepEqual(await truths(), ['part-2 defect', 'part-1 defect']);
      assert.deepEqual(await truths({ history: true }), ['part-1 good', 'part-2 defect', 'part-1 defect']);
      assert.deepEqual(await truths({ sinceSequence: 2 }), ['part-2 defect']);
      assert.deepEqual(await truths({ after: 2 }), ['part-1 defect']);
    });

    it('offers for review what nobody has labelled since it was inspected', async () => {
      const journal = await open();
      for (const sequence of [1, 2, 3]) await journal.recordPart(inspection(sequence, 'review'));
      await journal.recordPart(inspection(4, 'accept'));
      await journal.recordLabel(label('part-2', 'good'));
      const waiting = async () =>
        (await journal.parts({ decision: 'review', unlabelled: true })).map(
          (record) => record.inspection.part.id,
        );
      assert.deepEqual(await waiting(), ['part-1', 'part-3']);
      const again = inspection(5, 'review');
      await journal.recordPart({ ...again, part: { ...again.part, id: 'part-2' } });
      assert.deepEqual(await waiting(), ['part-1', 'part-2', 'part-3']);
    });

    it('refuses a part it does not know and a truth it does not know, and writes neither down', async () => {
      const journal = await open();
      await journal.recordPart(inspection(1, 'reject'));
      await assert.rejects(journal.recordLabel(label('nobody', 'good')), { code: 'JOURNAL_NOT_FOUND' });
      await assert.rejects(journal.recordLabel(label('part-1', 'maybe' as 'good')), {
        code: 'JOURNAL_BAD_RECORD',
      });
      assert.deepEqual([await journal.labels(), await journal.ledger()], [[], []]);
    });

    it('takes a journal that was made before there were labels', async () => {
      const before = openDatabase(folder, MIGRATIONS.slice(0, 1));
      const store = new Store(before, { folder, maxWaiting: 9 });
      store.recordPart(JSON.stringify(inspection(1, 'reject')));
      before.close();
      const journal = await open();
      await journal.recordLabel(label('part-1', 'good'));
      assert.equal((await journal.labels()).length, 1);
    });
  });

  describe('commands', () => {
    const intent = {
      id: 'c-1',
      partId: 'part-1',
      endpoint: 'plc',
      tag: 'Reject',
      value: true,
      actor: 'system',
    };

    it('takes a command once and shows it open until it has a result', async () => {
      const journal = await open();
      await journal.recordCommand(intent);
      await assert.rejects(journal.recordCommand(intent), { code: 'JOURNAL_DUPLICATE' });
      assert.deepEqual(
        (await journal.openCommands()).map(({ id }) => id),
        ['c-1'],
      );
      await journal.recordCommandResult({ id: 'c-1', outcome: 'confirmed', readBack: true, ms: 2 });
      assert.deepEqual(await journal.openCommands(), []);
      const record = await journal.command('c-1');
      assert.deepEqual(
        { ...record, at: '' },
        {
          ...intent,
          endpointId: 'plc',
          at: '',
          purpose: 'decision',
          number: 1,
          outcome: 'confirmed',
          reason: null,
          readBack: true,
          ms: 2,
        },
      );
      assert.equal((await journal.counts()).commands.confirmed, 1);
    });

    it('counts the commands to each endpoint and ties each to its record in the ledger', async () => {
      const journal = await open();
      const first = await journal.recordCommand(intent);
      const second = await journal.recordCommand({ ...intent, id: 'c-2', purpose: 'fallback' });
      const other = await journal.recordCommand({ ...intent, id: 'c-3', endpoint: 'press' });
      assert.deepEqual([first.number, second.number, other.number], [1, 2, 1]);
      await journal.recordCommandResult({ id: 'c-2', outcome: 'unknown', reason: 'TIMEOUT', ms: 1 });
      const ledger = await journal.ledger();
      assert.deepEqual(
        ledger.map(({ type, object }) => [type, object]),
        [
          ['plc.command', 'Reject'],
          ['plc.command', 'Reject'],
          ['plc.command', 'Reject'],
          ['plc.outcome', 'Reject'],
        ],
      );
      assert.equal(second.reference, Number.parseInt(ledger[1]?.hash.slice(0, 8) ?? '', 16));
      assert.deepEqual(ledger[3]?.detail, {
        id: 'c-2',
        outcome: 'unknown',
        readBack: null,
        reason: 'TIMEOUT',
      });
    });

    it('goes on above what the PLC has seen, on the circle of its numbers', async () => {
      const journal = await open();
      const numbers: number[] = [];
      for (const [id, above] of [
        ['c-1', 71],
        ['c-2', 5],
        ['c-3', 4_294_967_295],
        ['c-4', 3_000_000_000],
        ['c-5', undefined],
      ] as const)
        numbers.push((await journal.recordCommand({ ...intent, id, ...(above && { above }) })).number);
      assert.deepEqual(numbers, [72, 73, 74, 75, 76]);
      const worn = { ...intent, endpoint: 'worn', id: 'c-6', above: 4_294_967_295 };
      assert.equal((await journal.recordCommand(worn)).number, 1);
    });

    it('goes on counting for an endpoint that was renamed, and tells it from another of the same name', async () => {
      const journal = await open();
      const numbers: number[] = [];
      for (const [id, endpointId, endpoint] of [
        ['c-1', 'n-1', 'plc'],
        ['c-2', 'n-2', 'plc'],
        ['c-3', 'n-1', 'press'],
        ['c-4', 'n-1', 'n-2'],
      ] as const)
        numbers.push((await journal.recordCommand({ ...intent, id, endpoint, endpointId })).number);
      assert.deepEqual(numbers, [1, 1, 2, 3]);
      const record = await journal.command('c-3');
      assert.deepEqual([record?.endpoint, record?.endpointId], ['press', 'n-1']);
      const { detail } = (await journal.ledger())[2] ?? {};
      assert.deepEqual([detail?.['endpoint'], detail?.['endpointId']], ['press', 'n-1']);
    });

    it('keeps the first result of a command, and refuses a second', async () => {
      const journal = await open();
      await journal.recordCommand(intent);
      await journal.recordCommandResult({ id: 'c-1', outcome: 'confirmed', readBack: true, ms: 2 });
      const second = { id: 'c-1', outcome: 'unknown', reason: 'INTERRUPTED', ms: 0 } as const;
      await assert.rejects(journal.recordCommandResult(second), { code: 'JOURNAL_DUPLICATE' });
      assert.equal((await journal.command('c-1'))?.outcome, 'confirmed');
      const types = (await journal.ledger()).map(({ type }) => type);
      assert.deepEqual(types, ['plc.command', 'plc.outcome']);
    });

    it('refuses a result of a command it does not know', async () => {
      const journal = await open();
      const result = { id: 'nobody', outcome: 'unknown', ms: 1 } as const;
      await assert.rejects(journal.recordCommandResult(result), { code: 'JOURNAL_NOT_FOUND' });
    });
  });

  describe('outbox', () => {
    it('takes a key once, also when two ask at the same time', async () => {
      const journal = await open();
      const answers = await Promise.all(
        [1, 2, 3].map((body) => journal.acceptOutbox(entry('k', 'mes:a', body))),
      );
      assert.deepEqual(
        answers.map(({ accepted, record }) => [accepted, record.body]),
        [
          [true, 1],
          [false, 1],
          [false, 1],
        ],
      );
    });

    it('offers the first entry of each stream, and the next when that one is settled', async () => {
      const journal = await open();
      for (const [key, stream] of [
        ['a1', 'mes:a'],
        ['b1', 'mes:b'],
        ['a2', 'mes:a'],
        ['x1', 'other:x'],
      ] as const) {
        await journal.acceptOutbox(entry(key, stream));
      }
      const due = async () => (await journal.dueOutbox('mes:')).records.map(({ key }) => key);
      assert.deepEqual(await due(), ['a1', 'b1']);
      await journal.settleOutbox({ key: 'a1', result: 'retry', delayMs: 60_000, answer: 'busy' });
      assert.deepEqual(await due(), ['b1'], 'a2 does not overtake a1');
      await journal.settleOutbox({ key: 'b1', result: 'dead', answer: 'no' });
      const { records, waiting, dead, nextDueMs } = await journal.dueOutbox('mes:');
      assert.deepEqual([records.length, waiting, dead], [0, 2, 1]);
      assert.ok(nextDueMs !== null && nextDueMs > 50_000 && nextDueMs <= 60_000);
    });

    it('keeps the order of every stream whatever fails on the way', () => {
      const outcomes = fc.array(fc.constantFrom('done', 'retry', 'progress', 'dead'), {
        minLength: 1,
        maxLength: 60,
      });
      const streams = fc.array(fc.constantFrom('s:1', 's:2', 's:3'), { minLength: 1, maxLength: 30 });
      fc.assert(
        fc.property(streams, outcomes, (accepted, results) => {
          const database = new Database(':memory:');
          database.exec(MIGRATIONS.join(';'));
          const store = new Store(database, { folder, maxWaiting: 100, monotonicNow: () => 0 });
          accepted.forEach((stream, index) => {
            store.acceptOutbox(JSON.stringify(entry(String(index), stream)), null);
          });
          const settled = new Map<string, number[]>();
          for (const result of [...results, ...accepted.map(() => 'done')]) {
            for (const { key, stream } of store.dueOutbox('s:').records) {
              store.settleOutbox(JSON.stringify({ key, result, delayMs: 0, answer: null }));
              if (result === 'done' || result === 'dead') {
                settled.set(stream, [...(settled.get(stream) ?? []), Number(key)]);
              }
            }
          }
          for (const order of settled.values())
            assert.deepEqual(
              order,
              order.toSorted((a, b) => a - b),
            );
          assert.equal([...settled.values()].flat().length, accepted.length);
          database.close();
        }),
        { numRuns: 50 },
      );
    });

    it('waits by the monotonic clock, and what is left of the wait outlives a restart', () => {
      const database = openDatabase(folder);
      let monotonic = 1_000_000;
      let wall = new Date('2026-06-01T12:00:00Z');
      const store = () =>
        new Store(database, { folder, maxWaiting: 9, monotonicNow: () => monotonic, now: () => wall });
      const before = store();
      before.acceptOutbox(JSON.stringify(entry('k')), null);
      before.settleOutbox(JSON.stringify({ key: 'k', result: 'retry', delayMs: 1000, answer: null }));
      wall = new Date('2026-07-01T12:00:00Z');
      assert.equal(before.dueOutbox('mes:').records.length, 0, 'a clock set forward does not hurry it');
      monotonic += 600;
      before.saveDelays();
      monotonic = 5;
      wall = new Date('2020-01-01T00:00:00Z');
      const after = store();
      assert.equal(after.dueOutbox('mes:').nextDueMs, 400);
      monotonic += 400;
      assert.equal(after.dueOutbox('mes:').records.length, 1);
      database.close();
    });

    it('refuses more than may wait, and takes more once some are delivered', async () => {
      const journal = await open({ maxWaiting: 2 });
      await journal.acceptOutbox(entry('1'));
      await journal.acceptOutbox(entry('2'));
      await assert.rejects(journal.acceptOutbox(entry('3')), { code: 'JOURNAL_OUTBOX_FULL' });
      await journal.settleOutbox({ key: '1', result: 'done', answer: null });
      assert.equal((await journal.acceptOutbox(entry('3'))).accepted, true);
    });

    it('keeps evidence under its hash, once, without taking the bytes from their owner', async () => {
      const journal = await open();
      const bytes = Buffer.from('a picture');
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      for (const key of ['1', '2']) {
        const { record } = await journal.acceptOutbox({
          ...entry(key),
          attachment: { bytes, mediaType: 'image/jpeg' },
        });
        assert.deepEqual(record.attachment, { sha256, mediaType: 'image/jpeg' });
      }
      assert.equal(bytes.toString(), 'a picture');
      assert.deepEqual(await journal.attachment(sha256), bytes);
      assert.deepEqual(await readFile(join(folder, 'evidence', sha256.slice(0, 2), sha256)), bytes);
      await assert.rejects(journal.attachment('../../etc/passwd'), { code: 'JOURNAL_NOT_FOUND' });
    });
  });

  describe('outbox, after the first answer', () => {
    it('puts back what was set aside, to where it stood, and writes down who did', async () => {
      const journal = await open();
      for (const key of ['a1', 'a2']) await journal.acceptOutbox(entry(key, 'mes:a'));
      await assert.rejects(journal.requeueOutbox('a1', { actor: 'ann', reason: 'too early' }), {
        code: 'JOURNAL_NOT_FOUND',
      });
      await journal.settleOutbox({ key: 'a1', result: 'dead', answer: { error: 'no such class' } });
      assert.equal((await journal.dueOutbox('mes:')).records[0]?.key, 'a2');
      await journal.requeueOutbox('a1', { actor: 'ann', reason: 'the class exists now' });
      const [first] = (await journal.dueOutbox('mes:')).records;
      assert.deepEqual([first?.key, first?.state, first?.attempts], ['a1', 'waiting', 1]);
      const [record] = await journal.ledger();
      assert.deepEqual(
        [record?.type, record?.actor, record?.object, record?.reason],
        ['ticket.requeue', 'ann', 'a1', 'the class exists now'],
      );
      await assert.rejects(journal.requeueOutbox('nobody', { actor: 'ann', reason: 'typo' }), {
        code: 'JOURNAL_NOT_FOUND',
      });
    });

    it('keeps what the receiver says, once, with the part whose ticket it is', async () => {
      const journal = await open();
      const part = inspection(1);
      await journal.recordPart({ ...part, ticket: { id: 'NC-1', state: 'acknowledged', key: 'k' } });
      await journal.acceptOutbox({ ...entry('k', 'mes:a'), partId: 'part-1' });
      const open_ = { state: 'open', said: 'In Progress', at: '2026-01-01T00:00:00.000Z' } as const;
      await assert.rejects(journal.noteReceiver('k', open_, 'mes'), { code: 'JOURNAL_NOT_FOUND' });
      await journal.settleOutbox({ key: 'k', result: 'done', answer: { ticketId: 'NC-1' } });
      assert.equal(await journal.noteReceiver('k', open_, 'mes'), true);
      assert.equal(await journal.noteReceiver('k', { ...open_, at: 'later' }, 'mes'), false);
      assert.deepEqual(
        (await journal.openOutbox('mes:', { limit: 5, after: null })).map(({ key }) => key),
        ['k'],
      );
      assert.deepEqual(await journal.openOutbox('mes:', { limit: 5, after: 'k' }), []);
      const closed = { ...open_, state: 'closed', said: 'Done' } as const;
      assert.equal(await journal.noteReceiver('k', closed, 'mes'), true);
      assert.deepEqual(await journal.openOutbox('mes:', { limit: 5, after: null }), []);
      assert.deepEqual((await journal.outboxEntry('k'))?.receiver, closed);
      assert.equal((await journal.deliveredAs('mes:', 'NC-1'))?.key, 'k');
      assert.equal(await journal.deliveredAs('mes:', 'NC-2'), undefined);
      const [known] = await journal.parts();
      assert.deepEqual(known?.inspection.ticket?.receiver, closed);
      assert.equal((await journal.ledger()).filter(({ type }) => type === 'ticket.state').length, 2);
    });

    it('leaves a part alone that was inspected again since', async () => {
      const journal = await open();
      await journal.acceptOutbox({ ...entry('k', 'mes:a'), partId: 'part-1' });
      await journal.settleOutbox({ key: 'k', result: 'done', answer: { ticketId: 'NC-1' } });
      const again = inspection(2);
      await journal.recordPart({ ...again, part: { ...again.part, id: 'part-1' } });
      await journal.noteReceiver('k', { state: 'closed', said: 'Done', at: 'now' }, 'mes');
      const [known] = await journal.parts();
      assert.equal(known?.inspection.ticket, undefined);
      assert.equal(known?.inspection.part.sequence, 2);
    });

    it('keeps a second piece of evidence with the entry', async () => {
      const journal = await open();
      const [frame, heat] = [Buffer.from('frame'), Buffer.from('heat')];
      const { record } = await journal.acceptOutbox({
        ...entry('k', 'mes:a'),
        attachment: { bytes: frame, mediaType: 'image/jpeg' },
        furtherAttachments: [{ bytes: heat, mediaType: 'image/png' }],
      });
      const [second] = record.furtherAttachments;
      assert.equal(second?.mediaType, 'image/png');
      assert.deepEqual(await journal.attachment(second.sha256), heat);
      assert.deepEqual(await journal.attachment(record.attachment?.sha256 ?? ''), frame);
      assert.equal(frame.toString(), 'frame', 'the bytes stay their owner’s');
    });

    it('lists by stream and state', async () => {
      const journal = await open();
      for (const [key, stream] of [
        ['a', 'mes:a'],
        ['b', 'mes:b'],
      ] as const) {
        await journal.acceptOutbox(entry(key, stream));
        await journal.settleOutbox({ key, result: 'dead', answer: null });
      }
      const dead = await journal.outbox({ state: 'dead', streamPrefix: 'mes:b' });
      assert.deepEqual(
        dead.map(({ key }) => key),
        ['b'],
      );
      assert.equal((await journal.outbox({ state: 'dead' })).length, 2);
      assert.equal((await journal.outbox({ state: 'waiting' })).length, 0);
    });
  });

  describe('ledger', () => {
    const RECORDS = 30;

    async function written(): Promise<void> {
      const journal = await open();
      for (let index = 0; index < RECORDS; index += 1) {
        await journal.appendLedger({
          type: 'station.arm',
          actor: 'mara',
          object: 'press 4',
          detail: { index },
        });
      }
      assert.deepEqual(await journal.verifyLedger(), { records: RECORDS, brokenAt: null });
      await journal.close();
    }

    async function brokenAfter(sql: string, ...parameters: unknown[]): Promise<number | null> {
      const database = new Database(join(folder, 'journal.db'));
      database.exec('BEGIN');
      database.prepare(sql).run(...parameters);
      const walk = new Store(database, { folder, maxWaiting: 1 });
      const { brokenAt } = walk.verifyLedgerFrom({ sequence: 0, hash: '0'.repeat(64) }, 1000);
      database.exec('ROLLBACK');
      database.close();
      return Promise.resolve(brokenAt);
    }

    it('chains its records and gives them back as they were', async () => {
      const journal = await open();
      const first = await journal.appendLedger({
        type: 'station.arm',
        actor: 'mara',
        object: 'press 4',
        reason: 'shift',
      });
      const second = await journal.appendLedger({
        type: 'gate.tolerance',
        actor: 'mara',
        object: 'gate',
        detail: { to: 3 },
      });
      assert.equal(second.previousHash, first.hash);
      assert.deepEqual(await journal.ledger(), [first, second]);
      assert.deepEqual(await journal.ledger({ after: 1 }), [second]);
    });

    it('finds any flipped bit of any record', async () => {
      await written();
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: RECORDS }),
          fc.constantFrom('record', 'hash', 'previous_hash'),
          fc.nat(),
          fc.integer({ min: 0, max: 6 }),
          async (sequence, column, position, bit) => {
            const database = new Database(join(folder, 'journal.db'), { readonly: true });
            const { text } = database
              .prepare(`SELECT ${column} AS text FROM ledger WHERE sequence = ?`)
              .get(sequence) as { text: string };
            database.close();
            const bytes = Buffer.from(text);
            const at = position % bytes.length;
            bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
            const sql = `UPDATE ledger SET ${column} = ? WHERE sequence = ?`;
            assert.equal(await brokenAfter(sql, bytes.toString(), sequence), sequence);
          },
        ),
        { numRuns: 200 },
      );
    });

    it('finds a record that was removed, also the last', async () => {
      await written();
      for (const sequence of [1, 17, RECORDS]) {
        assert.equal(await brokenAfter('DELETE FROM ledger WHERE sequence = ?', sequence), sequence);
      }
    });

    it('finds records that changed places', async () => {
      await written();
      const swap = `UPDATE ledger SET (record, previous_hash, hash) =
        (SELECT record, previous_hash, hash FROM ledger AS other WHERE other.sequence = 25 - ledger.sequence)
        WHERE sequence IN (12, 13)`;
      assert.equal(await brokenAfter(swap), 12);
    });
  });

  describe('opening and closing', () => {
    it('shares one journal between those who open the same folder', async () => {
      const [first, second] = await Promise.all([open(), open()]);
      await first.setValue('tolerance', 3);
      await first.close();
      assert.equal(await second.getValue('tolerance'), 3);
      await assert.rejects(async () => first.counts(), { code: 'JOURNAL_CLOSED' });
    });

    it('writes what is waiting before it closes, and can be opened again at once', async () => {
      const journal = await open();
      const writes = Array.from({ length: 500 }, (_, index) => journal.recordPart(inspection(index + 1)));
      const closing = journal.close();
      const again = await open();
      await Promise.all([...writes, closing]);
      assert.equal((await again.counts()).parts, 500);
    });

    it('refuses a file of a newer version and leaves it as it is', async () => {
      const newer = openDatabase(folder, [...MIGRATIONS, 'CREATE TABLE future (x)']);
      newer.close();
      const before = await readFile(join(folder, 'journal.db'));
      await assert.rejects(open(), { code: 'JOURNAL_NEWER' });
      assert.deepEqual(await readFile(join(folder, 'journal.db')), before);
    });

    it('migrates a copy, keeps the old file, and leaves it alone when the migration fails', async () => {
      const journal = await open();
      await journal.setValue('tolerance', 3);
      await journal.close();
      assert.throws(() => openDatabase(folder, [...MIGRATIONS, 'CREATE TABLE broken (']), {
        code: 'JOURNAL_UNAVAILABLE',
      });
      await (await open()).close();
      const migrated = openDatabase(folder, [...MIGRATIONS, 'CREATE TABLE future (x)']);
      assert.equal(migrated.pragma('user_version', { simple: true }), MIGRATIONS.length + 1);
      assert.deepEqual(migrated.prepare('SELECT value FROM stored_values').pluck().all(), ['3']);
      migrated.close();
      assert.ok(existsSync(join(folder, `journal.version-${MIGRATIONS.length}.db`)));
    });

    it('says that a damaged file is damaged', async () => {
      await writeFile(
        join(folder, 'journal.db'),
        'this was never a database, but it is long enough to look like one',
      );
      await assert.rejects(open(), { code: 'JOURNAL_CORRUPT' });
    });

    it('says that a folder cannot be used', async () => {
      const file = join(folder, 'file');
      await writeFile(file, '');
      await assert.rejects(openJournal({ folder: join(file, 'below') }), { code: 'JOURNAL_UNAVAILABLE' });
      if (process.getuid?.() === 0) return;
      await chmod(folder, 0o500);
      await assert.rejects(open(), { code: 'JOURNAL_UNAVAILABLE' });
      await chmod(folder, 0o700);
    });

    it('refuses what is not JSON without harm to its neighbours', async () => {
      const journal = await open();
      const circular: Record<string, unknown> = {};
      circular['self'] = circular;
      const deep = JSON.parse(`${'['.repeat(2_000)}"[]\\"["${']'.repeat(2_000)}`) as unknown;
      const answers = await Promise.allSettled([
        journal.setValue('good', '['.repeat(2_000)),
        journal.setValue('bad', circular),
        journal.setValue('deep', deep),
        journal.recordPart({ timings: {} } as Inspection),
        journal.recordPart(inspection(1)),
      ]);
      assert.deepEqual(
        answers.map((answer) =>
          answer.status === 'rejected' ? (answer.reason as { code: string }).code : 'kept',
        ),
        ['kept', 'JOURNAL_BAD_RECORD', 'JOURNAL_BAD_RECORD', 'JOURNAL_BAD_RECORD', 'kept'],
      );
    });
  });
});
