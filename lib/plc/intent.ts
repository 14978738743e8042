/** The one durable write before anything of a command is sent: who wants what, and under which number. */
import { asCodedError } from '../errors.ts';
import type { CommandNumber } from '../journal/types.ts';
import { unwritten } from './aftermath.ts';
import type { Admitted, Clearance } from './clearance.ts';
import type { HandshakeProfile } from './handshake-profile.ts';
import { refused, type Verdict } from './outcome.ts';
import type { Recoveries } from './recovery.ts';
import { plainValue } from './tag-type.ts';

export class Intents {
  readonly #endpoint: { id: string; endpoint: string };
  readonly #recoveries: Recoveries;
  readonly #handshake: HandshakeProfile;
  readonly #clearance: Clearance;

  constructor(
    endpoint: { id: string; endpoint: string },
    recoveries: Recoveries,
    handshake: HandshakeProfile,
    clearance: Clearance,
  ) {
    this.#endpoint = endpoint;
    this.#recoveries = recoveries;
    this.#handshake = handshake;
    this.#clearance = clearance;
  }

  /** Its number, or why there is none: it was given before, or cannot be made durable, which disarms. */
  async record(admitted: Admitted): Promise<Verdict | CommandNumber> {
    const { command, authority } = admitted;
    const { id, partId, tag, value, actor, purpose = 'decision' } = command;
    try {
      // What was left open is known before anything is added to it.
      await this.#recoveries.of(authority).recalled;
      const above = await this.#newestNumber(admitted);
      const journal = await authority.journal();
      const { endpoint, id: endpointId } = this.#endpoint;
      const intent = { id, partId, endpoint, endpointId, tag, value: plainValue(value), actor, purpose };
      return await journal.recordCommand({ ...intent, ...(above === undefined ? {} : { above }) });
    } catch (error) {
      const { code, message } = asCodedError(error);
      if (code === 'JOURNAL_DUPLICATE') return refused('DUPLICATE', `command ${id} was given before`);
      await unwritten(error, authority);
      return refused('JOURNAL', message);
    }
  }

  /** What the block has seen, from an endpoint or a journal before this one: its numbers go on above it. */
  async #newestNumber(admitted: Admitted): Promise<number | undefined> {
    const { handshake, timeoutMs } = admitted.command;
    if (handshake === undefined || this.#clearance.objection(admitted) !== undefined) return undefined;
    return this.#handshake.newestNumber(handshake, timeoutMs);
  }
}
