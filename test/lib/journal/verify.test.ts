import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import fc from 'fast-check';
import { openInspection } from '../../../lib/inspection/inspection.ts';
import { openDatabase } from '../../../lib/journal/database.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import { verifyDatabase, verifyJournal } from '../../../lib/journal/verify.ts';

const TAMPERINGS = 1000;
const COMMANDS = 12;
const RECORDS = 3 * COMMANDS + 12;

/** A station's day in small: commands with outcomes, labels, other records, evidence. */
async function fill(folder: string): Promise<void> {
  const journal = await openJournal({ folder, ballastBytes: 4096 });
  for (let index = 0; index < COMMANDS; index += 1) {
    const id = `command-${index}`;
    const part = openInspection({
      station: 'press 4',
      sequence: index + 1,
      deadlineMs: 900,
      id: `part-${index}`,
    });
    await journal.recordPart(part);
    await journal.recordCommand({
      ...{
        id,
        partId: part.part.id,
        endpoint: 'plc',
        tag: 'Line.Torque',
        value: 40 + index,
        actor: 'system',
      },
    });
    await journal.recordCommandResult({ id, outcome: 'confirmed', readBack: 40 + index, ms: 3 });
    await journal.appendLedger({
      type: 'gate.tolerance',
      actor: 'kim',
      object: 'gate',
      reason: `step ${index}`,
    });
    await journal.recordLabel({
      ...{ partId: part.part.id, truth: 'good', actor: 'kim', reason: 'looked', station: 'press 4' },
    });
    await journal.acceptOutbox({
      ...{ key: `ticket-${index}`, stream: 'mes:a:station', partId: part.part.id, body: { index } },
      attachment: { bytes: Buffer.alloc(200 + index, index), mediaType: 'image/png' },
    });
  }
  await journal.close();
}

type Tampering = (database: Database, pick: (bound: number) => number) => void;

/** What somebody with SQL could do to the record of what was done. */
const TAMPERINGS_BY_NAME: Readonly<Record<string, Tampering>> = {
  'change a record': (database, pick) => {
    const sequence = 1 + pick(RECORDS);
    const { record } = database.prepare('SELECT record FROM ledger WHERE sequence = ?').get(sequence) as {
      record: string;
    };
    const at = pick(record.length);
    const changed = String.fromCharCode(record.charCodeAt(at) ^ (1 + pick(15)));
    const text = `${record.slice(0, at)}${changed}${record.slice(at + 1)}`;
    database.prepare('UPDATE ledger SET record = ? WHERE sequence = ?').run(text, sequence);
  },
  'remove a record': (database, pick) => {
    database.prepare('DELETE FROM ledger WHERE sequence = ?').run(1 + pick(RECORDS));
  },
  'make two records change places': (database, pick) => {
    const one = 1 + pick(RECORDS);
    const other = 1 + ((one + pick(RECORDS - 1)) % RECORDS);
    const move = database.prepare('UPDATE ledger SET sequence = ? WHERE sequence = ?');
    for (const [to, from] of [
      [-1, one],
      [one, other],
      [other, -1],
    ] as const)
      move.run(to, from);
  },
  'insert a record': (database, pick) => {
    const after = 1 + pick(RECORDS);
    database
      .prepare(`INSERT INTO ledger SELECT ?, record, previous_hash, hash FROM ledger WHERE sequence = ?`)
      .run(RECORDS + 1, after);
  },
  'change the hashes of a record': (database, pick) => {
    const column = ['hash', 'previous_hash'][pick(2)] ?? '';
    database
      .prepare(`UPDATE ledger SET ${column} = ? WHERE sequence = ?`)
      .run('0'.repeat(63) + '1', 1 + pick(RECORDS));
  },
  'change the head': (database, pick) => {
    database.prepare('UPDATE ledger_head SET sequence = sequence + ?').run(1 + pick(3));
  },
  'change a command': (database, pick) => {
    const column =
      ['value', 'tag', 'actor', 'outcome', 'read_back', 'endpoint', 'purpose', 'endpoint_id'][pick(8)] ?? '';
    database
      .prepare(`UPDATE commands SET ${column} = ? WHERE id = ?`)
      .run(column === 'outcome' ? 'refused' : '99', `command-${pick(COMMANDS)}`);
  },
  'remove a command': (database, pick) => {
    database.prepare('DELETE FROM commands WHERE id = ?').run(`command-${pick(COMMANDS)}`);
  },
  'insert a command': (database, pick) => {
    database
      .prepare(
        `INSERT INTO commands (id, endpoint, tag, value, actor, at, outcome, number)
         VALUES ('forged', 'plc', 'Line.Torque', '1', 'system', '2026-01-01T00:00:00.000Z', 'confirmed', ?)`,
      )
      .run(100 + pick(5));
  },
  'change what a person found': (database, pick) => {
    database.prepare(`UPDATE labels SET truth = 'defect' WHERE row_id = ?`).run(1 + pick(COMMANDS));
  },
  'remove what a person found': (database, pick) => {
    database.prepare('DELETE FROM labels WHERE row_id = ?').run(1 + pick(COMMANDS));
  },
};

