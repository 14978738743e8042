/** The on-delay timer of IEC 61131-3 (TON), on an injected clock: what a PLC program measures time with. */

/** `q` rises when the input has been true for the preset time; `elapsedMs` counts up to it and no further. */
export class TimerOnDelay {
  readonly #now: () => number;
  #since: number | undefined;
  q = false;
  elapsedMs = 0;

  /** @param now Monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** One call of the block: time starts with the call that first sees the input true. */
  call(input: boolean, presetMs: number): void {
    if (!input) {
      this.#since = undefined;
      this.elapsedMs = 0;
      this.q = false;
      return;
    }
    this.#since ??= this.#now();
    this.elapsedMs = Math.min(presetMs, this.#now() - this.#since);
    this.q = this.elapsedMs >= presetMs;
  }
}
