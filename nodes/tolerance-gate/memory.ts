/** What a gate knows again after a restart, in the journal of its station. */
import type { Label, LedgerEntry } from '../../lib/journal/types.ts';
import type { Station } from '../../lib/station/types.ts';

/** Labels read at a time. */
const PAGE = 5000;

export class GateMemory {
  readonly #station: Station | undefined;
  readonly #key: string;
  readonly #fail: (error: unknown) => void;
  #saving = false;
  #unsaved: (() => unknown) | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `fail` hears of a journal that does not take what changes with every part. */
  constructor(station: Station | undefined, key: string, fail: (error: unknown) => void) {
    this.#station = station;
    this.#key = key;
    this.#fail = fail;
  }

  /** Rejects with the journal's error; undefined without a station, and for what was never saved. */
  async load(name: string): Promise<unknown> {
    return (await this.#station?.journal())?.getValue(this.#keyOf(name));
  }

  /** Resolves when it is durable. */
  async save(name: string, value: unknown): Promise<void> {
    await (await this.#station?.journal())?.setValue(this.#keyOf(name), value);
  }

  /** Keeps the newest state of the stream: at most one write is under way, and holds up no part. */
  keepState(state: () => unknown): void {
    if (this.#station === undefined) return;
    this.#unsaved = state;
    if (!this.#saving) this.#writing = this.#saveStates();
  }

  /** Resolves when the last state is durable or has been reported. */
  settled(): Promise<void> {
    return this.#writing;
  }

  /** Into the ledger, without holding up the part that was the occasion. */
  note(entry: LedgerEntry): void {
    this.#station
      ?.journal()
      .then((journal) => journal.appendLedger(entry))
      .catch(this.#fail);
  }

  async labels(sinceSequence: number, take: (label: Label) => void): Promise<void> {
    const journal = await this.#station?.journal();
    for (let after = 0; journal !== undefined;) {
      const page = await journal.labels({ sinceSequence, after, limit: PAGE });
      page.forEach(take);
      after = page.at(-1)?.rowId ?? 0;
      if (page.length < PAGE) return;
    }
  }

  async #saveStates(): Promise<void> {
    this.#saving = true;
    try {
      for (let state = this.#unsaved; state !== undefined; state = this.#unsaved) {
        this.#unsaved = undefined;
        await this.save('state', state());
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#saving = false;
    }
  }

  /** The tolerance has the plain key since the first version of the gate. */
  #keyOf(name: string): string {
    return name === 'tolerance' ? `gate:${this.#key}` : `gate-${name}:${this.#key}`;
  }
}
