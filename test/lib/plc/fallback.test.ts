import assert from 'node:assert/strict';
import { armBit } from '../../../lib/plc/arm-bit.ts';
import {
  Fallback,
  type FallbackDue,
  type FallbackPhase,
  type FallbackPolicy,
} from '../../../lib/plc/fallback.ts';
import { createStation, type StationControl } from '../../../lib/station/station.ts';
import type { Autonomy } from '../../../lib/station/types.ts';
import { person } from '../../support/commands.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';

const INPUT_TIMEOUT_MS = 30_000;
const HOLD_MS = 10_000;
const LEASE_MS = 600_000;

/** A real station on a clock of its own, and the output of one of its tags. */
function outputOf(
  policy: FallbackPolicy,
  confirmed: boolean | Error = true,
  autonomy: Autonomy = 'act',
): Rig {
  const clock = new FakeClock();
  const station = createStation({
    id: 'station',
    name: 'press-4',
    line: '',
    folder: '/nowhere',
    defaultDeadlineMs: 900,
    autonomy,
    openJournal: () => Promise.resolve(new MemoryJournal()),
    clock,
  });
  const written: [unknown, FallbackDue['cause']][] = [];
  const phases: FallbackPhase[] = [];
  const fallback = new Fallback({
    policy,
    inputTimeoutMs: INPUT_TIMEOUT_MS,
    station,
    write: (value, { cause }) => {
      written.push([value, cause]);
      return confirmed instanceof Error ? Promise.reject(confirmed) : Promise.resolve(confirmed);
    },
    onChange: (phase) => phases.push(phase),
    clock,
  });
  return { clock, station, fallback, written, phases };
}

interface Rig {
  clock: FakeClock;
  station: StationControl;
  fallback: Fallback;
  written: [unknown, FallbackDue['cause']][];
  phases: FallbackPhase[];
}

const RELEASE: FallbackPolicy = { kind: 'release' };
const HOLD: FallbackPolicy = { kind: 'hold', holdMs: HOLD_MS };
const VALUE: FallbackPolicy = { kind: 'value', value: 40 };
const POLICIES = [RELEASE, HOLD, VALUE];
const DUE_PHASE = { release: 'released', hold: 'holding', value: 'written' } as const;

/** What happens to an armed station, and why its output is due then; null: it is not. */
const HAPPENINGS: [string, (rig: Rig) => unknown, FallbackDue['cause'] | null][] = [
  ['trips', ({ station }) => station.trip({ code: 'CLAMPED', message: 'holds 10' }), 'TRIPPED'],
  ['disarms itself', ({ station }) => station.disarm({ actor: 'system', reason: 'ledger: full' }), 'DISARMED'],
  ['stops itself', ({ station }) => station.degrade('STOPPED', { code: 'CAMERA_LOST', message: 'no frame' }), 'STOPPED'],
  ['comes to the end of its lease', ({ clock, fallback }) => {
    for (let at = 0; at < LEASE_MS; at += 10_000) {
      fallback.input()(true);
      clock.advance(10_000);
    }
  }, 'DISARMED'],
  ['gets no input in time', ({ clock }) => clock.advance(INPUT_TIMEOUT_MS), 'NO_INPUT'],
  ['gets no input for a little less than that', ({ clock }) => clock.advance(INPUT_TIMEOUT_MS - 1), null],
  ['is disarmed by a person', ({ station }) => station.disarm(person), null],
  ['steps down without stopping', ({ station }) => station.degrade('RULES', { code: 'DRIFT', message: 'drift' }), null],
  ['gets inputs all the time', ({ clock, fallback }) => {
    for (let at = 0; at < 3 * INPUT_TIMEOUT_MS; at += 10_000) {
      clock.advance(10_000);
      fallback.input()(true);
    }
  }, null],
  ['is armed once more', ({ station }) => station.arm({ ...person, leaseMs: LEASE_MS }), null],
]; // prettier-ignore

