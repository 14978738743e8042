/** The alarms that follow from where a station stands. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStation, type StationControl } from '../../../../lib/station/station.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryJournal } from '../../../support/memory-journal.ts';

const anna = { actor: 'anna', reason: 'checked the lens' };
const SCORE = { id: 'score', name: 'Top view' };
const drift = { code: 'DRIFT', message: 'the scores creep' } as const;

describe('a station', () => {
  let folder: string;
  let clock: FakeClock;
  let journal: MemoryJournal;
  let station: StationControl;

  const made = (): StationControl =>
    createStation({
      ...{ id: 'n1', name: 'press-4', line: '', folder: join(folder, 'press-4') },
      ...{ defaultDeadlineMs: 900, autonomy: 'act', clock },
      openJournal: () => Promise.resolve(journal),
    });
  const states = (): string[] => station.alarms.views().map(({ code, state }) => `${code} ${state}`);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-station-alarms-'));
    clock = new FakeClock();
    journal = new MemoryJournal();
    station = made();
  });
  afterEach(async () => {
    await station.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('tells of a trip until it is reset, and of the lockout in its place', async () => {
    for (let trip = 1; trip <= 3; trip += 1) {
      station.trip({ code: 'CLAMPED', message: `for the ${trip}. time` });
      if (trip === 3) break;
      assert.deepEqual(states(), ['TRIPPED unacknowledged']);
      assert.equal(station.alarms.views()[0]?.message, `CLAMPED: for the ${trip}. time`);
      await station.reset(anna);
      assert.deepEqual(states(), ['TRIPPED returned']);
    }
    assert.deepEqual(states(), ['LOCKED_OUT unacknowledged', 'TRIPPED suppressed']);
    clock.advance(10 * 60_000);
    station.alarms.acknowledge('LOCKED_OUT:n1', anna);
    assert.deepEqual(states(), ['TRIPPED unacknowledged']);
    await station.reset(anna);
    station.alarms.acknowledge('TRIPPED:n1', anna);
    assert.deepEqual(states(), []);
  });

  it('tells why it has stepped down where nothing else does', async () => {
    station.degrade('CONSERVATIVE', { code: 'OTHER', message: 'somebody said so' });
    const [alarm] = station.alarms.views();
    assert.deepEqual([alarm?.code, alarm?.message], ['STATION_DEGRADED', 'CONSERVATIVE: somebody said so']);
    station.degrade('STOPPED', { code: 'OTHER', message: 'somebody said so' });
    assert.deepEqual(states(), ['STATION_STOPPED unacknowledged', 'STATION_DEGRADED suppressed']);
    await station.reset(anna);
    assert.deepEqual(states(), ['STATION_STOPPED returned']);
  });

  it('shows one alarm for one cause: what it stepped down for, until a person resets it', async () => {
    station.degrade('CONSERVATIVE', drift);
    station.alarms.raise({ ...drift, source: SCORE });
    assert.deepEqual(states(), ['DRIFT unacknowledged', 'STATION_DEGRADED suppressed']);
    station.alarms.acknowledge('DRIFT:score', anna);
    await station.reset(anna);
    assert.deepEqual(states(), []);
  });

  it('is after a restart as concerned as before, and knows who has seen it', async () => {
    station.degrade('CONSERVATIVE', drift);
    station.alarms.raise({ ...drift, source: SCORE });
    station.alarms.acknowledge('DRIFT:score', anna);
    station.trip({ code: 'CLAMPED', message: 'a test' });
    await station.close();
    station = made();
    await station.journal();
    assert.deepEqual(states(), [
      'TRIPPED unacknowledged',
      'DRIFT acknowledged',
      'STATION_DEGRADED suppressed',
    ]);
    assert.equal(station.alarms.views()[1]?.acknowledged?.actor, 'anna');
    await station.reset(anna);
    assert.deepEqual(states(), ['TRIPPED returned']);
  });

  it('says that its journal cannot be opened, also when it could be later, until a person resets it', async () => {
    await writeFile(join(folder, 'press-4'), 'a file in the way');
    await assert.rejects(station.journal(), { code: 'JOURNAL_UNAVAILABLE' });
    assert.deepEqual(states(), ['JOURNAL_UNAVAILABLE unacknowledged']);
    await rm(join(folder, 'press-4'));
    await station.journal();
    clock.advance(6000);
    assert.deepEqual(states(), ['JOURNAL_UNAVAILABLE latched']);
    await station.alarms.close();
    assert.ok(
      journal.entries.some(({ type }) => type === 'alarm.raised'),
      'it is on record after all',
    );
  });

  it('says that the clock was moved', () => {
    clock.advance(1000, 61_000);
    assert.deepEqual(states(), ['CLOCK_STEPPED returned']);
  });

  it('can be armed, disarmed and tripped while no alarm can be written', async () => {
    await station.journal();
    station.alarms.raise({ ...drift, source: SCORE });
    journal.beforeWrite = () => new Promise(() => undefined);
    station.trip({ code: 'CLAMPED', message: 'a test' });
    assert.equal(station.arming().state, 'TRIPPED');
    assert.deepEqual(states(), ['TRIPPED unacknowledged', 'DRIFT unacknowledged']);
    station = made();
    journal.beforeWrite = () => Promise.resolve();
  });
});
