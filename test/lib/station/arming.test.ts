import assert from 'node:assert/strict';
import { MAX_LEASE_MS, STARTED, transition, view } from '../../../lib/station/arming.ts';
import type { Arming, ArmingEvent } from '../../../lib/station/arming.ts';
import type { ArmState } from '../../../lib/station/types.ts';

const HOUR_MS = 60 * 60 * 1000;
const by = { actor: 'anna', reason: 'shift start' };
const states: Record<ArmState, Arming> = {
  DISARMED: STARTED,
  ARMED: { state: 'ARMED', ...by, leaseEndsAt: HOUR_MS, leaseId: 'lease-1' },
  TRIPPED: { state: 'TRIPPED', actor: 'system', reason: 'first cause', leaseEndsAt: null, leaseId: null },
};
const arm: ArmingEvent = { type: 'arm', ...by, leaseMs: HOUR_MS, leaseId: 'lease-2' };
const events = {
  arm,
  disarm: { type: 'disarm', ...by },
  trip: { type: 'trip', actor: 'system', reason: 'cause' },
  reset: { type: 'reset', ...by },
  tick: { type: 'tick' },
} satisfies Record<string, ArmingEvent>;

describe('arming', () => {
  const table: [from: ArmState, event: keyof typeof events, to: ArmState | 'ARM_REFUSED'][] = [
    ['DISARMED', 'arm', 'ARMED'],
    ['DISARMED', 'disarm', 'DISARMED'],
    ['DISARMED', 'trip', 'TRIPPED'],
    ['DISARMED', 'reset', 'DISARMED'],
    ['DISARMED', 'tick', 'DISARMED'],
    ['ARMED', 'arm', 'ARMED'],
    ['ARMED', 'disarm', 'DISARMED'],
    ['ARMED', 'trip', 'TRIPPED'],
    ['ARMED', 'reset', 'DISARMED'],
    ['ARMED', 'tick', 'ARMED'],
    ['TRIPPED', 'arm', 'ARM_REFUSED'],
    ['TRIPPED', 'disarm', 'TRIPPED'],
    ['TRIPPED', 'trip', 'TRIPPED'],
    ['TRIPPED', 'reset', 'DISARMED'],
    ['TRIPPED', 'tick', 'TRIPPED'],
  ];
  for (const [from, event, to] of table) {
    it(`${from} and ${event} give ${to}`, () => {
      const result = (): Arming => transition(states[from], events[event], 1000);
      if (to === 'ARM_REFUSED') assert.throws(result, { code: 'ARM_REFUSED' });
      else assert.equal(result().state, to);
    });
  }

  it('ends with its lease', () => {
    assert.equal(view(states.ARMED, HOUR_MS - 1).state, 'ARMED');
    assert.equal(view(states.ARMED, HOUR_MS - 1).leaseMs, 1);
    assert.equal(view(states.ARMED, HOUR_MS).state, 'DISARMED');
    assert.match(view(states.ARMED, HOUR_MS).reason, /lease of anna/);
    assert.equal(transition(states.ARMED, events.tick, HOUR_MS).state, 'DISARMED');
  });

  it('is prolonged by arming again', () => {
    assert.equal(view(transition(states.ARMED, arm, 1000), 1000).leaseMs, HOUR_MS);
  });

  it('keeps the first cause of a trip', () => {
    assert.equal(transition(states.TRIPPED, events.trip, 0).reason, 'first cause');
  });

  for (const leaseMs of [0, -1, NaN, Infinity, MAX_LEASE_MS + 1]) {
    it(`refuses a lease of ${leaseMs} ms`, () => {
      assert.throws(() => transition(STARTED, { ...arm, leaseMs }, 0), { code: 'ARM_REFUSED' });
    });
  }
});
