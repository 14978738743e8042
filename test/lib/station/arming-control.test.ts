/** What the state machine cannot show alone: the ledger, the journal over a restart, and two things at once. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { APPROVAL_MS } from '../../../lib/station/arming.ts';
import { createStation, type StationControl } from '../../../lib/station/station.ts';
import { FIRST_LOCKOUT_MS } from '../../../lib/station/trips.ts';
import type { ArmingPolicy } from '../../../lib/station/types.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';

const anna = { actor: 'anna', reason: 'shift start' };
const bob = { actor: 'bob', reason: 'seen it too' };
const cause = { code: 'CLAMPED', message: 'a test' };

describe('the arming of a station', () => {
  let folder: string;
  let clock: FakeClock;
  let journal: MemoryJournal;
  let station: StationControl;

  function start(arming: ArmingPolicy): void {
    station = createStation({
      id: 'n1',
      name: 'press-4',
      line: '',
      folder,
      defaultDeadlineMs: 900,
      autonomy: 'act',
      arming,
      openJournal: () => Promise.resolve(journal),
      clock,
    });
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-arming-'));
    clock = new FakeClock();
    journal = new MemoryJournal();
  });
  afterEach(async () => {
    await station.close();
    await rm(folder, { recursive: true, force: true });
  });

  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const types = (): string[] =>
    journal.entries.map(({ type }) => type).filter((type) => !type.startsWith('alarm.'));

  describe('by two persons', () => {
    beforeEach(() => start('dual'));

    it('waits for the second, who is in the ledger with the first before it is armed', async () => {
      assert.equal((await station.arm(anna)).state, 'ARMING');
      journal.beforeWrite = () => {
        assert.equal(station.arming().state, 'ARMING');
        return Promise.resolve();
      };
      const armed = await station.approveArming(bob);
      assert.deepEqual([armed.state, armed.actor, armed.approvedBy], ['ARMED', 'anna', 'bob']);
      const { type, actor, detail } = journal.entries[1] ?? {};
      assert.deepEqual([type, actor, detail?.['requestedBy']], ['station.arm', 'bob', 'anna']);
    });

    it('is not armed by the same person twice, nor without a request, and the ledger has no such arming', async () => {
      await assert.rejects(station.approveArming(bob), { code: 'NOT_FOUND' });
      await station.arm(anna);
      await assert.rejects(station.approveArming(anna), { code: 'SAME_PERSON' });
      await assert.rejects(station.approveArming({ ...anna, actor: 'Anna' }), { code: 'SAME_PERSON' });
      assert.equal(station.arming().state, 'ARMING');
      assert.deepEqual(types(), ['station.arm.requested']);
    });

    it('is armed once when two persons agree at the same moment', async () => {
      await station.arm(anna);
      const both = await Promise.allSettled([
        station.approveArming(bob),
        station.approveArming({ ...bob, actor: 'carl' }),
      ]);
      assert.deepEqual(
        both.map(({ status }) => status),
        ['fulfilled', 'rejected'],
      );
      assert.deepEqual(types(), ['station.arm.requested', 'station.arm']);
    });

    it('forgets a request that was withdrawn, that got old, or that the station has changed under', async () => {
      const ends: [string, () => unknown][] = [
        ['station.arm.withdrawn', () => station.withdrawArming(anna)],
        ['station.arm.expired', () => clock.advance(APPROVAL_MS)],
        ['station.disarm', () => station.standDown({ code: 'SIGNATURE_FAILED', message: 'a test' })],
        ['station.trip', () => station.trip(cause)],
      ];
      for (const [type, end] of ends) {
        await station.arm(anna);
        await end();
        await settled();
        assert.equal(types().at(-1), type);
        await assert.rejects(station.approveArming(bob), { code: 'NOT_FOUND' });
        assert.notEqual(station.arming().state, 'ARMED');
      }
    });

    it('is not released by one person, nor with another tolerance by one who finds it armed', async () => {
      let released = 0;
      station.addReleasable({ name: 'feeder', release: () => Promise.resolve((released += 1)) });
      await assert.rejects(station.release(bob), { code: 'ARM_REFUSED' });
      await station.arm(anna);
      await assert.rejects(station.release(bob), { code: 'ARM_REFUSED' });
      await station.approveArming(bob);
      await assert.rejects(station.release({ ...bob, threshold: 3 }), { code: 'ARM_REFUSED' });
      assert.equal(released, 0);
      const { leaseId } = station.arming();
      assert.equal((await station.release(bob)).leaseId, leaseId, 'a release is no new arming');
      assert.equal(released, 1);
    });

    it('does not outlive a restart while it waits', async () => {
      await station.arm(anna);
      await station.close();
      start('dual');
      await assert.rejects(station.approveArming(bob), { code: 'NOT_FOUND' });
      assert.equal(station.arming().state, 'DISARMED');
    });
  });

  describe('after a trip', () => {
    beforeEach(() => start('single'));

    it('is after a restart as tripped as before, for the same cause, until a person resets it', async () => {
      await station.arm(anna);
      station.trip(cause);
      await settled();
      await station.close();
      start('single');
      await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED', message: /CLAMPED: a test/ });
      assert.equal(station.arming().state, 'TRIPPED');
      await station.reset(bob);
      await station.close();
      start('single');
      assert.equal((await station.arm(anna)).state, 'ARMED');
    });

    it('is tripped by a person as often as it takes, who is in the ledger, and stays so over a restart', async () => {
      for (let trip = 1; trip <= 4; trip += 1) {
        await station.arm(anna);
        const { state, actor, recentTrips } = await station.tripBy({ ...bob, reason: 'a strange noise' });
        assert.deepEqual([state, actor, recentTrips], ['TRIPPED', 'bob', 0]);
        await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED' });
        if (trip < 4) await station.reset(anna);
      }
      assert.deepEqual(types().slice(0, 3), ['station.arm', 'station.trip', 'station.reset']);
      assert.equal(journal.entries.find(({ type }) => type === 'station.trip')?.actor, 'bob');
      await settled();
      await station.close();
      start('single');
      await station.journal();
      assert.deepEqual([station.arming().state, station.arming().reason], ['TRIPPED', 'a strange noise']);
    });

    it('is locked out by the third trip, says how long, and is so after a restart', async () => {
      for (let trip = 1; trip <= 3; trip += 1) {
        station.trip(cause);
        assert.equal(station.arming().recentTrips, trip);
        if (trip < 3) await station.reset(anna);
      }
      assert.deepEqual([station.arming().state, station.arming().lockedMs], ['LOCKED_OUT', FIRST_LOCKOUT_MS]);
      await assert.rejects(station.reset(anna), { code: 'LOCKED_OUT' });
      await settled();
      await station.close();
      clock.advance(60_000);
      start('single');
      await station.journal();
      assert.equal(station.arming().lockedMs, FIRST_LOCKOUT_MS - 60_000);
      await assert.rejects(station.reset(anna), { code: 'LOCKED_OUT' });
      await assert.rejects(station.release(anna), { code: 'ARM_REFUSED' });
      clock.advance(FIRST_LOCKOUT_MS - 60_000);
      assert.equal(station.arming().state, 'TRIPPED', 'a wait that has ended is no reset');
      assert.equal((await station.reset(anna)).state, 'DISARMED');
    });

    it('cannot be reset while the cause can be seen still to be there', async () => {
      let persists = true;
      station.trip({ ...cause, persists: () => persists });
      await assert.rejects(station.reset(anna), { code: 'CAUSE_PERSISTS' });
      assert.equal(station.arming().state, 'TRIPPED');
      persists = false;
      assert.equal((await station.reset(anna)).state, 'DISARMED');
    });

    it('writes each cause into the ledger once, however often it comes', async () => {
      await station.journal();
      for (let part = 0; part < 5; part += 1) {
        station.trip(cause);
        station.trip({ code: 'OTHER', message: 'follows from it' });
      }
      await settled();
      assert.deepEqual(
        journal.entries.filter(({ type }) => type === 'station.trip').map(({ detail }) => detail?.['code']),
        ['CLAMPED', 'OTHER'],
      );
      assert.equal(station.arming().reason, 'CLAMPED: a test');
    });

    it('is doubted, and so tripped, where what was kept of it cannot be read', async () => {
      journal.values.set('station:press-4:arming', { latched: 'perhaps' });
      await assert.rejects(station.arm(anna), { code: 'ARM_REFUSED', message: /TRIP_UNREADABLE/ });
    });

    it('is not reset where that cannot be kept', async () => {
      station.trip(cause);
      await settled();
      journal.setValue = () => Promise.reject(new Error('disk full'));
      await assert.rejects(station.reset(anna), { code: 'ARM_REFUSED' });
      assert.equal(station.arming().state, 'TRIPPED');
    });
  });
});
