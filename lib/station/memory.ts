/** The journal of a station: opened when first needed, kept open while anybody holds it. */
import { mkdir } from 'node:fs/promises';
import { asCodedError } from '../errors.ts';
import type { Journal } from '../journal/types.ts';
import { StationError } from './errors.ts';

export interface MemoryOptions {
  station: string;
  /** Absolute; made when first needed. */
  folder: string;
  open: (options: { folder: string }) => Promise<Journal>;
  /** Takes from a journal that was opened what the station has to know before anybody uses it. */
  onOpen: (journal: Journal) => Promise<void>;
  onFailure: (message: string) => void;
}

export class StationMemory {
  readonly #options: MemoryOptions;
  readonly #holds = new Set<Promise<void>>();
  #journal: Promise<Journal> | undefined;
  #isClosed = false;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Rejects with `JOURNAL_UNAVAILABLE` where it cannot be opened; tries again when asked again. */
  journal(): Promise<Journal> {
    if (this.#isClosed) {
      const { station } = this.#options;
      return Promise.reject(new StationError('JOURNAL_UNAVAILABLE', `station ${station} is closed`));
    }
    this.#journal ??= this.#open();
    return this.#journal;
  }

  /** Keeps the journal open until the returned function is called: nodes are closed in any order. */
  hold(): () => void {
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    this.#holds.add(held);
    return () => {
      this.#holds.delete(held);
      letGo();
    };
  }

  /** Waits for who holds it. */
  async close(): Promise<void> {
    await Promise.all(this.#holds);
    this.#isClosed = true;
    const journal = await this.#journal?.catch(() => undefined);
    await journal?.close();
  }

  async #open(): Promise<Journal> {
    const { folder, open, onOpen, onFailure } = this.#options;
    try {
      await mkdir(folder, { recursive: true });
      const journal = await open({ folder });
      try {
        await onOpen(journal);
      } catch (error) {
        await journal.close();
        throw error;
      }
      return journal;
    } catch (error) {
      this.#journal = undefined;
      const { message } = asCodedError(error);
      onFailure(message);
      throw new StationError('JOURNAL_UNAVAILABLE', `the journal in ${folder} cannot be opened: ${message}`, {
        hint: 'Check that Node-RED may write in the station folder and that the disk is not full.',
        cause: error,
      });
    }
  }
}
