/** The commands of one plc-write: the same manner for all of them, whatever they are for. */
import { ulid } from 'ulid';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { Command, CommandEngine, Outcome } from '../../lib/plc/command.ts';
import type { Fallback } from '../../lib/plc/fallback.ts';
import type { CommandRequest } from '../../lib/station/types.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { Manner } from './config.ts';

type Part = Pick<Inspection['part'], 'id' | 'station' | 'startedAt' | 'deadlineMs'>;

/** A decision that is too old, of the wrong type, outside of a fence or about a bad tag decides nothing. */
const NO_INPUT = new Set<Outcome['reason']>(['STALE', 'OUT_OF_RANGE', 'NOT_GOOD']);

export class Commands {
  readonly #manner: Manner;
  readonly #engine: CommandEngine;
  readonly #station: StationControl;
  /** Aborted when the node is closed. */
  readonly #signal: AbortSignal;
  #inputs: Pick<Fallback, 'input'> | undefined;

  constructor(manner: Manner, engine: CommandEngine, station: StationControl, signal: AbortSignal) {
    this.#manner = manner;
    this.#engine = engine;
    this.#station = station;
    this.#signal = signal;
  }

  /** Tells of every command that is given here, and whether it was an input. */
  tell(inputs: Pick<Fallback, 'input'>): void {
    this.#inputs = inputs;
  }

  /** A decision about a part, in the time the part has. */
  async decide(part: Part, value: unknown, signal: AbortSignal): Promise<{ id: string; outcome: Outcome }> {
    const id = ulid();
    // A part that was opened without a station has no deadline of its own.
    const mostMs = part.station === '' ? this.#station.defaultDeadlineMs : Infinity;
    const deadlineMs = Math.min(part.deadlineMs, mostMs);
    const times = { startedAt: part.startedAt, deadlineMs };
    const given = { id, partId: part.id, value, actor: 'system', purpose: 'decision', signal } as const;
    return { id, outcome: await this.#give({ ...given, ...times }) };
  }

  /** What a person or a program asks for from outside of the flow. */
  request({ value, actor, key, signal }: CommandRequest): Promise<Outcome> {
    return this.#now({ id: key, value, actor, purpose: 'request', signal });
  }

  /** A person lets go. */
  release(value: unknown, actor: string): Promise<Outcome> {
    return this.#now({ id: ulid(), value, actor, purpose: 'release', signal: this.#signal });
  }

  /** The output that was defined for a station that does not decide any more. */
  fallback(value: unknown): Promise<Outcome> {
    return this.#now({ id: ulid(), value, actor: 'system', purpose: 'fallback', signal: this.#signal });
  }

  #now(given: Pick<Command, 'id' | 'value' | 'actor' | 'purpose' | 'signal'>): Promise<Outcome> {
    const deadlineMs = this.#manner.timeoutMs;
    return this.#give({ ...given, partId: null, startedAt: performance.now(), deadlineMs });
  }

  async #give(given: Omit<Command, keyof Manner>): Promise<Outcome> {
    const ended = given.purpose === 'fallback' ? undefined : this.#inputs?.input();
    const outcome = await this.#engine.execute(
      { ...this.#manner, ...given, closing: this.#signal },
      this.#station,
    );
    ended?.(outcome.outcome !== 'refused' || !NO_INPUT.has(outcome.reason));
    return outcome;
  }
}
