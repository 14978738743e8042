/** The parts of a station, in the order of their triggers; counted on over a restart. */
import type { Clock } from '../clock.ts';
import { openInspection, type Inspection, type NewPart } from '../inspection/inspection.ts';
import type { StationMemory } from './memory.ts';

export class Parts {
  readonly #of: { station: string; deadlineMs: number };
  readonly #memory: StationMemory;
  readonly #clock: Clock;
  #sequence: number | undefined;

  constructor(of: { station: string; deadlineMs: number }, memory: StationMemory, clock: Clock) {
    this.#of = of;
    this.#memory = memory;
    this.#clock = clock;
  }

  /** Rejects with `JOURNAL_UNAVAILABLE` while nobody knows how far it was counted. */
  async next({ id, deadlineMs }: Partial<Pick<NewPart, 'id' | 'deadlineMs'>>): Promise<Inspection> {
    // Taken before anything is awaited: the part's time runs from its trigger.
    const monotonicNow = this.#clock.now();
    const now = new Date(this.#clock.wallNow());
    if (this.#sequence === undefined) {
      const last = await (await this.#memory.journal()).lastSequence();
      // Several parts may have waited for the same answer.
      this.#sequence ??= last;
    }
    this.#sequence += 1;
    return openInspection({
      station: this.#of.station,
      sequence: this.#sequence,
      deadlineMs: deadlineMs ?? this.#of.deadlineMs,
      ...(id === undefined ? {} : { id }),
      ...{ now, monotonicNow },
    });
  }
}
