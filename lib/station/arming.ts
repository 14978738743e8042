/**
 * Whether a station may act. A pure state machine: time comes in with every call, nothing is remembered here.
 *
 * | state        | what it means                                           | PackML   |
 * | ------------ | ------------------------------------------------------- | -------- |
 * | `DISARMED`   | watches, never acts                                     | Stopped  |
 * | `ARMING`     | one person asked for it; a second one has to say yes    | Starting |
 * | `ARMED`      | may act until its lease ends                            | Execute  |
 * | `TRIPPED`    | latched: a person has to look, clear the cause, reset   | Aborted  |
 * | `LOCKED_OUT` | tripped again and again: no reset until a wait has ended | Aborted  |
 *
 * An `ARMED` station whose lease is to be renewed by two persons stays armed while the second one is waited for.
 * That a machine is run by hand is told per endpoint and beside all this (`overrides.ts`), as PackML's Manual
 * mode is beside its states.
 */
import { StationError } from './errors.ts';
import {
  isLockedOut,
  joinedTrips,
  NO_TRIPS,
  recentTrips,
  restoredTrips,
  withTrip,
  type KeptTrips,
  type Trips,
} from './trips.ts';
import type { ArmingView, ArmState } from './types.ts';

/** One shift: nobody's arming outlives it. */
export const MAX_LEASE_MS = 8 * 60 * 60 * 1000;
/** How long a request for arming waits for the second person. */
export const APPROVAL_MS = 15 * 60 * 1000;

export interface By {
  actor: string;
  reason: string;
}

/** What a second person is asked to agree to. */
interface Pending extends By {
  readonly leaseMs: number;
  readonly endsAt: number;
}

export interface Arming {
  readonly state: ArmState;
  readonly actor: string;
  readonly reason: string;
  /** Monotonic milliseconds at which the lease ends; null unless armed. */
  readonly leaseEndsAt: number | null;
  /** Null unless armed. */
  readonly leaseId: string | null;
  /** The second person, where two had to agree. */
  readonly approvedBy: string | null;
  readonly pending: Pending | null;
  readonly trips: Trips;
}

/** How a station that has tripped is kept over a restart. */
export interface KeptArming {
  /** Who or what latched it; null when it had been reset. */
  latched: By | null;
  trips: KeptTrips;
}

export type ArmingEvent =
  | ({ type: 'arm'; leaseMs: number; leaseId: string } & By)
  /** For arming that two persons have to agree to. */
  | ({ type: 'request'; leaseMs: number } & By)
  | ({ type: 'approve'; leaseId: string } & By)
  | ({ type: 'withdraw' | 'disarm' | 'trip' | 'reset' } & By)
  /** A person latches it; that is no sign of a cause nobody finds, so it locks nobody out. */
  | ({ type: 'trip-by-person' } & By)
  | { type: 'restore'; kept: KeptArming; wallNowMs: number }
  | { type: 'tick' };

/** A station that has just started: it may watch, never act. */
export const STARTED: Arming = disarmed({ actor: 'system', reason: 'started' }, NO_TRIPS);

/**
 * The state after an event at monotonic time `nowMs`. The same object comes back when nothing changed.
 * Throws `ARM_REFUSED`, `SAME_PERSON`, `LOCKED_OUT` or `NOT_FOUND` for what is not allowed; a disarm, a trip and
 * a tick are always taken.
 */
export function transition(arming: Arming, event: ArmingEvent, nowMs: number): Arming {
  const current = settled(arming, nowMs);
  switch (event.type) {
    case 'tick':
      return current;
    case 'arm':
      assertArmable(current, event.leaseMs);
      return armed(current, event, nowMs, null);
    case 'request':
      return requested(current, event, nowMs);
    case 'approve':
      return approved(current, event, nowMs);
    case 'withdraw':
      pendingOf(current);
      return current.state === 'ARMED' ? { ...current, pending: null } : disarmed(event, current.trips);
    case 'disarm':
      // A disarm does not unlatch a trip: only a reset does.
      return isLatched(current) || current.state === 'DISARMED' ? current : disarmed(event, current.trips);
    case 'trip':
      // The first cause stays visible: what follows it is mostly consequence, and counts as one trip with it.
      return isLatched(current) ? current : latched(event, withTrip(current.trips, nowMs), nowMs);
    case 'trip-by-person':
      return isLatched(current) ? current : latched(event, current.trips, nowMs);
    case 'reset':
      assertResettable(current, nowMs);
      return disarmed(event, current.trips);
    case 'restore':
      return restored(current, event, nowMs);
  }
}

/** What people and nodes get to see. */
export function view(arming: Arming, nowMs: number): ArmingView {
  const current = settled(arming, nowMs);
  const { state, actor, reason, leaseEndsAt, leaseId, approvedBy, pending, trips } = current;
  return {
    state,
    actor,
    reason,
    leaseMs: leaseEndsAt === null ? null : leaseEndsAt - nowMs,
    leaseId,
    approvedBy,
    pending:
      pending === null
        ? null
        : {
            actor: pending.actor,
            reason: pending.reason,
            leaseMs: pending.leaseMs,
            leftMs: pending.endsAt - nowMs,
          },
    recentTrips: recentTrips(trips, nowMs).length,
    lockedMs: state === 'LOCKED_OUT' && trips.lockedUntil !== null ? trips.lockedUntil - nowMs : null,
  };
}

