/** What people found parts to be: kept first, told then. */
import { asCodedError } from '../errors.ts';
import type { Label, NewLabel } from '../journal/types.ts';
import { StationError } from './errors.ts';
import { Listeners } from './listeners.ts';
import type { StationMemory } from './memory.ts';

export class Labels {
  readonly #station: string;
  readonly #memory: StationMemory;
  readonly #listeners = new Listeners<Label>();

  constructor(station: string, memory: StationMemory) {
    this.#station = station;
    this.#memory = memory;
  }

  /** Rejects with `NOT_FOUND` for a part that is not on record, with the journal's error when it cannot be kept. */
  async record(request: Omit<NewLabel, 'station'>): Promise<Label> {
    const journal = await this.#memory.journal();
    const label = await journal
      .recordLabel({ ...request, station: this.#station })
      .catch((error: unknown) => {
        const { code, message } = asCodedError(error);
        throw code === 'JOURNAL_NOT_FOUND' ? new StationError('NOT_FOUND', message, { cause: error }) : error;
      });
    this.#listeners.tell(label);
    return label;
  }

  onLabel(listener: (label: Label) => void): () => void {
    return this.#listeners.add(listener);
  }
}
