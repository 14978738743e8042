/** What a station keeps of its trips over a restart: a restart is no person who vouches that the cause is gone. */
import { isLatched, type Arming, type KeptArming } from './arming.ts';
import { isKeptTrips, keptTrips } from './trips.ts';

/** What cannot be read is doubt, and doubt stays latched until a person has looked. */
const UNREADABLE: KeptArming = {
  latched: {
    actor: 'system',
    reason: 'TRIP_UNREADABLE: what the station kept of its trips before the restart cannot be read',
  },
  trips: { at: [], lockouts: 0, lockedUntil: null },
};

export function keptArming(arming: Arming, nowMs: number, wallNowMs: number): KeptArming {
  const { actor, reason, trips } = arming;
  return {
    latched: isLatched(arming) ? { actor, reason } : null,
    trips: keptTrips(trips, nowMs, wallNowMs),
  };
}

/** Undefined where nothing was kept. */
export function readKeptArming(kept: unknown): KeptArming | undefined {
  if (kept === undefined) return undefined;
  return isKept(kept) ? kept : UNREADABLE;
}

function isKept(value: unknown): value is KeptArming {
  if (typeof value !== 'object' || value === null) return false;
  const { latched, trips } = value as Partial<Record<keyof KeptArming, unknown>>;
  return isKeptTrips(trips) && (latched === null || isBy(latched));
}

function isBy(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { actor, reason } = value as Record<string, unknown>;
  return typeof actor === 'string' && typeof reason === 'string';
}
