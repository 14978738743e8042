/**
 * The way to one tag: one command at a time, and at most one that waits. A newer command takes the
 * place of a waiting one, because a newer part's decision is the one that counts.
 */
export class Lane {
  #busy = false;
  #waiting: ((entered: boolean) => void) | undefined;

  /** True while a newer command waits behind the one whose turn it is. */
  get isContested(): boolean {
    return this.#waiting !== undefined;
  }

  /** Resolves to true when it is this command's turn, to false when a newer one took its place. */
  enter(): Promise<boolean> {
    if (!this.#busy) {
      this.#busy = true;
      return Promise.resolve(true);
    }
    this.#waiting?.(false);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Called once by whoever had its turn. */
  leave(): void {
    const next = this.#waiting;
    this.#waiting = undefined;
    this.#busy = next !== undefined;
    next?.(true);
  }
}