describe('the defined output of a tag', () => {
  const rigs: Rig[] = [];
  const armed = async (policy: FallbackPolicy, confirmed: boolean | Error = true): Promise<Rig> => {
    const rig = outputOf(policy, confirmed);
    rigs.push(rig);
    rig.fallback.start();
    await rig.station.arm({ ...person, leaseMs: LEASE_MS });
    assert.equal(rig.fallback.phase, 'acting');
    return rig;
  };
  afterEach(async () => {
    for (const { station, fallback } of rigs.splice(0)) {
      fallback.stop();
      await station.close();
    }
  });

  for (const policy of POLICIES) {
    for (const [what, happen, cause] of HAPPENINGS) {
      const due = cause === null ? 'is not due' : 'is due, once,';
      it(`${due} under policy ${policy.kind} when the station ${what}`, async () => {
        const rig = await armed(policy);
        await happen(rig);
        const { fallback, written, station } = rig;
        assert.equal(fallback.due?.cause ?? null, cause);
        if (cause === null) {
          assert.equal(fallback.phase, station.arming().state === 'ARMED' ? 'acting' : 'idle');
          assert.deepEqual(written, []);
          return;
        }
        assert.equal(fallback.phase, DUE_PHASE[policy.kind]);
        assert.deepEqual(written, policy.kind === 'value' ? [[40, cause]] : []);
        assert.equal(armBit([fallback.phase]), policy.kind !== 'release');
        // More of the same is no other output.
        station.trip({ code: 'UNKNOWN', message: 'three in a row' });
        assert.ok(written.length <= 1);
      });
    }
  }

  it('is released when the time to hold it is over', async () => {
    const { clock, station, fallback } = await armed(HOLD);
    station.trip({ code: 'CLAMPED', message: '' });
    clock.advance(HOLD_MS - 1);
    assert.equal(fallback.phase, 'holding');
    clock.advance(1);
    assert.equal(fallback.phase, 'released');
  });

  it('is released at once when the time to hold it is none, or no number', async () => {
    for (const holdMs of [0, Number.NaN]) {
      const { station, fallback } = await armed({ kind: 'hold', holdMs });
      station.trip({ code: 'CLAMPED', message: '' });
      assert.equal(fallback.phase, 'released');
    }
  });

  it('is released when the PLC does not confirm the value', async () => {
    for (const answer of [false, new Error('link lost')]) {
      const { station, fallback, written } = await armed(VALUE, answer);
      station.trip({ code: 'CLAMPED', message: '' });
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(fallback.phase, 'released');
      assert.equal(written.length, 1);
    }
  });

  it('is not touched by the late answer to the one before', async () => {
    const { station, fallback, clock, written } = await armed(VALUE, false);
    clock.advance(INPUT_TIMEOUT_MS);
    fallback.input()(true);
    assert.equal(station.arming().state, 'ARMED');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(fallback.phase, 'acting');
    assert.equal(written.length, 1);
  });

  it('ends with the next input when it was due for want of one, and is due again without', async () => {
    const { clock, fallback, written, phases } = await armed(VALUE);
    clock.advance(INPUT_TIMEOUT_MS);
    fallback.input()(true);
    assert.equal(fallback.phase, 'acting');
    clock.advance(INPUT_TIMEOUT_MS);
    assert.deepEqual(written, [[40, 'NO_INPUT'], [40, 'NO_INPUT']]); // prettier-ignore
    assert.deepEqual(phases, ['acting', 'written', 'acting', 'written']);
  });

  it('ends when a person arms the station again, or takes it in hand', async () => {
    for (const policy of POLICIES) {
      const { station, fallback } = await armed(policy);
      await station.disarm({ actor: 'system', reason: 'clock step' });
      assert.notEqual(fallback.due, null);
      await station.arm({ ...person, leaseMs: LEASE_MS });
      assert.equal(fallback.phase, 'acting');
      station.trip({ code: 'CLAMPED', message: '' });
      assert.notEqual(fallback.due, null);
      await station.reset(person);
      assert.equal(fallback.phase, 'idle');
    }
  });

  it('is owed by no station that has not been armed, whatever comes', () => {
    const rig = outputOf(VALUE);
    rigs.push(rig);
    rig.fallback.start();
    rig.fallback.input()(true);
    rig.station.trip({ code: 'CLAMPED', message: '' });
    rig.clock.advance(INPUT_TIMEOUT_MS);
    assert.equal(rig.fallback.phase, 'idle');
    assert.deepEqual(rig.written, []);
  });

  it('is due though inputs come, when none of them counts', async () => {
    const { clock, fallback, written, phases } = await armed(VALUE);
    for (let at = 0; at < INPUT_TIMEOUT_MS; at += 10_000) {
      fallback.input()(false);
      clock.advance(10_000);
    }
    assert.equal(fallback.due?.cause, 'NO_INPUT');
    fallback.input()(false);
    assert.deepEqual([written, phases], [[[40, 'NO_INPUT']], ['acting', 'written']]);
    fallback.input()(true);
    assert.equal(fallback.phase, 'acting');
  });

  it('waits for an input that came in time and is under way, and is due at once when it does not count', async () => {
    for (const counts of [true, false]) {
      const { clock, fallback } = await armed(HOLD);
      clock.advance(INPUT_TIMEOUT_MS - 1);
      const ended = fallback.input();
      clock.advance(1000);
      assert.equal(fallback.phase, 'acting');
      ended(counts);
      assert.equal(fallback.phase, counts ? 'acting' : 'holding');
    }
  });

  it('lets the Arm bit rise with the attempt, and fall again when that does not count', async () => {
    const { clock, fallback, phases } = await armed(RELEASE);
    clock.advance(INPUT_TIMEOUT_MS);
    fallback.input()(false);
    fallback.input();
    clock.advance(INPUT_TIMEOUT_MS);
    fallback.input()(true);
    const [up, down] = ['acting', 'released'];
    assert.deepEqual(phases, [up, down, up, down, up, down, up]);
  });

  it('is owed by no station that may only watch or advise, and nobody answers for its tag', async () => {
    for (const autonomy of ['observe', 'advise'] as const) {
      const rig = outputOf(VALUE, true, autonomy);
      rigs.push(rig);
      rig.fallback.start();
      await rig.station.arm({ ...person, leaseMs: LEASE_MS });
      rig.fallback.input()(true);
      rig.clock.advance(INPUT_TIMEOUT_MS);
      rig.station.trip({ code: 'CLAMPED', message: '' });
      assert.deepEqual([rig.fallback.phase, rig.written, rig.phases], ['idle', [], []]);
    }
  });

  it('falls due no more once the node is being closed, though the station is closed before it has ended', async () => {
    const { station, fallback, written, clock } = await armed(VALUE);
    fallback.halt();
    await station.disarm({ actor: 'system', reason: 'the station was closed' });
    clock.advance(INPUT_TIMEOUT_MS);
    assert.deepEqual([fallback.phase, written], ['acting', []]);
    fallback.stop();
    assert.equal(fallback.phase, 'idle');
  });

  it('leaves the tag to the PLC when the node is closed, and no timer behind', async () => {
    const { clock, station, fallback, written } = await armed(VALUE);
    fallback.stop();
    fallback.input()(true);
    const { pending } = clock;
    station.trip({ code: 'CLAMPED', message: '' });
    clock.advance(INPUT_TIMEOUT_MS);
    assert.equal(fallback.phase, 'idle');
    assert.deepEqual(written, []);
    assert.ok(clock.pending <= pending);
  });
});
