import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection } from '../../../lib/inspection/inspection.ts';
import { createStation, type StationControl } from '../../../lib/station/station.ts';
import type { Adjustable } from '../../../lib/station/types.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';

const anna = { actor: 'anna', reason: 'shift start' };

function gate(name: string, min: number, max: number): Adjustable & { threshold: number } {
  return {
    name,
    threshold: 3,
    tolerance() {
      return { threshold: this.threshold, min, max, calibration: 'fixed' };
    },
    setTolerance(threshold) {
      this.threshold = threshold;
      return Promise.resolve();
    },
  };
}

describe('a station', () => {
  let folder: string;
  let clock: FakeClock;
  let journal: MemoryJournal;
  let station: StationControl;
  let opened: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-station-'));
    clock = new FakeClock();
    journal = new MemoryJournal();
    opened = 0;
    station = createStation({
      id: 'n1',
      name: 'press-4',
      line: 'stamping',
      folder: join(folder, 'press-4'),
      defaultDeadlineMs: 900,
      autonomy: 'act',
      openJournal: () => {
        opened += 1;
        return Promise.resolve(journal);
      },
      clock,
    });
  });
  afterEach(async () => {
    await station.close();
    await rm(folder, { recursive: true, force: true });
  });

  const types = (): string[] =>
    journal.entries.map(({ type }) => type).filter((type) => !type.startsWith('alarm.'));

  it('is disarmed when it has been created', () => {
    assert.equal(station.arming().state, 'DISARMED');
    assert.equal(station.mode, 'NORMAL');
  });

  it('opens its journal once, when first used, and makes its folder', async () => {
    assert.equal(existsSync(station.folder), false);
    await Promise.all([station.journal(), station.journal(), station.nextPart()]);
    assert.equal(opened, 1);
    assert.equal(existsSync(station.folder), true);
  });

  it('reports a folder it cannot make as JOURNAL_UNAVAILABLE and tries again later', async () => {
    await writeFile(join(folder, 'press-4'), 'a file in the way');
    await assert.rejects(station.journal(), { code: 'JOURNAL_UNAVAILABLE' });
    await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED' });
    await rm(join(folder, 'press-4'));
    await station.journal();
  });

  it('counts parts on from the journal, also when several are triggered at once', async () => {
    await journal.recordPart(openInspection({ station: 'press-4', sequence: 41, deadlineMs: 1 }));
    const parts = await Promise.all([
      station.nextPart(),
      station.nextPart(),
      station.nextPart({ id: 'P-7' }),
    ]);
    assert.deepEqual(
      parts.map(({ part }) => part.sequence),
      [42, 43, 44],
    );
    assert.equal(parts[2].part.id, 'P-7');
    assert.equal(parts[0].part.deadlineMs, 900);
    assert.equal(parts[0].part.startedAt, clock.now());
  });

  it('is armed by a person, for a lease, after the ledger knows', async () => {
    journal.beforeWrite = () => {
      assert.equal(station.arming().state, 'DISARMED');
      return Promise.resolve();
    };
    const arming = await station.arm({ ...anna, leaseMs: 60_000 });
    const { leaseId, ...seen } = arming;
    assert.deepEqual(seen, {
      state: 'ARMED',
      ...anna,
      leaseMs: 60_000,
      approvedBy: null,
      pending: null,
      recentTrips: 0,
      lockedMs: null,
    });
    assert.notEqual(leaseId, null);
    assert.equal(journal.entries[0]?.actor, 'anna');
    clock.advance(60_000);
    assert.equal(station.arming().state, 'DISARMED');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(types(), ['station.arm', 'station.disarm']);
  });

  it('refuses to arm and to release when the ledger cannot be written, but disarms and trips', async () => {
    await station.arm(anna);
    journal.failure = new Error('disk full');
    await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED' });
    assert.equal(station.arming().state, 'DISARMED', 'an audit failure disarms');
    await assert.rejects(station.release(anna), { code: 'ARM_REFUSED' });
    assert.equal((await station.disarm(anna)).state, 'DISARMED');
    station.trip({ code: 'CLAMPED', message: 'a test' });
    assert.equal(station.arming().state, 'TRIPPED');
    await assert.rejects(station.reset(anna), { code: 'ARM_REFUSED' });
    assert.equal(station.arming().state, 'TRIPPED');
  });

  it('does not become armed when it was disarmed while the ledger was being written', async () => {
    const gateway = new EventEmitter();
    const writing = once(gateway, 'writing');
    journal.beforeWrite = async () => {
      gateway.emit('writing');
      await once(gateway, 'go');
    };
    const arming = station.arm(anna);
    await writing;
    await station.disarm({ actor: 'bob', reason: 'second thoughts' });
    gateway.emit('go');
    await assert.rejects(arming, { code: 'ARM_REFUSED' });
    assert.equal(station.arming().state, 'DISARMED');
  });

  it('stays tripped until a person resets it, and is disarmed then', async () => {
    await station.arm(anna);
    station.trip({ code: 'THREE_UNKNOWN', message: 'three outcomes unknown' });
    await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED' });
    assert.equal((await station.disarm(anna)).state, 'TRIPPED');
    assert.equal((await station.reset({ actor: 'bob', reason: 'cable replaced' })).state, 'DISARMED');
    assert.deepEqual(types(), ['station.arm', 'station.trip', 'station.reset']);
  });

  it('has another lease with every arming, and none when it is not armed', async () => {
    const first = (await station.arm(anna)).leaseId;
    const second = (await station.arm(anna)).leaseId;
    assert.notEqual(first, second);
    assert.equal((await station.disarm(anna)).leaseId, null);
  });

  it('keeps both edges of the manual bit in the ledger, each once, and shows it', async () => {
    const manual = { endpoint: 'line', endpointId: 'n-1', tag: 'Manual' };
    await station.journal();
    for (const on of [false, true, true, false, false]) {
      station.override({ ...manual, on });
      assert.deepEqual(station.overrides(), on ? [manual] : []);
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      journal.entries.map(({ type, detail }) => [type, detail?.['on']]),
      [
        ['plc.manual', true],
        ['plc.manual', false],
      ],
    );
  });

  it('tells machines apart whose endpoints have the same name', () => {
    const [left, right] = ['n-1', 'n-2'].map((endpointId) => ({
      endpoint: 'line',
      endpointId,
      tag: 'Manual',
    }));
    assert.ok(left !== undefined && right !== undefined);
    for (const manual of [left, right]) station.override({ ...manual, on: true });
    station.override({ ...left, on: false });
    assert.deepEqual(station.overrides(), [right]);
  });

  it('is disarmed by a step of the clock, not by its drift', async () => {
    await station.arm(anna);
    for (let second = 0; second < 100; second += 1) clock.advance(1000, 1400);
    assert.equal(station.arming().state, 'ARMED');
    clock.advance(1000, 4000);
    assert.equal(station.arming().state, 'DISARMED');
    assert.match(station.arming().reason, /CLOCK_STEP/);
    await station.arm(anna);
    clock.advance(1000, -3_600_000);
    assert.equal(station.arming().state, 'DISARMED');
  });

  it('steps down by itself, is disarmed when stopped, and climbs only by a person', async () => {
    await station.arm(anna);
    station.degrade('RULES', { code: 'DRIFT', message: 'scores drift' });
    station.degrade('CONSERVATIVE', { code: 'DRIFT', message: 'less than before' });
    assert.equal(station.mode, 'RULES');
    assert.equal(station.arming().state, 'ARMED');
    station.degrade('STOPPED', { code: 'MODEL_LOST', message: 'the host died' });
    assert.equal(station.arming().state, 'DISARMED');
    await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED' });
    await station.reset(anna);
    assert.equal(station.mode, 'NORMAL');
    assert.equal((await station.arm(anna)).state, 'ARMED');
  });

  function restarted(): StationControl {
    const { id, name, line, folder: at, defaultDeadlineMs, autonomy } = station;
    const openJournal = (): Promise<MemoryJournal> => Promise.resolve(journal);
    return createStation({ id, name, line, folder: at, defaultDeadlineMs, autonomy, openJournal, clock });
  }

  it('is after a restart where it had stepped down to, before the first part, until a person resets it', async () => {
    station.degrade('CONSERVATIVE', { code: 'DRIFT', message: 'scores drift' });
    await station.close();
    station = restarted();
    station.degrade('NORMAL', { code: 'NOTHING', message: 'no step at all' });
    await station.nextPart();
    assert.equal(station.mode, 'CONSERVATIVE');
    assert.deepEqual(station.concerns(), [{ code: 'DRIFT', message: 'scores drift' }]);
    await station.reset(anna);
    await station.close();
    station = restarted();
    await station.nextPart();
    assert.equal(station.mode, 'NORMAL');
    assert.deepEqual(station.concerns(), []);
  });

  it('that had stopped itself cannot be armed after a restart, and what happened since is kept too', async () => {
    station.degrade('STOPPED', { code: 'MODEL_LOST', message: 'the host died' });
    await station.close();
    station = restarted();
    station.degrade('CONSERVATIVE', { code: 'CAMERA_UNWELL', message: 'too dark' });
    await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED' });
    assert.equal(station.mode, 'STOPPED');
    assert.deepEqual(
      station.concerns().map(({ code }) => code),
      ['MODEL_LOST', 'CAMERA_UNWELL'],
    );
  });

  it('does not take a mode it cannot read for NORMAL', async () => {
    for (const kept of [{ mode: 'FINE', concerns: [] }, 'NORMAL', null]) {
      journal.values.set('station:press-4:ladder', kept);
      const doubtful = restarted();
      await doubtful.nextPart();
      assert.equal(doubtful.mode, 'CONSERVATIVE');
      assert.equal(doubtful.concerns()[0]?.code, 'MODE_UNREADABLE');
      await doubtful.close();
    }
  });

  it('is not reset where that cannot be kept, nor by a reset that did not know of the last step', async () => {
    station.degrade('CONSERVATIVE', { code: 'DRIFT', message: 'scores drift' });
    await station.journal();
    const set = journal.setValue.bind(journal);
    journal.setValue = () => Promise.reject(new Error('disk full'));
    await assert.rejects(station.reset(anna), { code: 'ARM_REFUSED' });
    assert.equal(station.mode, 'CONSERVATIVE');
    journal.setValue = async (key, value) => {
      journal.setValue = set;
      station.degrade('RULES', { code: 'CAMERA_UNWELL', message: 'too dark' });
      await set(key, value);
    };
    await assert.rejects(station.reset(anna), { code: 'ARM_REFUSED' });
    assert.equal(station.mode, 'RULES');
    await station.close();
    station = restarted();
    await station.nextPart();
    assert.equal(station.mode, 'RULES', 'what is kept is what it is');
  });

  it('says why it stepped down, each cause once, until a person resets it', async () => {
    assert.deepEqual(station.concerns(), []);
    station.degrade('CONSERVATIVE', { code: 'DRIFT', message: 'scores drift' });
    station.degrade('CONSERVATIVE', { code: 'DRIFT', message: 'still' });
    station.degrade('CONSERVATIVE', { code: 'CAMERA_UNWELL', message: 'too dark' });
    assert.deepEqual(station.concerns(), [
      { code: 'DRIFT', message: 'scores drift' },
      { code: 'CAMERA_UNWELL', message: 'too dark' },
    ]);
    await station.reset(anna);
    assert.deepEqual(station.concerns(), []);
    station.degrade('NORMAL', { code: 'NOTHING', message: 'no step at all' });
    assert.deepEqual(station.concerns(), []);
  });

  it('does not forget a cause that came while a person was resetting it', async () => {
    const reset = station.reset(anna);
    station.degrade('CONSERVATIVE', { code: 'DRIFT', message: 'scores drift' });
    await assert.rejects(reset, { code: 'ARM_REFUSED' });
    assert.equal(station.mode, 'CONSERVATIVE');
    assert.equal(station.concerns().length, 1);
  });

  it('tells its listeners of every change, whatever one of them throws', async () => {
    const seen: string[] = [];
    station.onChange(() => {
      throw new Error('a bad listener');
    });
    const stop = station.onChange(() => seen.push(station.arming().state));
    await station.arm(anna);
    station.trip({ code: 'X', message: 'y' });
    stop();
    await station.reset(anna);
    assert.deepEqual(seen, ['ARMED', 'TRIPPED']);
  });

  it('releases: new tolerance, armed again, everything halted let go, all in the ledger', async () => {
    const top = gate('top', 2, 5);
    station.addAdjustable(top);
    const released: string[] = [];
    station.addReleasable({
      name: 'feeder',
      release: ({ actor }) => {
        released.push(`${actor} ${station.arming().state} ${top.threshold}`);
        return Promise.resolve();
      },
    });
    const arming = await station.release({ ...anna, threshold: 4 });
    assert.equal(arming.state, 'ARMED');
    assert.deepEqual(released, ['anna ARMED 4']);
    assert.deepEqual(types(), ['gate.tolerance', 'station.release', 'station.arm']);
  });

  it('refuses a tolerance outside the bounds of any gate and changes nothing', async () => {
    const [top, side] = [gate('top', 2, 5), gate('side', 2, 3.5)];
    station.addAdjustable(top);
    station.addAdjustable(side);
    for (const threshold of [4, NaN, Infinity, -1]) {
      await assert.rejects(station.release({ ...anna, threshold }), { code: 'TOLERANCE_OUT_OF_BOUNDS' });
      await assert.rejects(station.setTolerance({ ...anna, threshold }), { code: 'TOLERANCE_OUT_OF_BOUNDS' });
    }
    assert.deepEqual([top.threshold, side.threshold], [3, 3]);
    assert.equal(station.arming().state, 'DISARMED');
    assert.deepEqual(types(), []);
  });

  it('moves the gates that have a threshold, and only those', async () => {
    const top = gate('top', 2, 5);
    const none = { threshold: null, min: null, max: null, calibration: 'none' };
    const learning: Adjustable = {
      name: 'learning',
      tolerance: () => none,
      setTolerance: () => Promise.reject(new Error('nothing to move')),
    };
    station.addAdjustable(learning);
    await assert.rejects(station.setTolerance({ ...anna, threshold: 4 }), { code: 'NOT_FOUND' });
    assert.deepEqual(types(), []);
    station.addAdjustable(top);
    await station.setTolerance({ ...anna, threshold: 4 });
    assert.equal(top.threshold, 4);
    assert.deepEqual(types(), ['gate.tolerance']);
  });

  it('is disarmed by a new tolerance', async () => {
    station.addAdjustable(gate('top', 2, 5));
    await station.arm(anna);
    assert.equal((await station.setTolerance({ ...anna, threshold: 4 })).state, 'DISARMED');
    assert.equal(station.tolerances()[0]?.threshold, 4);
  });

  it('reports what could not be released and releases the rest', async () => {
    let released = 0;
    const stuck = { name: 'feeder', release: () => Promise.reject(new Error('link down')) };
    const withdraw = station.addReleasable(stuck);
    station.addReleasable({ name: 'lamp', release: () => Promise.resolve((released += 1)) });
    await assert.rejects(station.release(anna), { code: 'RELEASE_FAILED', message: 'feeder: link down' });
    assert.equal(released, 1);
    withdraw();
    await station.release(anna);
    assert.equal(released, 2);
  });

  it('does not release while tripped', async () => {
    station.trip({ code: 'X', message: 'y' });
    await assert.rejects(station.release(anna), { code: 'ARM_REFUSED' });
  });

  it('is disarmed when another model is loaded, and not when the same one is loaded again', async () => {
    const model = { name: 'm', version: '1', digest: 'sha256:aa' };
    station.offerCalibration({ model, goodScores: [1] });
    await station.arm(anna);
    station.offerCalibration({ model, goodScores: [1] });
    assert.equal(station.arming().state, 'ARMED');
    station.offerCalibration({ model: { ...model, version: '2', digest: 'sha256:bb' }, goodScores: [1] });
    assert.equal(station.arming().state, 'DISARMED');
    assert.match(station.arming().reason, /MODEL_CHANGED: m 2/);
  });

  it('offers the newest calibration of a model until it is withdrawn', () => {
    const model = { name: 'm', version: '1', digest: 'sha256:aa' };
    const withdrawOld = station.offerCalibration({ model, goodScores: [1] });
    const withdrawNew = station.offerCalibration({ model, goodScores: [1, 2] });
    assert.deepEqual(station.calibrationFor('sha256:aa')?.goodScores, [1, 2]);
    withdrawNew();
    assert.deepEqual(station.calibrationFor('sha256:aa')?.goodScores, [1]);
    withdrawOld();
    assert.equal(station.calibrationFor('sha256:aa'), undefined);
  });

  it('lets one person approve a waiting command once', async () => {
    const request = { commandId: 'c1', partId: 'p1', endpoint: 'plc', tag: 'coil:1', value: true };
    const approval = station.requestApproval(request, new AbortController().signal);
    assert.deepEqual(station.approvals(), [request]);
    await station.approve('c1', anna);
    assert.deepEqual(await approval, anna);
    await assert.rejects(station.approve('c1', anna), { code: 'NOT_FOUND' });
    assert.deepEqual(types(), ['plc.approve']);
  });

  it('forgets a waiting command that was aborted, and all of them when it trips', async () => {
    const request = { commandId: 'c1', partId: 'p1', endpoint: 'plc', tag: 'coil:1', value: true };
    const abort = new AbortController();
    const first = station.requestApproval(request, abort.signal);
    abort.abort();
    assert.equal(await first, undefined);
    const second = station.requestApproval(request, new AbortController().signal);
    station.trip({ code: 'X', message: 'y' });
    assert.equal(await second, undefined);
    assert.deepEqual(station.approvals(), []);
  });

  it('closes its journal after the last of its nodes has let go', async () => {
    await station.journal();
    const letGo = station.hold();
    const closing = station.close();
    assert.equal(clock.pending, 0);
    await station.journal();
    assert.equal(journal.closed, false);
    letGo();
    await closing;
    assert.equal(journal.closed, true);
    await assert.rejects(station.journal(), { code: 'JOURNAL_UNAVAILABLE' });
    await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED' });
  });
});