describe('the verification of a journal', function () {
  this.timeout(60_000);
  let folder: string;
  let database: Database;
  let evidence: string[];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-verify-'));
    await fill(folder);
    database = openDatabase(folder);
    const files = await readdir(join(folder, 'evidence'), { recursive: true, withFileTypes: true });
    evidence = files.filter((file) => file.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  });
  after(async () => {
    database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('finds nothing wrong with what nobody touched', () => {
    const { problems, findings, records, commands, labels, evidence: files } = verifyJournal(folder);
    assert.deepEqual(findings, []);
    assert.equal(problems, 0);
    assert.deepEqual([records, commands, labels, files.files], [RECORDS, COMMANDS, COMMANDS, COMMANDS]);
  });

  it('finds every tampering: changed, removed, reordered, inserted, and flipped bits of evidence', () => {
    const names = [...Object.keys(TAMPERINGS_BY_NAME), 'flip a bit of evidence', 'cut evidence off'];
    const unnoticed: string[] = [];
    let done = 0;
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat({ max: 0xffff })), (stream) => {
        const name = names[done % names.length] ?? '';
        done += 1;
        const pick = (bound: number): number => (stream.next().value ?? 0) % bound;
        let undo = (): void => undefined;
        database.exec('BEGIN');
        const tampering = TAMPERINGS_BY_NAME[name];
        if (tampering !== undefined) tampering(database, pick);
        else undo = tamperEvidence(name, pick);
        if (verifyDatabase(database, folder).problems === 0) unnoticed.push(name);
        database.exec('ROLLBACK');
        undo();
      }),
      { numRuns: TAMPERINGS },
    );
    console.log(`      ${done - unnoticed.length} of ${done} tamperings found`);
    assert.deepEqual(unnoticed, []);
    assert.equal(done, TAMPERINGS);
    assert.equal(verifyJournal(folder).problems, 0, 'and all of it was put back');
  });

  function tamperEvidence(name: string, pick: (bound: number) => number): () => void {
    const file = evidence[pick(evidence.length)] ?? '';
    const before = readFileSync(file);
    if (name === 'cut evidence off') {
      writeFileSync(file, '');
    } else {
      const bytes = Buffer.from(before);
      const at = pick(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
      writeFileSync(file, bytes);
    }
    return () => writeFileSync(file, before);
  }

  it('does not find a tail that was cut off with its head, unless a head was noted elsewhere', () => {
    const { head } = verifyJournal(folder);
    database.exec('BEGIN');
    try {
      // the label and its record, which were last
      database.prepare('DELETE FROM labels WHERE row_id = ?').run(COMMANDS);
      database.prepare('DELETE FROM ledger WHERE sequence = ?').run(RECORDS);
      database.exec(`UPDATE ledger_head SET (sequence, hash) =
        (SELECT sequence, hash FROM ledger ORDER BY sequence DESC LIMIT 1)`);
      assert.equal(verifyDatabase(database, folder).problems, 0);
      const { findings } = verifyDatabase(database, folder, { expected: head });
      assert.deepEqual(
        findings.map(({ what }) => what),
        ['head'],
      );
    } finally {
      database.exec('ROLLBACK');
    }
  });

  it('names a command without outcome and evidence that is gone', async () => {
    const file = evidence[0] ?? '';
    const bytes = await readFile(file);
    await rm(file);
    database.exec(`BEGIN; UPDATE commands SET outcome = NULL WHERE id = 'command-3'`);
    try {
      const { findings } = verifyDatabase(database, folder, { now: Date.now() + 120_000 });
      assert.deepEqual(
        findings.map(({ what, problem }) => `${what} ${problem}`),
        [
          'command has another outcome than its record in the ledger',
          'command has no outcome',
          'evidence is missing',
        ],
      );
    } finally {
      database.exec('ROLLBACK');
      await writeFile(file, bytes);
    }
  });
});
