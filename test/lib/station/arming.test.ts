import assert from 'node:assert/strict';
import {
  APPROVAL_MS,
  MAX_LEASE_MS,
  STARTED,
  transition,
  view,
  type Arming,
  type ArmingEvent,
} from '../../../lib/station/arming.ts';
import { keptArming, readKeptArming } from '../../../lib/station/kept-arming.ts';
import {
  FIRST_LOCKOUT_MS,
  FORGIVEN_AFTER_MS,
  lockoutMs,
  MAX_LOCKOUT_MS,
  NO_TRIPS,
  TRIP_WINDOW_MS,
} from '../../../lib/station/trips.ts';
import type { ArmState } from '../../../lib/station/types.ts';

const HOUR_MS = 60 * 60 * 1000;
const anna = { actor: 'anna', reason: 'shift start' };
const bob = { actor: 'bob', reason: 'seen it too' };
const leaseMs = HOUR_MS;
const cause = { type: 'trip', actor: 'system', reason: 'CLAMPED: cause' } as const;

/** One event after the other, from the state a station starts in. */
function after(nowMs: number, ...events: ArmingEvent[]): Arming {
  return events.reduce((arming, event) => transition(arming, event, nowMs), STARTED);
}

const arm: ArmingEvent = { type: 'arm', ...anna, leaseMs, leaseId: 'lease-1' };
const request: ArmingEvent = { type: 'request', ...anna, leaseMs };
const reset: ArmingEvent = { type: 'reset', ...anna };

/** Every situation a station can be in, all entered at time 0. */
const situations = {
  DISARMED: STARTED,
  ARMING: after(0, request),
  ARMED: after(0, arm),
  'ARMED, renewal asked': after(0, arm, request),
  TRIPPED: after(0, cause),
  'TRIPPED twice': after(0, cause, reset, cause),
  'DISARMED, tripped twice': after(0, cause, reset, cause, reset),
  LOCKED_OUT: after(0, cause, reset, cause, reset, cause),
} satisfies Record<string, Arming>;

const SOON_MS = 1000;
/** Every event a station can meet, with the time at which it comes. */
const events = {
  arm: [SOON_MS, { type: 'arm', ...bob, leaseMs, leaseId: 'lease-2' }],
  request: [SOON_MS, { type: 'request', ...bob, leaseMs }],
  'approve by another': [SOON_MS, { type: 'approve', ...bob, leaseId: 'lease-3' }],
  'approve by the same': [SOON_MS, { type: 'approve', ...anna, leaseId: 'lease-3' }],
  withdraw: [SOON_MS, { type: 'withdraw', ...bob }],
  disarm: [SOON_MS, { type: 'disarm', ...bob }],
  trip: [SOON_MS, { ...cause, reason: 'OTHER: cause' }],
  'trip by a person': [SOON_MS, { type: 'trip-by-person', ...bob }],
  reset: [SOON_MS, { type: 'reset', ...bob }],
  tick: [SOON_MS, { type: 'tick' }],
  'tick after the request': [APPROVAL_MS, { type: 'tick' }],
  'tick after the lease': [HOUR_MS, { type: 'tick' }],
  'tick after the lockout': [FIRST_LOCKOUT_MS, { type: 'tick' }],
  'restore of nothing latched': [
    SOON_MS,
    {
      type: 'restore',
      wallNowMs: 5000,
      kept: { latched: null, trips: { at: [], lockouts: 0, lockedUntil: null } },
    },
  ],
  'restore of a trip': [
    SOON_MS,
    {
      type: 'restore',
      wallNowMs: 5000,
      kept: {
        latched: { actor: 'system', reason: 'KEPT: cause' },
        trips: { at: [4000], lockouts: 0, lockedUntil: null },
      },
    },
  ],
  'restore of a lockout': [
    SOON_MS,
    {
      type: 'restore',
      wallNowMs: 5000,
      kept: {
        latched: { actor: 'system', reason: 'KEPT: cause' },
        trips: { at: [3000, 4000, 5000], lockouts: 1, lockedUntil: 5000 + FIRST_LOCKOUT_MS },
      },
    },
  ],
} satisfies Record<string, [number, ArmingEvent]>;

