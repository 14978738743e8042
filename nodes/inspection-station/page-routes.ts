/** What the pages of a dashboard read of a station beside its state. */
import { adminRoute } from '../runtime/admin.ts';
import type { NodeAPI, RawConfig } from '../runtime/types.ts';
import { findStation } from './lookup.ts';

/** A deployed node that works for a station. */
interface StationMember {
  id: string;
  type: string;
  /** Empty where nobody gave it one. */
  name: string;
}

function membersOf(RED: NodeAPI, stationId: string): StationMember[] {
  const members: StationMember[] = [];
  RED.nodes.eachNode((node) => {
    const { id, type, name, station } = node as unknown as RawConfig;
    if (station === stationId) members.push({ id, type, name: typeof name === 'string' ? name : '' });
  });
  return members;
}

export function registerPageRoutes(RED: NodeAPI): void {
  adminRoute(RED, {
    method: 'get',
    permission: 'jidoka.read',
    path: '/jidoka/stations/:id/nodes',
    handle: ({ params }) => membersOf(RED, findStation(params['id'] ?? '').id),
  });
}
