/** What the tickets of a station to one MES have to tell people: as alarms of the station, and as the node's status. */
import type { AlarmReport, AlarmSource } from '../../lib/station/alarms/types.ts';
import type { DeliveryState } from '../../lib/ticket/delivery.ts';
import type { NodeContext } from '../runtime/register.ts';
import type { NodeAPI } from '../runtime/types.ts';

/** The part of the station's alarm list that is used here. */
export interface AlarmPort {
  raise(report: AlarmReport): void;
  clear(code: AlarmReport['code'], source?: Pick<AlarmSource, 'id'>): void;
}

/** The endpoint as people call it. */
export function mesSource(RED: NodeAPI, id: string): AlarmSource {
  const name = (RED.nodes.getNode(id) as { name?: unknown } | null)?.name;
  return { id, name: typeof name === 'string' && name !== '' ? name : 'MES' };
}

export class TicketAlarms {
  readonly #alarms: AlarmPort;
  readonly #source: AlarmSource;

  constructor(alarms: AlarmPort, source: AlarmSource) {
    this.#alarms = alarms;
    this.#source = source;
  }

  /** Called with every change; several nodes may tell the same of one MES. */
  follow({ waiting, dead, online, authorised }: DeliveryState): void {
    const away = authorised
      ? `${this.#source.name} does not answer; ${waiting} tickets wait`
      : `${this.#source.name} refuses the sign-in; ${waiting} tickets wait`;
    this.#set('MES_UNREACHABLE', !online || !authorised, away);
    this.#set('TICKET_DEAD', dead > 0, `${dead} tickets to ${this.#source.name} are set aside`);
  }

  #set(code: AlarmReport['code'], isSo: boolean, message: string): void {
    const source = this.#source;
    if (isSo) this.#alarms.raise({ code, message, source });
    else this.#alarms.clear(code, source);
  }
}

/** The worst of it. */
export function showDelivery(
  status: NodeContext<unknown>['status'],
  { waiting, dead, online, authorised, following }: DeliveryState,
): void {
  if (!authorised) status.show('failed', 'refused');
  else if (dead > 0) status.show('failed', 'dead', { count: dead });
  else if (!online) status.show('degraded', 'offline');
  else if (waiting > 0) status.show('working', 'waiting', { count: waiting });
  else if (!following) status.show('degraded', 'unfollowed');
  else status.show('ready', 'ready');
}
