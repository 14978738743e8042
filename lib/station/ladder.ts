/**
 * Where a station stands on the ladder and why, in memory and, as plain JSON, in its journal: a restart is
 * no person who vouches that the cause is gone.
 */
import type { Mode } from '../inspection/inspection.ts';
import { LADDER, stepDown } from './mode.ts';
import type { Cause } from './types.ts';

/** As it is kept. */
export interface LadderState {
  mode: Mode;
  concerns: Cause[];
}

export const TOP: LadderState = { mode: 'NORMAL', concerns: [] };

const UNREADABLE: Cause = {
  code: 'MODE_UNREADABLE',
  message: 'what the station kept of its mode before the restart cannot be read',
};

export class Ladder {
  #mode: Mode = 'NORMAL';
  /** By code; the first of a code stays. */
  readonly #concerns = new Map<string, Cause>();

  get mode(): Mode {
    return this.#mode;
  }

  concerns(): Cause[] {
    return [...this.#concerns.values()].map((cause) => ({ ...cause }));
  }

  /** False when it changes nothing. A second cause of the same step is kept too: a person must know of both. */
  down(wanted: Mode, { code, message }: Cause): boolean {
    const next = stepDown(this.#mode, wanted);
    const isKnown = this.#concerns.has(code);
    if (next === this.#mode && (isKnown || next === 'NORMAL')) return false;
    if (!isKnown) this.#concerns.set(code, { code, message });
    this.#mode = next;
    return true;
  }

  clear(): void {
    this.#mode = 'NORMAL';
    this.#concerns.clear();
  }

  /** Takes what was kept on top of what has happened since; undefined: nothing was. What cannot be read is doubt. */
  restore(kept: unknown): void {
    if (kept === undefined) return;
    if (!isState(kept)) {
      this.down('CONSERVATIVE', UNREADABLE);
      return;
    }
    const since = this.concerns();
    this.#mode = stepDown(this.#mode, kept.mode);
    this.#concerns.clear();
    for (const { code, message } of [...kept.concerns, ...since]) {
      if (!this.#concerns.has(code)) this.#concerns.set(code, { code, message });
    }
  }

  toJSON(): LadderState {
    return { mode: this.#mode, concerns: this.concerns() };
  }
}

function isState(value: unknown): value is LadderState {
  if (typeof value !== 'object' || value === null) return false;
  const { mode, concerns } = value as Partial<Record<keyof LadderState, unknown>>;
  return (LADDER as readonly unknown[]).includes(mode) && Array.isArray(concerns) && concerns.every(isCause);
}

function isCause(value: unknown): value is Cause {
  if (typeof value !== 'object' || value === null) return false;
  const { code, message } = value as Partial<Record<keyof Cause, unknown>>;
  return typeof code === 'string' && typeof message === 'string';
}
