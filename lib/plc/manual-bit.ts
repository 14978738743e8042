/**
 * The bit with which a PLC says that a person runs its machine by hand, watched, so that every station that
 * acts there hears of both edges at once and not with its next command only.
 */
import type { Reading } from './transport.ts';

/** As {@link TagWatch}: tells each change of a tag once, beginning with its present value. */
export interface Watch {
  watch(tag: string, listener: (seen: Reading | Error) => void): () => void;
}

interface Listener {
  override(seen: { endpoint: string; endpointId: string; tag: string; on: boolean; reason?: string }): void;
}

export class ManualBit {
  readonly #named: { endpoint: string; endpointId: string };
  readonly #tag: string;
  readonly #stop: () => void;
  readonly #listeners = new Map<Listener, number>();
  #on: boolean | undefined;

  constructor(named: { endpoint: string; endpointId: string }, tag: string, watch: Watch) {
    this.#named = named;
    this.#tag = tag;
    this.#stop = watch.watch(tag, (seen) => {
      // While it cannot be read nothing can be written either; what was known last still holds.
      if (seen instanceof Error) return;
      this.#on = !seen.good || seen.value !== false;
      for (const listener of this.#listeners.keys()) this.#tell(listener);
    });
  }

  /** True while it says so, as last seen; a value that the PLC itself doubts counts as by hand. */
  get on(): boolean {
    return this.#on === true;
  }

  join(listener: Listener): () => void {
    this.#listeners.set(listener, (this.#listeners.get(listener) ?? 0) + 1);
    this.#tell(listener);
    let joined = true;
    return () => {
      if (!joined) return;
      joined = false;
      const others = (this.#listeners.get(listener) ?? 1) - 1;
      if (others > 0) this.#listeners.set(listener, others);
      else this.#leave(listener);
    };
  }

  close(): void {
    this.#stop();
    for (const listener of this.#listeners.keys()) this.#leave(listener);
  }

  /** What nobody sees any more must not stand for ever. */
  #leave(listener: Listener): void {
    if (!this.#listeners.delete(listener) || !this.on) return;
    const reason = `${this.#tag} is no longer watched`;
    listener.override({ ...this.#named, tag: this.#tag, on: false, reason });
  }

  #tell(listener: Listener): void {
    if (this.#on === undefined) return;
    listener.override({ ...this.#named, tag: this.#tag, on: this.#on });
  }
}
