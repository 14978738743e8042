/**
 * What was under way, or not yet settled, when a process ended: known, and recorded as interrupted, before anything
 * is added to it, then settled by reading. Once per station whose journal answered.
 */
import type { Authority } from './authority.ts';
import type { Aftermath } from './aftermath.ts';
import type { Manner } from './types.ts';
import type { HandshakeProfile } from './handshake-profile.ts';
import { openOf, type OpenCommand, type Settling } from './settling.ts';

interface Recovery {
  /** What was open is known, and recorded as interrupted. */
  recalled: Promise<void>;
  /** It was looked at besides. */
  settled: Promise<void>;
}

interface RecoveryParts {
  settling: Settling;
  handshake: HandshakeProfile;
  aftermath: Aftermath;
  /** What is under way in this process, and so was not left behind. */
  inFlight: ReadonlySet<string>;
  track: <Result>(work: Promise<Result>) => Promise<Result>;
}

export class Recoveries {
  readonly #endpoint: { id: string; endpoint: string };
  readonly #parts: RecoveryParts;
  /** How commands to a tag are given. */
  readonly #manners = new Map<string, Manner>();
  readonly #byAuthority = new WeakMap<Authority, Recovery>();

  constructor(endpoint: { id: string; endpoint: string }, parts: RecoveryParts) {
    this.#endpoint = endpoint;
    this.#parts = parts;
  }

  know(manner: Manner): void {
    this.#manners.set(manner.tag, manner);
  }

  of(authority: Authority): Recovery {
    const known = this.#byAuthority.get(authority);
    if (known !== undefined) return known;
    const { settling, track } = this.#parts;
    const recalled = this.#recall(authority);
    const settled = recalled.then(() => track(settling.settle()));
    const recovery = { recalled, settled };
    this.#byAuthority.set(authority, recovery);
    void track(settled.catch(() => this.forget(authority)));
    return recovery;
  }

  /** It is recovered anew when it comes back. */
  forget(authority: Authority): void {
    this.#byAuthority.delete(authority);
  }

  async #recall(authority: Authority): Promise<void> {
    const { inFlight, settling, aftermath } = this.#parts;
    const journal = await authority.journal();
    const before = new Set(inFlight);
    // What is under way here is looked for at once: by the next step it may have ended in a result of its own.
    const open = (await journal.openCommands()).filter(({ id, endpointId }) => {
      // Under its name: recorded when endpoints had no ids.
      const isOurs = endpointId === this.#endpoint.id || endpointId === this.#endpoint.endpoint;
      return isOurs && !before.has(id) && !inFlight.has(id);
    });
    for (const command of await settling.kept(authority)) this.#reopen(command, authority);
    for (const record of open) {
      const outcome = { outcome: 'unknown', reason: 'INTERRUPTED', readBack: null, ms: 0 } as const;
      this.#reopen(openOf(record, this.#manners.get(record.tag)), authority);
      await aftermath.record(record.id, outcome, authority);
    }
  }

  /** What an earlier process sent may still be on its way, or not yet be taken. */
  #reopen(command: OpenCommand, authority: Authority): void {
    const { handshake, settling } = this.#parts;
    if (command.handshake !== undefined) handshake.expect(command.handshake, command.number);
    settling.add(command, authority);
  }
}