/** Tripped, with or without a lockout. */
export function isLatched({ state }: Pick<Arming, 'state'>): boolean {
  return state === 'TRIPPED' || state === 'LOCKED_OUT';
}

/** What time alone has changed. */
function settled(arming: Arming, nowMs: number): Arming {
  const { state, pending, trips } = arming;
  if (state === 'LOCKED_OUT' && !isLockedOut(trips, nowMs)) return { ...arming, state: 'TRIPPED' };
  const waits = pending !== null && nowMs < pending.endsAt ? pending : null;
  if (state === 'ARMED' && arming.leaseEndsAt !== null && nowMs >= arming.leaseEndsAt) {
    return waits === null
      ? disarmed({ actor: 'system', reason: `the lease of ${arming.actor} ended` }, trips)
      : waiting(waits, trips);
  }
  if (pending === null || waits !== null) return arming;
  if (state === 'ARMED') return { ...arming, pending: null };
  return disarmed({ actor: 'system', reason: `nobody agreed to arming by ${pending.actor} in time` }, trips);
}

function requested(
  current: Arming,
  { actor, reason, leaseMs }: By & { leaseMs: number },
  nowMs: number,
): Arming {
  assertArmable(current, leaseMs);
  assertKnown(actor);
  if (current.pending !== null) {
    throw new StationError('ARM_REFUSED', `${current.pending.actor} has asked already`, {
      hint: 'Approve or withdraw that request.',
    });
  }
  const pending: Pending = { actor, reason, leaseMs, endsAt: nowMs + APPROVAL_MS };
  return current.state === 'ARMED' ? { ...current, pending } : waiting(pending, current.trips);
}

function approved(current: Arming, { actor, leaseId }: By & { leaseId: string }, nowMs: number): Arming {
  const pending = pendingOf(current);
  assertKnown(actor);
  if (samePerson(actor, pending.actor)) {
    throw new StationError('SAME_PERSON', `${actor} asked for it, so somebody else has to agree`, {
      hint: 'A second person signs in and approves.',
    });
  }
  return armed(current, { ...pending, leaseId }, nowMs, actor);
}

function armed(
  current: Arming,
  { actor, reason, leaseMs, leaseId }: By & { leaseMs: number; leaseId: string },
  nowMs: number,
  approvedBy: string | null,
): Arming {
  const { trips } = current;
  const leaseEndsAt = nowMs + leaseMs;
  return { state: 'ARMED', actor, reason, leaseEndsAt, leaseId, approvedBy, pending: null, trips };
}

function restored(
  current: Arming,
  { kept, wallNowMs }: { kept: KeptArming; wallNowMs: number },
  nowMs: number,
): Arming {
  const trips = joinedTrips(restoredTrips(kept.trips, nowMs, wallNowMs), current.trips);
  // What it had tripped for comes before what happened since.
  return kept.latched === null ? { ...current, trips } : latched(kept.latched, trips, nowMs);
}

function unarmed(state: ArmState, { actor, reason }: By, trips: Trips): Arming {
  return {
    state,
    actor,
    reason,
    leaseEndsAt: null,
    leaseId: null,
    approvedBy: null,
    pending: null,
    trips,
  };
}

function disarmed(by: By, trips: Trips): Arming {
  return unarmed('DISARMED', by, trips);
}

function waiting(pending: Pending, trips: Trips): Arming {
  return { ...unarmed('ARMING', pending, trips), pending };
}

function latched(by: By, trips: Trips, nowMs: number): Arming {
  return unarmed(isLockedOut(trips, nowMs) ? 'LOCKED_OUT' : 'TRIPPED', by, trips);
}

function pendingOf({ pending }: Arming): Pending {
  if (pending === null) throw new StationError('NOT_FOUND', 'nobody has asked for this station to be armed');
  return pending;
}

function assertArmable(current: Arming, leaseMs: number): void {
  if (isLatched(current)) {
    throw new StationError('ARM_REFUSED', `the station has tripped: ${current.reason}`, {
      hint: 'Clear the cause, reset the station, then arm it.',
    });
  }
  if (!(leaseMs > 0 && leaseMs <= MAX_LEASE_MS)) {
    throw new StationError('ARM_REFUSED', `a lease lasts more than 0 and at most ${MAX_LEASE_MS} ms`);
  }
}

function assertResettable({ state, trips }: Arming, nowMs: number): void {
  if (state !== 'LOCKED_OUT' || trips.lockedUntil === null) return;
  const minutes = Math.ceil((trips.lockedUntil - nowMs) / 60_000);
  throw new StationError('LOCKED_OUT', `it keeps tripping; it can be reset in ${minutes} min`, {
    hint: 'Use the time to find the cause.',
  });
}

/** Two persons can only be told apart where both have signed in. */
function assertKnown(actor: string): void {
  if (actor !== 'anonymous' && actor !== 'system') return;
  throw new StationError('ARM_REFUSED', 'two persons have to agree, so each has to sign in');
}

/** Spelled otherwise it is the same person: whoever adds users does not mean to tell them apart by that. */
export function samePerson(one: string, other: string): boolean {
  const plain = (name: string): string => name.normalize('NFKC').trim().toLowerCase();
  return plain(one) === plain(other);
}
