/** Which machines are run by hand. As long as one is, nothing is written to its PLC, whatever the arming says. */
import type { StationRecord } from './record.ts';
import type { Override } from './types.ts';

export class Overrides {
  readonly #record: StationRecord;
  readonly #byEndpoint = new Map<string, Override>();

  constructor(record: StationRecord) {
    this.#record = record;
  }

  /** False when it is known already. Both edges go into the ledger. */
  see({ endpoint, endpointId, tag, on }: Override & { on: boolean }): boolean {
    if (on === this.#byEndpoint.has(endpointId)) return false;
    if (on) this.#byEndpoint.set(endpointId, { endpoint, endpointId, tag });
    else this.#byEndpoint.delete(endpointId);
    const reason = on ? 'the machine is run by hand' : 'the machine is no longer run by hand';
    const detail = { endpoint, endpointId, tag, on };
    this.#record.note({ type: 'plc.manual', actor: 'system', reason, detail });
    return true;
  }

  all(): Override[] {
    return [...this.#byEndpoint.values()];
  }
}
