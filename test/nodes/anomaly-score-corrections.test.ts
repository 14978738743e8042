import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection } from '../../lib/inspection/inspection.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import type { Journal, Label } from '../../lib/journal/types.ts';
import { Corrections } from '../../nodes/anomaly-score/corrections.ts';

describe('what waits to be learnt', () => {
  let folder: string;
  let journal: Journal;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-corrections-'));
    journal = await openJournal({ folder });
  });
  afterEach(async () => {
    await journal.close();
    await rm(folder, { recursive: true });
  });

  async function labelled(sequence: number): Promise<Label> {
    const inspection = openInspection({ station: 'press 4', sequence, deadlineMs: 60_000 });
    await journal.recordPart(inspection);
    const { id: partId } = inspection.part;
    return journal.recordLabel({ partId, truth: 'good', actor: 'ann', reason: 'test', station: 'press 4' });
  }

  it('is caught up with after a restart, however much was found meanwhile', async () => {
    const station = { journal: () => Promise.resolve(journal) };
    const before = new Corrections(station, 'key');
    await before.open();
    await before.take(await labelled(1));
    for (let sequence = 2; sequence <= 130; sequence += 1) await labelled(sequence);
    const labels = await new Corrections(station, 'key').open();
    assert.deepEqual(
      labels.map(({ sequence }) => sequence),
      Array.from({ length: 129 }, (_, index) => index + 2),
    );
  });
});
