/**
 * One after the other on the same file or folder: a share that hangs keeps the one operation that is
 * under way, and a thread with it, for ever. Each further one would take another thread, and with all
 * four of them the files of every other camera stand still.
 */
export class Turns {
  #isTaken = false;
  readonly #waiting = new Set<() => void>();

  /**
   * Does the work once all that was begun before has ended, in the order of the calls. Who stops waiting
   * leaves nothing behind.
   *
   * @throws the signal's reason when it is aborted before the work begins; what the work throws
   */
  async take<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    signal.throwIfAborted();
    if (this.#isTaken) await this.#mine(signal);
    this.#isTaken = true;
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#isTaken = false;
      else next();
    }
  }

  #mine(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(go);
        signal.removeEventListener('abort', onAbort);
      };
      const go = (): void => {
        leave();
        resolve();
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      this.#waiting.add(go);
      signal.addEventListener('abort', onAbort);
    });
  }
}
