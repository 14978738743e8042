/**
 * The alarms of one PLC, raised at every station that acts there: its link, its heartbeat, and commands of which
 * nobody knows what they did.
 */
import type { AlarmCode } from '../station/alarms/catalogue.ts';
import type { AlarmSource } from '../station/alarms/types.ts';
import type { Authority, Cause } from './authority.ts';
import type { LinkState } from './transport.ts';

type Told = Pick<Authority, 'alarms'>;

export class PlcAlarms {
  readonly #source: AlarmSource;
  readonly #stations = new Set<Told>();
  /** What stands now. */
  readonly #standing = new Map<AlarmCode, string>();
  /** Why the heart does not beat, by the code of the engine: ours, the PLC's, or both. */
  readonly #hearts = new Map<string, string>();

  constructor(source: AlarmSource) {
    this.#source = source;
  }

  /** From now on it hears; what stands already is told at once. */
  join(station: Told): void {
    this.#stations.add(station);
    const source = this.#source;
    for (const code of ['PLC_LINK_DOWN', 'HEARTBEAT_LOST'] as const) {
      const message = this.#standing.get(code);
      if (message === undefined) station.alarms.clear(code, source);
      else station.alarms.raise({ code, message, source });
    }
  }

  /** What it does not use any more alarms nobody there. */
  leave(station: Told): void {
    if (!this.#stations.delete(station)) return;
    for (const code of this.#standing.keys()) station.alarms.clear(code, this.#source);
  }

  link(link: LinkState): void {
    if (link.state === 'up' || link.state === 'closed') this.#clear('PLC_LINK_DOWN');
    // The first attempt has no error, and is none yet.
    else if (link.error !== undefined) this.#raise('PLC_LINK_DOWN', link.error.message);
  }

  heartLost({ code, message }: Cause): void {
    this.#hearts.set(code, message);
    this.#raise('HEARTBEAT_LOST', message);
  }

  heartFound(code: string): void {
    this.#hearts.delete(code);
    const [other] = this.#hearts.values();
    if (other === undefined) this.#clear('HEARTBEAT_LOST');
    else this.#raise('HEARTBEAT_LOST', other);
  }

  /** One that has happened: it stands for nothing that could go away. */
  unknownOutcome({ alarms }: Told, message: string): void {
    alarms.raise({ code: 'COMMAND_UNKNOWN', message, source: this.#source });
  }

  #raise(code: AlarmCode, message: string): void {
    this.#standing.set(code, message);
    for (const { alarms } of this.#stations) alarms.raise({ code, message, source: this.#source });
  }

  #clear(code: AlarmCode): void {
    if (!this.#standing.delete(code)) return;
    for (const { alarms } of this.#stations) alarms.clear(code, this.#source);
  }
}