type Situation = keyof typeof situations;
type Event = keyof typeof events;
type End = ArmState | 'refused' | 'same person' | 'nobody asked' | 'locked out';

/** Read a row as: in this situation, each event in its column ends so. */
const table: Record<Situation, Record<Event, End>> = {
  DISARMED: {
    arm: 'ARMED',
    request: 'ARMING',
    'approve by another': 'nobody asked',
    'approve by the same': 'nobody asked',
    withdraw: 'nobody asked',
    disarm: 'DISARMED',
    trip: 'TRIPPED',
    'trip by a person': 'TRIPPED',
    reset: 'DISARMED',
    tick: 'DISARMED',
    'tick after the request': 'DISARMED',
    'tick after the lease': 'DISARMED',
    'tick after the lockout': 'DISARMED',
    'restore of nothing latched': 'DISARMED',
    'restore of a trip': 'TRIPPED',
    'restore of a lockout': 'LOCKED_OUT',
  },
  ARMING: {
    arm: 'ARMED',
    request: 'refused',
    'approve by another': 'ARMED',
    'approve by the same': 'same person',
    withdraw: 'DISARMED',
    disarm: 'DISARMED',
    trip: 'TRIPPED',
    'trip by a person': 'TRIPPED',
    reset: 'DISARMED',
    tick: 'ARMING',
    'tick after the request': 'DISARMED',
    'tick after the lease': 'DISARMED',
    'tick after the lockout': 'ARMING',
    'restore of nothing latched': 'ARMING',
    'restore of a trip': 'TRIPPED',
    'restore of a lockout': 'LOCKED_OUT',
  },
  ARMED: {
    arm: 'ARMED',
    request: 'ARMED',
    'approve by another': 'nobody asked',
    'approve by the same': 'nobody asked',
    withdraw: 'nobody asked',
    disarm: 'DISARMED',
    trip: 'TRIPPED',
    'trip by a person': 'TRIPPED',
    reset: 'DISARMED',
    tick: 'ARMED',
    'tick after the request': 'ARMED',
    'tick after the lease': 'DISARMED',
    'tick after the lockout': 'ARMED',
    'restore of nothing latched': 'ARMED',
    'restore of a trip': 'TRIPPED',
    'restore of a lockout': 'LOCKED_OUT',
  },
  'ARMED, renewal asked': {
    arm: 'ARMED',
    request: 'refused',
    'approve by another': 'ARMED',
    'approve by the same': 'same person',
    withdraw: 'ARMED',
    disarm: 'DISARMED',
    trip: 'TRIPPED',
    'trip by a person': 'TRIPPED',
    reset: 'DISARMED',
    tick: 'ARMED',
    'tick after the request': 'ARMED',
    'tick after the lease': 'DISARMED',
    'tick after the lockout': 'ARMED',
    'restore of nothing latched': 'ARMED',
    'restore of a trip': 'TRIPPED',
    'restore of a lockout': 'LOCKED_OUT',
  },
  TRIPPED: {
    arm: 'refused',
    request: 'refused',
    'approve by another': 'nobody asked',
    'approve by the same': 'nobody asked',
    withdraw: 'nobody asked',
    disarm: 'TRIPPED',
    trip: 'TRIPPED',
    'trip by a person': 'TRIPPED',
    reset: 'DISARMED',
    tick: 'TRIPPED',
    'tick after the request': 'TRIPPED',
    'tick after the lease': 'TRIPPED',
    'tick after the lockout': 'TRIPPED',
    'restore of nothing latched': 'TRIPPED',
    'restore of a trip': 'TRIPPED',
    'restore of a lockout': 'LOCKED_OUT',
  },
  'TRIPPED twice': {
    arm: 'refused',
    request: 'refused',
    'approve by another': 'nobody asked',
    'approve by the same': 'nobody asked',
    withdraw: 'nobody asked',
    disarm: 'TRIPPED',
    trip: 'TRIPPED',
    'trip by a person': 'TRIPPED',
    reset: 'DISARMED',
    tick: 'TRIPPED',
    'tick after the request': 'TRIPPED',
    'tick after the lease': 'TRIPPED',
    'tick after the lockout': 'TRIPPED',
    'restore of nothing latched': 'TRIPPED',
    'restore of a trip': 'TRIPPED',
    'restore of a lockout': 'LOCKED_OUT',
  },
  'DISARMED, tripped twice': {
    arm: 'ARMED',
    request: 'ARMING',
    'approve by another': 'nobody asked',
    'approve by the same': 'nobody asked',
    withdraw: 'nobody asked',
    disarm: 'DISARMED',
    trip: 'LOCKED_OUT',
    'trip by a person': 'TRIPPED',
    reset: 'DISARMED',
    tick: 'DISARMED',
    'tick after the request': 'DISARMED',
    'tick after the lease': 'DISARMED',
    'tick after the lockout': 'DISARMED',
    'restore of nothing latched': 'DISARMED',
    'restore of a trip': 'TRIPPED',
    'restore of a lockout': 'LOCKED_OUT',
  },
  LOCKED_OUT: {
    arm: 'refused',
    request: 'refused',
    'approve by another': 'nobody asked',
    'approve by the same': 'nobody asked',
    withdraw: 'nobody asked',
    disarm: 'LOCKED_OUT',
    trip: 'LOCKED_OUT',
    'trip by a person': 'LOCKED_OUT',
    reset: 'locked out',
    tick: 'LOCKED_OUT',
    'tick after the request': 'TRIPPED',
    'tick after the lease': 'TRIPPED',
    'tick after the lockout': 'TRIPPED',
    'restore of nothing latched': 'LOCKED_OUT',
    'restore of a trip': 'LOCKED_OUT',
    'restore of a lockout': 'LOCKED_OUT',
  },
};

