/**
 * How often a station has tripped lately, and how long it is locked out for it. Pure: time comes in with every
 * call, in monotonic milliseconds; what is kept over a restart carries wall time, which is trusted no further
 * than it has to be.
 */

/** So many trips within the window lock the station out: whoever reset it has not found the cause. */
const TRIPS_TO_LOCK = 3;
export const TRIP_WINDOW_MS = 10 * 60 * 1000;
/** The first lockout; each further one is twice as long. Never below the window: its trips are old by its end. */
export const FIRST_LOCKOUT_MS = 10 * 60 * 1000;
export const MAX_LOCKOUT_MS = 2 * 60 * 60 * 1000;
/** A shift without a lockout, and the next one is a first one again. */
export const FORGIVEN_AFTER_MS = 8 * 60 * 60 * 1000;

export interface Trips {
  /** When it tripped, oldest first; none older than the window at the time of the last. */
  readonly at: readonly number[];
  /** Lockouts in a row. */
  readonly lockouts: number;
  /** When the last lockout ends or ended. */
  readonly lockedUntil: number | null;
}

/** The same with wall time. */
export interface KeptTrips {
  at: number[];
  lockouts: number;
  lockedUntil: number | null;
}

export const NO_TRIPS: Trips = { at: [], lockouts: 0, lockedUntil: null };

export function lockoutMs(lockouts: number): number {
  return Math.min(FIRST_LOCKOUT_MS * 2 ** (lockouts - 1), MAX_LOCKOUT_MS);
}

export function isLockedOut({ lockedUntil }: Trips, nowMs: number): boolean {
  return lockedUntil !== null && nowMs < lockedUntil;
}

/** Trips that count towards a lockout. */
export function recentTrips({ at }: Trips, nowMs: number): number[] {
  return at.filter((trip) => nowMs - trip < TRIP_WINDOW_MS);
}

/** After one more trip. */
export function withTrip(trips: Trips, nowMs: number): Trips {
  const at = [...recentTrips(trips, nowMs), nowMs];
  if (at.length < TRIPS_TO_LOCK) return { ...trips, at };
  const { lockedUntil } = trips;
  const inARow = lockedUntil !== null && nowMs - lockedUntil < FORGIVEN_AFTER_MS;
  const lockouts = inARow ? trips.lockouts + 1 : 1;
  return { at, lockouts, lockedUntil: nowMs + lockoutMs(lockouts) };
}

export function keptTrips(trips: Trips, nowMs: number, wallNowMs: number): KeptTrips {
  const wall = (at: number): number => wallNowMs + (at - nowMs);
  const { lockedUntil, lockouts } = trips;
  return { at: trips.at.map(wall), lockouts, lockedUntil: lockedUntil === null ? null : wall(lockedUntil) };
}

/** A clock that went back makes a trip recent and a lockout whole, never longer. */
export function restoredTrips(kept: KeptTrips, nowMs: number, wallNowMs: number): Trips {
  const { lockouts, lockedUntil } = kept;
  const leftMs = lockedUntil === null ? null : Math.min(lockedUntil - wallNowMs, lockoutMs(lockouts));
  return {
    at: kept.at.map((at) => nowMs - Math.max(0, wallNowMs - at)),
    lockouts,
    lockedUntil: leftMs === null ? null : nowMs + leftMs,
  };
}

/** What was kept, and what happened since; the longer lockout holds. */
export function joinedTrips(before: Trips, since: Trips): Trips {
  const ends = [before.lockedUntil, since.lockedUntil].filter((end) => end !== null);
  return {
    at: [...before.at, ...since.at],
    lockouts: Math.max(before.lockouts, since.lockouts),
    lockedUntil: ends.length === 0 ? null : Math.max(...ends),
  };
}

export function isKeptTrips(value: unknown): value is KeptTrips {
  if (typeof value !== 'object' || value === null) return false;
  const { at, lockouts, lockedUntil } = value as Partial<Record<keyof KeptTrips, unknown>>;
  return (
    Array.isArray(at) &&
    at.every(Number.isFinite) &&
    Number.isSafeInteger(lockouts) &&
    Number(lockouts) >= 0 &&
    (lockedUntil === null ? true : Number.isFinite(lockedUntil) && Number(lockouts) >= 1)
  );
}
