/** Which machines are run by hand. As long as one is, nothing is written to its PLC, whatever the arming says. */
import type { StationRecord } from './record.ts';
import type { Override } from './types.ts';

const OF_EDGE = { on: 'the machine is run by hand', off: 'the machine is no longer run by hand' };

export class Overrides {
  readonly #record: StationRecord;
  readonly #byEndpoint = new Map<string, Override>();

  constructor(record: StationRecord) {
    this.#record = record;
  }

  /** False when it is known already. Both edges go into the ledger. */
  see({
    endpoint,
    endpointId,
    tag,
    on,
    reason = OF_EDGE[on ? 'on' : 'off'],
  }: Override & { on: boolean; reason?: string }): boolean {
    if (on === this.#byEndpoint.has(endpointId)) return false;
    if (on) this.#byEndpoint.set(endpointId, { endpoint, endpointId, tag });
    else this.#byEndpoint.delete(endpointId);
    const detail = { endpoint, endpointId, tag, on };
    this.#record.note({ type: 'plc.manual', actor: 'system', reason, detail });
    return true;
  }

  all(): Override[] {
    return [...this.#byEndpoint.values()];
  }
}
