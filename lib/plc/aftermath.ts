/**
 * What follows an outcome: its record, the trip of what must not go on, and a look for what could not be seen.
 * What cannot be written down disarms the station.
 */
import { setImmediate } from 'node:timers/promises';
import { asCodedError } from '../errors.ts';
import type { CommandNumber } from '../journal/types.ts';
import type { Authority } from './authority.ts';
import type { Command } from './types.ts';
import type { Outcome } from './outcome.ts';
import type { PlcAlarms } from './plc-alarms.ts';
import type { Settling } from './settling.ts';
import { plainValue } from './tag-type.ts';

/** Outcomes that could not be seen, in a row, after which a person has to look. */
const MAX_UNKNOWN = 3;

type Given = Pick<
  Command,
  'id' | 'tag' | 'value' | 'settleMs' | 'tolerance' | 'timeoutMs' | 'handshake' | 'maxPerMinute'
>;

export class Aftermath {
  readonly #endpoint: string;
  readonly #settling: Settling;
  readonly #alarms: PlcAlarms;
  readonly #linkUp: () => boolean;
  readonly #track: (work: Promise<unknown>) => void;
  readonly #unknownInARow = new WeakMap<Authority, number>();

  constructor(
    endpoint: string,
    settling: Settling,
    alarms: PlcAlarms,
    linkUp: () => boolean,
    track: (work: Promise<unknown>) => void,
  ) {
    this.#endpoint = endpoint;
    this.#settling = settling;
    this.#alarms = alarms;
    this.#linkUp = linkUp;
    this.#track = track;
  }

  /** What the PLC changed stops the station, and so does a row of what could not be seen. */
  heed(
    { id, tag, value, settleMs, tolerance, timeoutMs, handshake }: Given,
    { number }: CommandNumber,
    { outcome, reason, detail, readBack }: Outcome,
    authority: Authority,
  ): void {
    if (outcome === 'confirmed') this.#unknownInARow.set(authority, 0);
    if (outcome === 'clamped') {
      const message = `${tag} was given ${String(plainValue(value))} and holds ${readBack ?? '?'}`;
      authority.trip({ code: 'CLAMPED', message });
    }
    if (outcome !== 'unknown') return;
    this.#alarms.unknownOutcome(authority, `${tag}: ${detail ?? ''}`);
    const open = { id, number, tag, value: plainValue(value), settleMs, tolerance, timeoutMs, handshake };
    this.#settling.add(open, authority);
    // Where the link is still up nobody tells us that it is.
    if (this.#linkUp()) this.#track(this.#settling.settle());
    // Nobody waited for the PLC to show it.
    if (reason === 'INTERRUPTED') return;
    const inARow = (this.#unknownInARow.get(authority) ?? 0) + 1;
    this.#unknownInARow.set(authority, inARow);
    if (inARow >= MAX_UNKNOWN) {
      const message = `${inARow} in a row, last ${tag}: ${detail ?? ''}`;
      authority.trip({ code: 'UNKNOWN_OUTCOME', message });
    }
  }

  /**
   * After the outcome has gone its way, which does not wait for it: the intent is durable, and an intent without a
   * result is settled by reading.
   */
  async recordLater(id: string, outcome: Outcome, authority: Authority): Promise<void> {
    await setImmediate();
    await this.record(id, outcome, authority);
  }

  async record(id: string, { outcome, reason, readBack, ms }: Outcome, authority: Authority): Promise<void> {
    // First: a command with a result is no longer found among those that were under way.
    if (outcome === 'unknown') await this.#settling.keep(authority);
    try {
      const journal = await authority.journal();
      const result = { id, outcome, ...(reason === undefined ? {} : { reason }), readBack, ms };
      await journal.recordCommandResult(result);
    } catch (error) {
      // It has an outcome, which stands.
      if (asCodedError(error).code === 'JOURNAL_DUPLICATE') return;
      await unwritten(error, authority);
    }
  }

  /** The first of a row that the rate limit has refused; each of them is on record as refused. */
  alarm({ id, tag, maxPerMinute }: Given, message: string, authority: Authority): void {
    const detail = { code: 'RATE', commandId: id, endpoint: this.#endpoint, maxPerMinute };
    const entry = { type: 'plc.alarm', actor: 'system', object: tag, reason: message, detail };
    this.#track(
      authority
        .journal()
        .then((journal) => journal.appendLedger(entry))
        .catch((error: unknown) => unwritten(error, authority)),
    );
  }
}

export async function unwritten(error: unknown, authority: Pick<Authority, 'disarm'>): Promise<void> {
  await authority.disarm({ actor: 'system', reason: `journal: ${asCodedError(error).message}` });
}
