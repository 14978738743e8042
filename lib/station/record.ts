/**
 * What a station writes down of itself. What widens it is written before it takes effect and refused when it
 * cannot be written; what narrows it takes effect first. Either way a record that fails is told.
 */
import { asCodedError } from '../errors.ts';
import type { LedgerEntry } from '../journal/types.ts';
import { StationError } from './errors.ts';
import type { StationMemory } from './memory.ts';

export type Entry = Omit<LedgerEntry, 'object'>;

export class StationRecord {
  readonly #station: string;
  readonly #memory: StationMemory;
  readonly #onFailure: (message: string) => void;

  constructor(station: string, memory: StationMemory, onFailure: (message: string) => void) {
    this.#station = station;
    this.#memory = memory;
    this.#onFailure = onFailure;
  }

  /** Into the ledger before it takes effect; rejects with `ARM_REFUSED` when that fails. */
  async audit(entry: Entry): Promise<void> {
    try {
      await (await this.#memory.journal()).appendLedger({ ...entry, object: this.#station });
    } catch (error) {
      const { message } = asCodedError(error);
      this.#onFailure(`ledger: ${message}`);
      throw new StationError('ARM_REFUSED', `${entry.type} cannot be written to the ledger: ${message}`, {
        cause: error,
      });
    }
  }

  /** Into the ledger after it took effect: narrowing never waits for a disk. */
  note(entry: Entry): void {
    this.#later('ledger', async () => {
      await (await this.#memory.journal()).appendLedger({ ...entry, object: this.#station });
    });
  }

  /** Keeps a value as it is when the journal takes it. */
  keep(key: string, value: () => unknown): void {
    this.#later(key, async () => {
      const journal = await this.#memory.journal();
      await journal.setValue(this.keyOf(key), value());
    });
  }

  /** Keeps a value before it takes effect; rejects with `ARM_REFUSED`. */
  async replace(key: string, value: unknown): Promise<void> {
    try {
      await (await this.#memory.journal()).setValue(this.keyOf(key), value);
    } catch (error) {
      throw new StationError('ARM_REFUSED', `${key} cannot be kept: ${asCodedError(error).message}`, {
        cause: error,
      });
    }
  }

  keyOf(key: string): string {
    return `station:${this.#station}:${key}`;
  }

  #later(what: string, write: () => Promise<void>): void {
    if (this.#memory.isClosed) return;
    write().catch((error: unknown) => this.#onFailure(`${what}: ${asCodedError(error).message}`));
  }
}
