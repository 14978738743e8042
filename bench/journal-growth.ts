/**
 * How much a station's journal grows: an hour of a line with one part a second, written through the journal as the nodes
 * of the pilot flow write it, and what a day of that takes. `node bench/journal-growth.ts [--every-part]`: commands for
 * the rejected parts, as the pilot station diverts them, or one for each part, as a line that is told every verdict.
 */
import Database from 'better-sqlite3';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection } from '../lib/inspection/inspection.ts';
import { openDatabase } from '../lib/journal/database.ts';
import { openJournal } from '../lib/journal/journal.ts';
import { Sealing } from '../lib/journal/sealing.ts';
import { segmentFolder } from '../lib/journal/segments.ts';
import { Store } from '../lib/journal/store.ts';

const PARTS = 3600;
const HOURS = 24;
const DAY_MS = 86_400_000;
/** Of the simulated line of the pilot: 3 % defects; and a person looks at one part in fifty. */
const REJECT_EVERY = 33;
const LABEL_EVERY = 50;
const TABLES = ['parts', 'commands', 'outbox', 'labels', 'ledger'];

const everyPart = process.argv.includes('--every-part');
const folder = await mkdtemp(join(tmpdir(), 'jidoka-growth-'));
const journal = await openJournal({ folder, ballastBytes: 4096 });
const counts = { commands: 0, tickets: 0, labels: 0 };
const digest = `sha256:${'a5'.repeat(32)}`;

async function onePart(sequence: number): Promise<void> {
  const inspection = openInspection({ station: 'Press 4', sequence, deadlineMs: 900 });
  const { id: partId } = inspection.part;
  const isReject = sequence % REJECT_EVERY === 0;
  inspection.anomaly = {
    ...{ score: 41.7235, mapMax: 41.7235, embedding: null, calibrationSize: 80 },
    model: { name: 'press-4', version: '7', digest },
  } as unknown as NonNullable<typeof inspection.anomaly>;
  inspection.verdict = {
    ...{ decision: isReject ? 'reject' : 'accept', score: 41.7235, threshold: 38.25 },
    ...{ reason: isReject ? 'score above the threshold' : 'score within the tolerance', mode: 'NORMAL' },
  } as unknown as NonNullable<typeof inspection.verdict>;
  await journal.recordPart(inspection);
  if (everyPart || isReject) {
    counts.commands += 1;
    const command = {
      ...{ id: crypto.randomUUID(), partId, endpoint: 'Line PLC', endpointId: 'pilot-plc' },
      ...{ tag: 'ns=1;s=Line.RejectGate', value: isReject, actor: 'system' },
    };
    await journal.recordCommand(command);
    await journal.recordCommandResult({ id: command.id, outcome: 'confirmed', readBack: isReject, ms: 11.3 });
  }
  if (isReject) {
    counts.tickets += 1;
    const key = `${sequence}`.padStart(32, '0');
    const event = { id: key, defectClass: 'surface', severity: 'major', station: 'Press 4', line: 'Line 2' };
    const body = { node: 'pilot-ticket', event, inspection };
    await journal.acceptOutbox({ key, stream: `mes:pilot-mes:part:${partId}`, partId, body });
    await journal.settleOutbox({ key, result: 'done', answer: { ticketId: `NC-${sequence}` } });
  }
  if (sequence % LABEL_EVERY === 0) {
    counts.labels += 1;
    const label = {
      partId,
      truth: 'good',
      actor: 'mara',
      reason: 'looked at it',
      station: 'Press 4',
    } as const;
    await journal.recordLabel(label);
  }
}

try {
  // a few at a time: how many commits that makes changes nothing about what is kept
  for (let sequence = 1; sequence <= PARTS; sequence += 30) {
    await Promise.all(Array.from({ length: 30 }, (_, index) => onePart(sequence + index)));
  }
  await journal.close();
  const database = new Database(join(folder, 'journal.db'));
  const bytes = database
    .prepare(
      `SELECT COALESCE(SUM(pgsize), 0) FROM dbstat
       WHERE aggregate = 1 AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)`,
    )
    .pluck();
  const perDay = (size: number): string => `${((size * HOURS) / 1e6).toFixed(1)} MB a day`;
  console.log(
    `${PARTS} parts, ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
  );
  for (const table of TABLES) console.log(table.padEnd(16), perDay(bytes.get(table) as number));
  database.close();

  const again = openDatabase(folder);
  const now = (): number => Date.now() + 3 * DAY_MS;
  const store = new Store(again, { folder, maxWaiting: Infinity, now: () => new Date(now()) });
  const sealing = new Sealing(again, store, { folder, days: 1, now });
  while (sealing.step());
  again.close();
  const sealed = existsSync(segmentFolder(folder)) ? readdirSync(segmentFolder(folder)) : [];
  const size = sealed.reduce((sum, name) => sum + statSync(join(segmentFolder(folder), name)).size, 0);
  console.log('ledger, sealed'.padEnd(16), perDay(size));
} finally {
  await rm(folder, { recursive: true, force: true });
}
