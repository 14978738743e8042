import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SCENARIOS, type Picture } from '../../bench/eval/drift-scenarios.ts';
import { DrawnLine, frameOf } from '../../bench/eval/drawn-parts.ts';
import { teach } from '../../lib/anomaly/teach.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import { createStation, type StationControl } from '../../lib/station/station.ts';
import register from '../../nodes/anomaly-score/anomaly-score.ts';
import { flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';

const TAUGHT = 30;
const dimmed = SCENARIOS.find(({ cause, what }) => cause === 'light' && what.includes('70 %'));
const anna = { actor: 'anna', reason: 'the lamp was replaced' };

describe('anomaly-score under a light that dims', function () {
  this.timeout(120_000);
  const line = new DrawnLine(5, 1000);
  let folder: string;
  let station: StationControl;
  let sequence = TAUGHT;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-drift-'));
    const frames = Array.from({ length: TAUGHT }, (_, part) => frameOf(drawn(part + 1)));
    await teach({ frames, folder: join(folder, 'models'), name: 'top', leaveOut: [] });
    station = createStation({
      id: 'station',
      name: 'press 4',
      line: '',
      folder,
      defaultDeadlineMs: 60_000,
      autonomy: 'act',
      openJournal,
    });
    await load(
      [stationStandIn(station), register],
      [
        { id: 'station', type: 'inspection-station' },
        ...flowAround({ id: 'score', type: 'anomaly-score', station: 'station', model: 'top' }, [
          'scored',
          'events',
        ]),
      ],
    );
  });
  after(async () => {
    await unload();
    await station.close();
    await rm(folder, { recursive: true, force: true });
  });

  function drawn(part: number): Picture {
    return line.draw(line.plan(part));
  }

  async function pass(frame: Frame): Promise<void> {
    const scored = nextMessage('scored');
    node('score').receive({ frame });
    await scored;
  }

  async function goodParts(count: number): Promise<void> {
    for (let part = 0; part < count; part += 1) await pass(frameOf(drawn((sequence += 1))));
  }

  async function dark(count: number): Promise<void> {
    for (let part = 0; part < count; part += 1) {
      const picture = drawn((sequence += 1));
      await pass(frameOf(dimmed?.change(picture, part) ?? picture));
    }
  }

  /** Dark parts until the station no longer trusts what it sees; how many it took. */
  async function darkParts(most: number): Promise<number> {
    for (let part = 0; part < most; part += 1) {
      if (station.mode !== 'NORMAL') return part;
      await dark(1);
    }
    return most;
  }

  it('steps down once, says why, and trusts itself again after a person reset it', async () => {
    // The first parts pass while what is usual is being worked out.
    await goodParts(15);
    assert.equal(station.mode, 'NORMAL');
    const event = nextMessage('events');
    assert.ok((await darkParts(200)) < 100);
    assert.equal(station.mode, 'CONSERVATIVE');
    const { topic, payload } = await event;
    assert.equal(topic, 'jidoka/drift');
    assert.equal((payload as { code: string }).code, 'DRIFT');
    assert.deepEqual(
      station.concerns().map(({ code }) => code),
      ['DRIFT'],
    );
    await dark(27);
    const steps = (await (await station.journal()).ledger({ limit: 100 })).filter(
      ({ type }) => type === 'station.mode',
    );
    assert.equal(steps.length, 1, 'one cause is one step, however long it lasts');

    await station.reset(anna);
    assert.deepEqual(station.concerns(), []);
    // Fewer than any test needs, but not together with those before the reset.
    await dark(8);
    assert.equal(station.mode, 'NORMAL', 'what gathered before the reset counts no more');
    await goodParts(20);
    assert.equal(station.mode, 'NORMAL');
    assert.ok((await darkParts(200)) < 100, 'and sees it again');
  });
});
