/**
 * Whether a station may act: DISARMED → ARMED (a person, for a lease) → TRIPPED (latched) → reset by
 * a person → DISARMED. A pure state machine: time comes in with every call, nothing is remembered here.
 */
import type { ArmingView, ArmState } from './types.ts';
import { StationError } from './errors.ts';

/** One shift: nobody's arming outlives it. */
export const MAX_LEASE_MS = 8 * 60 * 60 * 1000;

export interface Arming {
  readonly state: ArmState;
  readonly actor: string;
  readonly reason: string;
  /** Monotonic milliseconds at which the lease ends; null unless armed. */
  readonly leaseEndsAt: number | null;
  /** Null unless armed. */
  readonly leaseId: string | null;
}

interface By {
  actor: string;
  reason: string;
}

export type ArmingEvent =
  | ({ type: 'arm'; leaseMs: number; leaseId: string } & By)
  | ({ type: 'disarm' | 'trip' | 'reset' } & By)
  | { type: 'tick' };

/** A station that has just started: it may watch, never act. */
export const STARTED: Arming = {
  state: 'DISARMED',
  actor: 'system',
  reason: 'started',
  leaseEndsAt: null,
  leaseId: null,
};

/**
 * The state after an event at monotonic time `nowMs`. The same object comes back when nothing changed.
 * Throws `ARM_REFUSED` for an arming that is not allowed; every other event is always taken.
 */
export function transition(arming: Arming, event: ArmingEvent, nowMs: number): Arming {
  const current = expired(arming, nowMs) ? leaseEnded(arming) : arming;
  switch (event.type) {
    case 'tick':
      return current;
    case 'arm':
      return armed(current, event, nowMs);
    case 'disarm':
      // A disarm does not unlatch a trip: only a reset does.
      return current.state === 'ARMED' ? disarmed(event) : current;
    case 'trip':
      // The first cause stays visible: what follows it is mostly consequence.
      return current.state === 'TRIPPED'
        ? current
        : { state: 'TRIPPED', actor: event.actor, reason: event.reason, leaseEndsAt: null, leaseId: null };
    case 'reset':
      return disarmed(event);
  }
}

/** What people and nodes get to see. */
export function view(arming: Arming, nowMs: number): ArmingView {
  const { state, actor, reason, leaseEndsAt, leaseId } = transition(arming, { type: 'tick' }, nowMs);
  return { state, actor, reason, leaseMs: leaseEndsAt === null ? null : leaseEndsAt - nowMs, leaseId };
}

function armed(
  current: Arming,
  { actor, reason, leaseMs, leaseId }: By & { leaseMs: number; leaseId: string },
  nowMs: number,
): Arming {
  if (current.state === 'TRIPPED') {
    throw new StationError('ARM_REFUSED', `the station has tripped: ${current.reason}`, {
      hint: 'Clear the cause, reset the station, then arm it.',
    });
  }
  if (!(leaseMs > 0 && leaseMs <= MAX_LEASE_MS)) {
    throw new StationError('ARM_REFUSED', `a lease lasts more than 0 and at most ${MAX_LEASE_MS} ms`);
  }
  return { state: 'ARMED', actor, reason, leaseEndsAt: nowMs + leaseMs, leaseId };
}

function disarmed({ actor, reason }: By): Arming {
  return { state: 'DISARMED', actor, reason, leaseEndsAt: null, leaseId: null };
}

function leaseEnded(arming: Arming): Arming {
  return disarmed({ actor: 'system', reason: `the lease of ${arming.actor} ended` });
}

function expired(arming: Arming, nowMs: number): boolean {
  return arming.leaseEndsAt !== null && nowMs >= arming.leaseEndsAt;
}
