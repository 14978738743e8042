/**
 * The one Arm bit of an endpoint with several tags: true while somebody answers for a tag, and false as soon as one
 * tag was released, because the PLC can be told nothing finer than that.
 *
 * Where one station stops answering while another goes on, the bit falls for long enough that the PLC sees it: what the
 * first had commanded would go on holding under the other's arming. What the other had commanded falls with it, until
 * its next command.
 */
import { systemClock, type Clock } from '../clock.ts';
import type { FallbackPhase } from './fallback.ts';

interface Output {
  /** Of whose arming it depends. */
  owner: object;
  phase: () => FallbackPhase;
  /** As last seen. */
  was: FallbackPhase;
}

export class ArmBit {
  readonly #outputs = new Set<Output>();
  readonly #fallMs: number;
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** Monotonic, until when it is false whoever answers. */
  #downUntil = -Infinity;

  constructor({
    fallMs,
    changed,
    clock = systemClock,
  }: {
    fallMs: number;
    changed: () => void;
    clock?: Clock;
  }) {
    this.#fallMs = fallMs;
    this.#changed = changed;
    this.#clock = clock;
  }

  get isSet(): boolean {
    return this.#clock.now() >= this.#downUntil && armBit([...this.#outputs].map(({ phase }) => phase()));
  }

  /** Makes an output known; returns the way to take it back. */
  add(owner: object, phase: () => FallbackPhase): () => void {
    const output: Output = { owner, phase, was: phase() };
    this.#outputs.add(output);
    this.#changed();
    return () => {
      this.#outputs.delete(output);
      if (output.was !== 'idle') this.#left(owner);
      this.#changed();
    };
  }

  /** The phase of an output has changed. */
  look(): void {
    for (const output of this.#outputs) {
      const { was, owner } = output;
      output.was = output.phase();
      if (was !== 'idle' && output.was === 'idle') this.#left(owner);
    }
    this.#changed();
  }

  #left(owner: object): void {
    const others = [...this.#outputs].filter((other) => other.owner !== owner && other.phase() !== 'idle');
    if (others.length > 0) this.#downUntil = this.#clock.now() + this.#fallMs;
  }
}

export function armBit(phases: Iterable<FallbackPhase>): boolean {
  let answers = false;
  for (const phase of phases) {
    if (phase === 'released') return false;
    if (phase !== 'idle') answers = true;
  }
  return answers;
}
