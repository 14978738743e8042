/**
 * What the alarms of a station leave behind: each change in the ledger, and how they stand as one value for the
 * next start. Promises: nothing waits for it but the hiding of an alarm; a journal that fails is asked again, in
 * order; and it never takes the arming away, which others do who cannot act without a journal.
 */
import { asCodedError } from '../../errors.ts';
import type { Journal, LedgerEntry } from '../../journal/types.ts';
import { AlarmError } from './errors.ts';

export type AlarmEntry = Omit<LedgerEntry, 'object'>;

/** Changes that wait for a journal; an hour of them at the most a person is told of in a second. */
const MAX_WAITING = 4000;

export interface AlarmRecordOptions {
  station: string;
  journal: () => Promise<Journal>;
  /** Plain JSON: how the alarms stand now. */
  snapshot: () => unknown;
}

export class AlarmRecord {
  readonly #options: AlarmRecordOptions;
  readonly #waiting: AlarmEntry[] = [];
  #lost = 0;
  #isDirty = false;
  #writing: Promise<void> | undefined;

  constructor(options: AlarmRecordOptions) {
    this.#options = options;
  }

  get key(): string {
    return `station:${this.#options.station}:alarms`;
  }

  /** After it took effect. */
  note(entry: AlarmEntry): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(entry);
    else this.#lost += 1;
    this.keep();
  }

  /** How the alarms stand has changed. */
  keep(): void {
    this.#isDirty = true;
    this.flush();
  }

  /** Before it takes effect; rejects with `ALARM_UNRECORDED`. */
  async audit(entry: AlarmEntry): Promise<void> {
    this.flush();
    // What was before comes before in the ledger too.
    await this.#writing;
    try {
      await (await this.#options.journal()).appendLedger({ ...entry, object: this.#options.station });
    } catch (error) {
      throw new AlarmError(
        'ALARM_UNRECORDED',
        `${entry.type} cannot be written to the ledger: ${asCodedError(error).message}`,
        { hint: 'An alarm is hidden only when it is on record by whom and why.', cause: error },
      );
    }
  }

  /** Writes what is waiting, where nothing is being written. */
  flush(): void {
    if (this.#writing !== undefined || !this.#isDirty) return;
    this.#writing = this.#write()
      // Tried again with the next change or tick.
      .catch(() => undefined)
      .finally(() => {
        this.#writing = undefined;
      });
  }

  /** A last try; never rejects. */
  async close(): Promise<void> {
    await this.#writing;
    this.flush();
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { station: object, journal: open, snapshot } = this.#options;
    const journal = await open();
    while (this.#isDirty) {
      for (let entry = this.#waiting[0]; entry !== undefined; entry = this.#waiting[0]) {
        await journal.appendLedger({ ...entry, object });
        this.#waiting.shift();
      }
      if (this.#lost > 0) {
        const detail = { lost: this.#lost };
        await journal.appendLedger({ type: 'alarm.unrecorded', actor: 'system', object, detail });
        this.#lost -= detail.lost;
      }
      this.#isDirty = false;
      try {
        await journal.setValue(this.key, snapshot());
      } catch (error) {
        this.#isDirty = true;
        throw error;
      }
    }
  }
}
