/**
 * Tickets whose MES is no longer in the flow: its node was deleted, or made anew by an import. Nobody delivers them, so
 * the station says so until they are handed over or set aside.
 */
import { CodedError } from '../../lib/errors.ts';
import type { Undelivered } from '../../lib/journal/types.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { addressOf } from '../../lib/ticket/endpoint.ts';
import { runningStations } from '../inspection-station/lookup.ts';
import { runningEndpoints } from '../mes-endpoint/lookup.ts';
import type { NodeAPI } from '../runtime/types.ts';

export interface TicketsOfAddress extends Undelivered {
  /** Id of the endpoint. */
  endpoint: string;
  /** Whether somebody delivers them. */
  served: boolean;
}

/** The endpoint whose tickets have this address. */
function endpointOf(address: string): string {
  return address.slice(addressOf('').length - 1, -1);
}

/** An endpoint is there for a station while a node of the flow sends tickets of that station to it. */
function isServed(RED: NodeAPI, station: string, endpoint: string): boolean {
  if (runningEndpoints().some(({ id, mes }) => id === endpoint && mes.serves(station))) return true;
  const senders: string[] = [];
  RED.nodes.eachNode((node) => {
    const { id, type, station: its, endpoint: to, d } = node as unknown as Record<string, unknown>;
    if (type === 'mes-ticket' && its === station && to === endpoint && d !== true) senders.push(String(id));
  });
  return senders.length > 0 && runningEndpoints().some(({ id }) => id === endpoint);
}

export async function undeliveredOf(RED: NodeAPI, station: StationControl): Promise<TicketsOfAddress[]> {
  const journal = await station.journal();
  const tickets = (await journal.undelivered()).filter(({ address }) => address.startsWith('mes:'));
  return tickets.map((one) => {
    const endpoint = endpointOf(one.address);
    return { ...one, endpoint, served: isServed(RED, station.id, endpoint) };
  });
}

/** Raises the alarm of a station, or takes it back. */
export async function tellStranded(RED: NodeAPI, station: StationControl): Promise<void> {
  const stranded = (await undeliveredOf(RED, station)).filter(({ served }) => !served);
  const count = stranded.reduce((sum, { waiting }) => sum + waiting, 0);
  if (count === 0) station.alarms.clear('TICKET_STRANDED');
  else {
    const message = `${count} tickets wait for an MES that is no longer in the flow`;
    station.alarms.raise({ code: 'TICKET_STRANDED', message });
  }
}

/** A thousand at a time, and never more than there were: what is set aside meanwhile is for the next time. */
export async function changeAll(
  { waiting, dead }: Pick<Undelivered, 'waiting' | 'dead'>,
  change: () => Promise<number>,
): Promise<number> {
  let tickets = 0;
  while (tickets < waiting + dead) {
    const changed = await change();
    if (changed === 0) break;
    tickets += changed;
  }
  return tickets;
}

/** @throws CodedError `NOT_FOUND`, or `BAD_REQUEST` for an endpoint that is in the flow */
export async function strandedOf(
  RED: NodeAPI,
  station: StationControl,
  endpoint: string,
): Promise<Undelivered> {
  const found = (await undeliveredOf(RED, station)).find((one) => one.endpoint === endpoint);
  if (found === undefined) throw new CodedError('NOT_FOUND', `no ticket waits for the endpoint ${endpoint}`);
  if (!found.served) return found;
  throw new CodedError('BAD_REQUEST', `the endpoint ${endpoint} is in the flow and delivers its tickets`, {
    hint: 'Only tickets of an endpoint that is no longer in the flow are handed over or set aside.',
  });
}

let unwatch: () => void = () => undefined;

/** Looks after every start of the flows. */
export function watchStranded(RED: NodeAPI): void {
  const look = (): void => {
    for (const station of runningStations()) {
      // Who needs the journal is told when there is none.
      tellStranded(RED, station).catch(() => undefined);
    }
  };
  unwatch();
  RED.events.on('flows:started', look);
  unwatch = () => RED.events.off('flows:started', look);
}
