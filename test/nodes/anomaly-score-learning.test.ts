import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readModel } from '../../lib/anomaly/model.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import { createStation, type StationControl } from '../../lib/station/station.ts';
import register from '../../nodes/anomaly-score/anomaly-score.ts';
import type { PicturePanel } from '../../nodes/anomaly-score/picture-panel.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { realParts, type RealParts } from '../support/good-parts.ts';
import { flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';
import { putTaughtModel } from '../support/taught-model.ts';

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
    await putTaughtModel(parts, join(folder, 'models'));
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

  function panel(): PicturePanel {
    return (node('score') as unknown as { panel: PicturePanel }).panel;
  }

  function waiting(): { partId: string; kept: boolean }[] {
    return panel().state()['waiting'] as { partId: string; kept: boolean }[];
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

  it('once a lesson under way has ended, and is closed without waiting for it', async () => {
    await deploy('auto');
    const partId = await judged(parts.bad[0] as Frame, 'reject');
    const { digest } = panel().state()['model'] as { digest: string };
    await panel().teach(BY);
    const said = event('jidoka/correction');
    await station.label({ partId, truth: 'good', ...BY });
    await said;
    await unload();
    assert.equal(station.calibrationFor(digest), undefined);

    await station.close();
    await deploy('auto');
    while (panel().state()['work'] === undefined) await setTimeout(20);
    const served = event('jidoka/model');
    await panel().cancel(BY);
    assert.equal(((await served).payload as { version: string }).version, '2');
    assert.deepEqual((await readModel(join(folder, 'models', 'top', '2'))).change.kind, 'add');
  });

  it('and says of what it can no longer learn that its picture is gone', async () => {
    await deploy('ask');
    const lost = await judged(parts.bad[0] as Frame, 'accept');
    const found = await judged(parts.bad[1] as Frame, 'accept');
    for (const partId of [lost, found]) {
      const said = event('jidoka/correction');
      await station.label({ partId, truth: 'defect', ...BY });
      await said;
    }
    await unload();
    await station.close();
    const recent = join(folder, 'models', 'top', 'recent');
    const name = createHash('sha256').update(lost).digest('hex').slice(0, 32);
    const [picture = ''] = (await readdir(recent)).filter(
      (file) => file.startsWith(name) && !file.endsWith('.json'),
    );
    await rm(join(recent, picture));
    await deploy('ask');
    while (waiting().length < 2) await setTimeout(20);
    const reported: string[] = [];
    Object.assign(node('score'), { error: ({ code }: { code: string }) => reported.push(code) });
    await panel().learn(BY);
    assert.deepEqual(reported, ['PART_NOT_KEPT']);
    assert.deepEqual(
      waiting().map(({ partId, kept }) => [partId, kept]),
      [[lost, false]],
    );
    assert.equal((await readModel(join(folder, 'models', 'top', '2'))).defects.length, 1);
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
    while (waiting().length === 0) await setTimeout(20);
    assert.deepEqual(
      waiting().map((each) => [each.partId, each.kept]),
      [[partId, true]],
    );
    assert.equal((await readModel(join(folder, 'models', 'top', '1'))).version, 1);
  });
});
