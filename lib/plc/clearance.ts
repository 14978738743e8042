/**
 * Whether a command may leave at this moment: asked before it waits, after it has waited, and once more right
 * before each of its requests goes to the socket, because every wait is time in which a person may disarm.
 */
import type { Authority, Cause } from './authority.ts';
import type { Command } from './types.ts';
import { refused, type Verdict } from './outcome.ts';
import type { Transport } from './transport.ts';

/** A command under the arming it was given in. */
export interface Admitted {
  command: Command;
  authority: Authority;
  /** Of the lease that held when it was given. */
  leaseId: string | null;
  /** It has its outcome: nothing more of it may leave. */
  isOver: boolean;
}

export class Clearance {
  readonly #endpoint: string;
  readonly #transport: Transport;
  readonly #isManual: () => boolean;
  readonly #now: () => number;
  /** Why nothing but a defined output may leave, whoever is armed; by code. */
  readonly #suspended = new Map<string, string>();

  constructor(endpoint: string, transport: Transport, isManual: () => boolean, now: () => number) {
    this.#endpoint = endpoint;
    this.#transport = transport;
    this.#isManual = isManual;
    this.#now = now;
  }

  suspend({ code, message }: Cause): void {
    this.#suspended.set(code, message);
  }

  resume(code: string): void {
    this.#suspended.delete(code);
  }

  /** Undefined where it may leave; in the order in which a person would ask. */
  objection({ command, authority, leaseId, isOver }: Admitted): Verdict | undefined {
    const { startedAt, deadlineMs, purpose } = command;
    const { autonomy } = authority;
    if (isOver) return refused('INTERRUPTED', 'it was given up');
    if (autonomy !== 'act' && autonomy !== 'confirm')
      return refused('AUTONOMY', `the station may ${autonomy}`);
    const unarmed = purpose === 'fallback' ? undefined : notArmed(authority, leaseId);
    if (unarmed !== undefined) return unarmed;
    if (this.#isManual()) return refused('MANUAL', 'the machine is run by hand');
    const ageMs = this.#now() - startedAt;
    // Written so that an age that is not a number is late; below 0 it is from the clock of an earlier process.
    if (!(ageMs >= 0 && ageMs <= deadlineMs))
      return refused('STALE', `${Math.round(ageMs)} ms old, due after ${deadlineMs} ms`);
    if (!this.#transport.linkUp()) return refused('LINK_DOWN', `no link to ${this.#endpoint}`);
    const [why] = this.#suspended.values();
    return why === undefined || purpose === 'fallback' ? undefined : refused('NOT_ARMED', why);
  }
}

/** A disarm is not undone for what was given before it by arming the station anew. */
function notArmed(authority: Authority, leaseId: string | null): Verdict | undefined {
  const arming = authority.arming();
  if (arming.state !== 'ARMED') return refused('NOT_ARMED', `the station is ${arming.state}`);
  if (authority.mode === 'STOPPED') return refused('NOT_ARMED', 'the station has stopped itself');
  if (arming.leaseId !== leaseId)
    return refused('NOT_ARMED', 'the station was armed anew since it was given');
  return undefined;
}
