import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readModel } from '../../lib/anomaly/model.ts';
import { teach } from '../../lib/anomaly/teach.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import { createStation, type StationControl } from '../../lib/station/station.ts';
import register from '../../nodes/anomaly-score/anomaly-score.ts';
import type { PicturePanel } from '../../nodes/anomaly-score/picture-panel.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { realParts, type RealParts } from '../support/good-parts.ts';
import { flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';

const BY = { actor: 'ann', reason: 'looked at it' };

describe('anomaly-score learns from what people find', function () {
  this.timeout(120_000);
  let parts: RealParts;
  let folder: string;
  let station: StationControl;

  before(async function () {
    parts = await realParts(this);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-learning-'));
    const { good: frames } = parts;
    await teach({ frames, folder: join(folder, 'models'), name: 'top', coresetSize: 50, method: 'patch-nn' });
  });
  afterEach(async () => {
    await unload();
    await station.close();
    await rm(folder, { recursive: true });
  });

  async function deploy(learn: string): Promise<void> {
    station = createStation({
      ...{ id: 'station', name: 'press 4', line: '', folder, defaultDeadlineMs: 60_000 },
      ...{ autonomy: 'act', leaseMs: 60_000, openJournal },
    });
    const config = { model: 'top', teaching: 'none', version: 2, looks: 'pictures', learn };
    const tested = { id: 'score', type: 'anomaly-score', station: 'station', ...config };
    await load(
      [stationStandIn(station), register],
      [{ id: 'station', type: 'inspection-station' }, ...flowAround(tested, ['scored', 'events'])],
    );
  }

  /** A part that was scored, and judged as given. */
  async function judged(frame: Frame, decision: 'accept' | 'reject'): Promise<string> {
    const answer = nextMessage('scored');
    node('score').receive({ frame });
    const { inspection } = await answer;
    assert.ok(inspection?.anomaly !== undefined);
    const { score } = inspection.anomaly;
    const verdict = {
      decision,
      score,
      threshold: 1,
      reason: 'test',
      mode: 'NORMAL',
      calibration: 'test',
    } as const;
    await (await station.journal()).recordPart({ ...inspection, verdict });
    return inspection.part.id;
  }

  async function event(topic: string): Promise<Message> {
    for (;;) {
      const message = await nextMessage('events');
      if (message.topic === topic) return message;
    }
  }

  it('at once: a reject that was good is remembered by the next version, which goes into service', async () => {
    await deploy('auto');
    const partId = await judged(parts.bad[0] as Frame, 'reject');
    const served = event('jidoka/model');
    await station.label({ partId, truth: 'good', ...BY });
    assert.deepEqual((await served).payload, {
      ...((await served).payload as object),
      version: '2',
      parts: 13,
    });
    const { change, parent, parts: ids } = await readModel(join(folder, 'models', 'top', '2'));
    assert.deepEqual([change.kind, change.actor, change.reason, parent], ['add', 'ann', 'looked at it', 1]);
    assert.equal(ids.length, 13);
    const ledger = await (await station.journal()).ledger();
    assert.ok(ledger.some(({ type, actor }) => type === 'model.learn' && actor === 'ann'));
  });

  it('when told to: what is found waits, through a restart, and is said', async () => {
    await deploy('ask');
    const partId = await judged(parts.bad[0] as Frame, 'accept');
    const said = event('jidoka/correction');
    await station.label({ partId, truth: 'defect', ...BY });
    assert.deepEqual((await said).payload, {
      ...{ partId, truth: 'defect', decision: 'accept', isMistake: true, waiting: 1 },
    });
    await unload();
    await station.close();
    await deploy('ask');
    const scoring = node('score') as unknown as { panel?: PicturePanel };
    const waiting = (): { partId: string; kept: boolean }[] =>
      (scoring.panel?.state()['waiting'] ?? []) as { partId: string; kept: boolean }[];
    while (waiting().length === 0) await setTimeout(20);
    assert.deepEqual(
      waiting().map((each) => [each.partId, each.kept]),
      [[partId, true]],
    );
    assert.equal((await readModel(join(folder, 'models', 'top', '1'))).version, 1);
  });
});