const CODES: Record<string, End> = {
  ARM_REFUSED: 'refused',
  SAME_PERSON: 'same person',
  NOT_FOUND: 'nobody asked',
  LOCKED_OUT: 'locked out',
};

function endOf(situation: Situation, event: Event): End | undefined {
  const [nowMs, what] = events[event];
  try {
    return transition(situations[situation], what, nowMs).state;
  } catch (error) {
    return CODES[(error as { code: string }).code];
  }
}

describe('arming', () => {
  describe('by its table', () => {
    it('has a cell for every event in every situation, and every state is entered and left', () => {
      for (const row of Object.values(table))
        assert.deepEqual(Object.keys(row).sort(), Object.keys(events).sort());
      assert.deepEqual(Object.keys(table).sort(), Object.keys(situations).sort());
      const states: ArmState[] = ['DISARMED', 'ARMING', 'ARMED', 'TRIPPED', 'LOCKED_OUT'];
      const entered = new Set(Object.values(table).flatMap((row) => Object.values(row)));
      for (const state of states) {
        assert.ok(entered.has(state), `nothing ends in ${state}`);
        assert.ok(
          Object.values(situations).some((arming) => arming.state === state),
          `nothing begins in ${state}`,
        );
      }
    });

    for (const situation of Object.keys(table) as Situation[]) {
      it(`goes where it says from ${situation}`, () => {
        for (const event of Object.keys(events) as Event[]) {
          assert.equal(endOf(situation, event), table[situation][event], `${situation}, ${event}`);
        }
      });
    }

    it('is armed only by an arming or by another person who agrees', () => {
      for (const situation of Object.keys(table) as Situation[]) {
        if (situations[situation].state === 'ARMED') continue;
        const arming = Object.entries(table[situation]).filter(([, end]) => end === 'ARMED');
        for (const [event] of arming) assert.match(event, /^(arm|approve by another)$/);
      }
    });
  });

  it('ends with its lease', () => {
    assert.equal(view(situations.ARMED, HOUR_MS - 1).state, 'ARMED');
    assert.equal(view(situations.ARMED, HOUR_MS - 1).leaseMs, 1);
    assert.equal(view(situations.ARMED, HOUR_MS).state, 'DISARMED');
    assert.equal(view(situations.ARMED, HOUR_MS).leaseId, null);
    assert.match(view(situations.ARMED, HOUR_MS).reason, /lease of anna/);
  });

  it('is prolonged by arming again, with a lease of its own', () => {
    const again = view(transition(situations.ARMED, { ...arm, leaseId: 'lease-9' }, 1000), 1000);
    assert.deepEqual([again.leaseMs, again.leaseId], [HOUR_MS, 'lease-9']);
  });

  for (const bad of [0, -1, NaN, Infinity, MAX_LEASE_MS + 1]) {
    it(`refuses a lease of ${bad} ms, asked of one person or of two`, () => {
      assert.throws(() => transition(STARTED, { ...arm, leaseMs: bad }, 0), { code: 'ARM_REFUSED' });
      assert.throws(() => transition(STARTED, { ...request, leaseMs: bad }, 0), { code: 'ARM_REFUSED' });
    });
  }

  describe('by two persons', () => {
    it('runs its lease from the second yes, and names both', () => {
      const armed = view(
        transition(situations.ARMING, { type: 'approve', ...bob, leaseId: 'l' }, 60_000),
        60_000,
      );
      assert.deepEqual(
        [armed.state, armed.actor, armed.approvedBy, armed.leaseMs, armed.pending],
        ['ARMED', 'anna', 'bob', HOUR_MS, null],
      );
    });

    it('takes another spelling of the same name for the same person', () => {
      for (const actor of ['anna', 'Anna', ' ANNA ', 'ａｎｎａ']) {
        assert.throws(
          () => transition(situations.ARMING, { type: 'approve', ...bob, actor, leaseId: 'l' }, 0),
          {
            code: 'SAME_PERSON',
          },
        );
      }
    });

    it('is not asked for, nor agreed to, by somebody who has not signed in', () => {
      const nobody = { ...bob, actor: 'anonymous' };
      assert.throws(() => transition(STARTED, { ...request, ...nobody }, 0), { code: 'ARM_REFUSED' });
      assert.throws(() => transition(situations.ARMING, { type: 'approve', ...nobody, leaseId: 'l' }, 0), {
        code: 'ARM_REFUSED',
      });
    });

    it('waits a quarter of an hour for the second, to the millisecond', () => {
      assert.equal(view(situations.ARMING, APPROVAL_MS - 1).pending?.leftMs, 1);
      assert.equal(view(situations.ARMING, APPROVAL_MS).state, 'DISARMED');
      const late: ArmingEvent = { type: 'approve', ...bob, leaseId: 'l' };
      assert.throws(() => transition(situations.ARMING, late, APPROVAL_MS), { code: 'NOT_FOUND' });
    });

    it('stays armed while a renewal waits, and waits on when the lease ends before', () => {
      const nearTheEnd = HOUR_MS - 60_000;
      const asked = transition(situations.ARMED, request, nearTheEnd);
      assert.equal(view(asked, nearTheEnd).state, 'ARMED');
      assert.equal(view(asked, HOUR_MS).state, 'ARMING');
      assert.equal(transition(asked, { type: 'approve', ...bob, leaseId: 'l' }, HOUR_MS).state, 'ARMED');
    });
  });

  describe('after trips', () => {
    const trippedAt = (...times: number[]): Arming =>
      times.reduce(
        (arming, at, index) => transition(index === 0 ? arming : transition(arming, reset, at), cause, at),
        STARTED,
      );

    it('keeps the first cause, and counts what follows from it as the same trip', () => {
      const again = transition(situations.TRIPPED, { ...cause, reason: 'OTHER: later' }, 1);
      assert.equal(again, situations.TRIPPED);
      assert.equal(view(again, 1).recentTrips, 1);
    });

    it('locks out with the third within ten minutes, not with one that is older', () => {
      assert.equal(trippedAt(0, 1, TRIP_WINDOW_MS - 1).state, 'LOCKED_OUT');
      assert.equal(trippedAt(0, 1, TRIP_WINDOW_MS).state, 'TRIPPED');
    });

    it('says how long, refuses a reset until then and takes it after', () => {
      const locked = situations.LOCKED_OUT;
      assert.equal(view(locked, 60_000).lockedMs, FIRST_LOCKOUT_MS - 60_000);
      assert.throws(() => transition(locked, reset, FIRST_LOCKOUT_MS - 1), { code: 'LOCKED_OUT' });
      assert.equal(transition(locked, reset, FIRST_LOCKOUT_MS).state, 'DISARMED');
    });

    it('waits twice as long each time, up to a limit, and forgives after a shift', () => {
      let now = 0;
      let arming: Arming = STARTED;
      const waits: number[] = [];
      const lockOut = (): void => {
        for (let trip = 0; trip < 3; trip += 1)
          arming = transition(transition(arming, reset, now), cause, now);
        const { lockedMs } = view(arming, now);
        assert.ok(lockedMs !== null);
        waits.push(lockedMs);
        now += lockedMs;
      };
      for (let time = 0; time < 6; time += 1) lockOut();
      const minutes = waits.map((ms) => ms / 60_000);
      assert.deepEqual(minutes, [10, 20, 40, 80, 120, 120]);
      assert.equal(lockoutMs(1000), MAX_LOCKOUT_MS);
      now += FORGIVEN_AFTER_MS;
      lockOut();
      assert.equal(waits.at(-1), FIRST_LOCKOUT_MS);
    });

    it('is after a restart what it was, whatever the clocks did meanwhile, and never locked for longer', () => {
      const WALL = Date.UTC(2026, 0, 1);
      const kept = readKeptArming(
        JSON.parse(JSON.stringify(keptArming(situations.LOCKED_OUT, 60_000, WALL))),
      );
      assert.ok(kept);
      const restarted = (wallNowMs: number): Arming =>
        transition(STARTED, { type: 'restore', kept, wallNowMs }, 7);
      const soon = view(restarted(WALL + 60_000), 7);
      assert.deepEqual([soon.state, soon.reason, soon.recentTrips], ['LOCKED_OUT', 'CLAMPED: cause', 3]);
      assert.equal(soon.lockedMs, FIRST_LOCKOUT_MS - 120_000);
      assert.equal(view(restarted(WALL - HOUR_MS), 7).lockedMs, FIRST_LOCKOUT_MS);
      assert.equal(restarted(WALL + FIRST_LOCKOUT_MS).state, 'TRIPPED', 'only a person resets it');
    });

    it('counts trips from before a restart', () => {
      const kept = keptArming(situations['DISARMED, tripped twice'], 0, 0);
      const restarted = transition(STARTED, { type: 'restore', kept, wallNowMs: 1000 }, 7);
      assert.equal(restarted.state, 'DISARMED');
      assert.equal(transition(restarted, cause, 8).state, 'LOCKED_OUT');
    });

    it('takes what it cannot read for a trip', () => {
      const trips = { at: [], lockouts: 0, lockedUntil: null };
      const unreadable = [
        null,
        'TRIPPED',
        {},
        { latched: null },
        { latched: true, trips },
        { latched: null, trips: { ...trips, at: ['1'] } },
      ];
      for (const kept of unreadable)
        assert.match(readKeptArming(kept)?.latched?.reason ?? '', /TRIP_UNREADABLE/);
      assert.equal(readKeptArming(undefined), undefined);
      assert.deepEqual(readKeptArming({ latched: null, trips }), { latched: null, trips: NO_TRIPS });
    });
  });
});
