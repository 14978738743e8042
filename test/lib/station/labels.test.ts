/** What people find parts to be, where one is enough and where two have to agree. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection } from '../../../lib/inspection/inspection.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import type { Label } from '../../../lib/journal/types.ts';
import { createStation, type StationControl } from '../../../lib/station/station.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('what people find parts to be', () => {
  let folder: string;
  let station: StationControl;
  let heard: Label[];

  async function start(labelling: 'single' | 'dual'): Promise<void> {
    station = createStation({
      ...{ id: 's1', name: 'Press 4', line: '', folder, defaultDeadlineMs: 900, autonomy: 'act', labelling },
      clock: new FakeClock(),
      openJournal: (options) => openJournal({ ...options, ballastBytes: 0 }),
    });
    heard = [];
    station.onLabel((label) => heard.push(label));
    const journal = await station.journal();
    for (const [index, id] of ['p1', 'p2'].entries()) {
      await journal.recordPart(
        openInspection({ id, station: 'Press 4', sequence: index + 1, deadlineMs: 900 }),
      );
    }
  }
  const say = (actor: string, truth: Label['truth'], defectClass?: string) =>
    station.label({
      ...{ partId: 'p1', truth, actor, reason: 'looked at it' },
      ...(defectClass === undefined ? {} : { defectClass }),
    });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'jidoka-labels-'));
  });
  afterEach(async () => {
    await station.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('counts at once, with the class of the defect', async () => {
    await start('single');
    const answer = await say('mara', 'defect', 'crack');
    assert.equal(answer.state, 'recorded');
    assert.deepEqual(
      heard.map(({ partId, truth, defectClass }) => [partId, truth, defectClass]),
      [['p1', 'defect', 'crack']],
    );
  });

  it('waits for a second person, and survives a restart while it waits', async () => {
    await start('dual');
    assert.equal((await say('mara', 'good')).state, 'proposed');
    assert.deepEqual(heard, []);
    assert.deepEqual(await (await station.journal()).labels(), []);
    await station.close();
    await start('dual');
    assert.deepEqual(
      (await station.labelProposals()).map(({ partId, actor }) => [partId, actor]),
      [['p1', 'mara']],
    );
    const answer = await say('ben', 'good');
    assert.equal(answer.state, 'recorded');
    assert.deepEqual(
      heard.map(({ actor, proposedBy }) => [actor, proposedBy]),
      [['ben', 'mara']],
    );
    assert.deepEqual(await station.labelProposals(), []);
  });

  it('does not take the same person for a second one, however the name is written', async () => {
    await start('dual');
    await say('mara', 'good');
    await assert.rejects(say('MARA ', 'good'), { code: 'SAME_PERSON' });
    assert.deepEqual(heard, []);
  });

  it('begins anew where the second person finds something else, and keeps both in the ledger', async () => {
    await start('dual');
    await say('mara', 'good');
    assert.equal((await say('ben', 'defect', 'crack')).state, 'proposed');
    assert.equal((await say('ben', 'good')).state, 'proposed');
    assert.equal((await say('mara', 'good')).state, 'recorded');
    const ledger = await (await station.journal()).ledger();
    assert.deepEqual(
      ledger.filter(({ type }) => type.startsWith('gate.label')).map(({ type, actor }) => [type, actor]),
      [
        ['gate.label-proposed', 'mara'],
        ['gate.label-proposed', 'ben'],
        ['gate.label-proposed', 'ben'],
        ['gate.label', 'mara'],
      ],
    );
  });
});
