/** The stations of this Node-RED: how other nodes and the admin routes find one. */
import type { StationControl } from '../../lib/station/station.ts';
import { StationError } from '../../lib/station/errors.ts';
import type { Node } from '../runtime/types.ts';

/** An inspection-station node as others see it. */
export interface StationNode extends Node {
  station?: StationControl;
}

const running = new Map<string, StationControl>();

/** Makes a station known to the admin routes; returns the way to withdraw it. */
export function announce(station: StationControl): () => void {
  running.set(station.id, station);
  return () => {
    // A redeploy may have put its successor there already.
    if (running.get(station.id) === station) running.delete(station.id);
  };
}

export function runningStations(): StationControl[] {
  return [...running.values()];
}

/** By node id or by name; throws `NOT_FOUND`. */
export function findStation(idOrName: string): StationControl {
  const station = running.get(idOrName) ?? runningStations().find(({ name }) => name === idOrName);
  if (station === undefined) throw new StationError('NOT_FOUND', `there is no station ${idOrName}`);
  return station;
}
