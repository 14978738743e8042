/**
 * What became of commands whose effect could not be seen, found out by reading alone and written into
 * the ledger (`plc.settled`). Nothing is ever sent to the PLC from here.
 *
 * What is open is kept in the journal too, so that a later process settles what this one could not.
 */
import { asCodedError } from '../errors.ts';
import type { CommandRecord, Journal } from '../journal/types.ts';
import type { HandshakeProfile, HandshakeTags } from './handshake-profile.ts';
import type { Verdict } from './outcome.ts';
import { plainValue, sameValue, type TagValue } from './tag-type.ts';
import type { Transport } from './transport.ts';

/** Pauses between looks for an acknowledgement that has not come; a slow program acknowledges late. */
const LOOK_AGAIN_MS = [250, 500, 1000, 2000, 4000];
/** For a command of which only the record is left. */
const TIMEOUT_MS = 1000;

/** Whose command it was. */
export interface Owner {
  journal(): Promise<Journal>;
  disarm(by: { actor: string; reason: string }): Promise<unknown>;
  trip(cause: { code: string; message: string }): void;
}

export interface OpenCommand {
  id: string;
  number: number;
  tag: string;
  value: TagValue | null;
  tolerance: number;
  timeoutMs: number;
  handshake?: HandshakeTags | undefined;
}

interface Open {
  command: OpenCommand;
  owner: Owner;
  looks: number;
  /** The look that is under way. */
  looking?: Promise<void> | undefined;
}

export class Settling {
  readonly #endpoint: { id: string; endpoint: string };
  readonly #transport: Transport;
  readonly #profile: HandshakeProfile;
  readonly #open = new Map<string, Open>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Given every round, so that the link is not closed under it. */
  readonly #track: (work: Promise<void>) => void;
  /** How often settling was asked for since it began; 0 while nobody is at it. */
  #asked = 0;
  #closed = false;

  constructor(
    endpoint: { id: string; endpoint: string },
    transport: Transport,
    profile: HandshakeProfile,
    track: (work: Promise<void>) => void,
  ) {
    this.#endpoint = endpoint;
    this.#transport = transport;
    this.#profile = profile;
    this.#track = track;
  }

  /** What is open already is taken over: its owner was closed when another one finds it in the journal. */
  add(command: OpenCommand, owner: Owner): void {
    const open = this.#open.get(command.id);
    if (open === undefined) this.#open.set(command.id, { command, owner, looks: 0 });
    else open.owner = owner;
  }

  /** Resolves when what is looked at for this owner now has been seen. */
  async rest(owner: Owner): Promise<void> {
    for (const open of this.#of(owner)) await open.looking;
  }

  /** Leaves what is open of this owner to whoever finds it in its journal. */
  drop(owner: Owner): void {
    for (const { command } of this.#of(owner)) this.#open.delete(command.id);
  }

  /** Makes what is open of this owner durable; a journal that fails disarms, as everywhere. */
  async keep(owner: Owner): Promise<void> {
    const open = this.#of(owner).map(({ command }) => command);
    try {
      await (await owner.journal()).setValue(this.#key, open);
    } catch (error) {
      await owner.disarm({ actor: 'system', reason: `journal: ${asCodedError(error).message}` });
    }
  }

  /** What an earlier process had not settled. */
  async kept(owner: Owner): Promise<OpenCommand[]> {
    const kept = await (await owner.journal()).getValue(this.#key);
    return Array.isArray(kept) ? (kept as OpenCommand[]) : [];
  }

  /**
   * Looks once more at what is open in a block before another number takes the place of theirs there:
   * afterwards nothing can be learnt of them.
   */
  async before({ ackId }: HandshakeTags): Promise<void> {
    for (const open of [...this.#open.values()]) {
      if (open.command.handshake?.ackId !== ackId) continue;
      await open.looking;
      if (!this.#open.has(open.command.id)) continue;
      open.looks = LOOK_AGAIN_MS.length;
      await this.#settleOne(open);
    }
  }

  /** Asked again while it is at it, it goes round once more: what failed before the link came back is tried again. */
  async settle(): Promise<void> {
    this.#asked += 1;
    if (this.#asked > 1) return;
    let begun: number;
    do {
      begun = this.#asked;
      for (const open of [...this.#open.values()]) {
        if (!this.#transport.linkUp()) break;
        await this.#settleOne(open);
      }
    } while (begun !== this.#asked);
    this.#asked = 0;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Never rejects. What fails stays open. */
  #settleOne(open: Open): Promise<void> {
    open.looking ??= this.#look(open).finally(() => (open.looking = undefined));
    return open.looking;
  }

  async #look(open: Open): Promise<void> {
    const { command } = open;
    if (!this.#open.has(command.id)) return;
    try {
      const finding = await this.#find(open);
      if (finding === undefined) {
        this.#lookAgain(open);
        return;
      }
      const { id: commandId, tag, value: requested } = command;
      await (
        await open.owner.journal()
      ).appendLedger({
        type: 'plc.settled',
        actor: 'system',
        object: tag,
        detail: { commandId, endpoint: this.#endpoint.endpoint, requested, ...finding },
      });
      if (finding['outcome'] === 'clamped') {
        open.owner.trip({
          code: 'CLAMPED',
          message: `${tag} was given ${requested} and holds ${String(finding['holds'])}`,
        });
      }
    } catch {
      // Behind the others, so that a tag whose reading costs the link does not block theirs for ever.
      this.#open.delete(command.id);
      this.#open.set(command.id, open);
      return;
    }
    this.#open.delete(command.id);
    await this.keep(open.owner);
  }

  /** Undefined while an acknowledgement may still come. */
  async #find({ command, looks }: Open): Promise<Record<string, unknown> | undefined> {
    const { tag, value, tolerance, timeoutMs, number, handshake } = command;
    if (handshake === undefined || value === null) {
      const { dataType } = await this.#transport.describe(tag);
      const { value: holds } = await this.#transport.read(tag, timeoutMs);
      return { holds, matches: value !== null && sameValue(value, holds, dataType, tolerance) };
    }
    const said = await this.#profile.look(handshake, { tag, value, tolerance, timeoutMs, number });
    // An output that is not there yet may be on its way.
    const isFinal = said !== undefined && said.outcome !== 'clamped';
    if (!isFinal && looks < LOOK_AGAIN_MS.length) return undefined;
    return { number, acknowledged: said !== undefined, ...findingOf(said) };
  }

  #lookAgain(open: Open): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#track(this.settle());
    }, LOOK_AGAIN_MS[open.looks]);
    timer.unref();
    this.#timers.add(timer);
    open.looks += 1;
  }

  #of(owner: Owner): Open[] {
    return [...this.#open.values()].filter((open) => open.owner === owner);
  }

  get #key(): string {
    return `plc:${this.#endpoint.id}:unsettled`;
  }
}

/** A command of an earlier process of which only its record is left. */
export function openOf({ id, number, tag, value }: CommandRecord, handshake?: HandshakeTags): OpenCommand {
  return { id, number, tag, value: plainValue(value), tolerance: 0, timeoutMs: TIMEOUT_MS, handshake };
}

function findingOf(said: Verdict | undefined): Record<string, unknown> {
  if (said === undefined) return { outcome: 'unknown', holds: null, matches: false };
  const { outcome, reason, readBack: holds } = said;
  return { outcome, ...(reason === undefined ? {} : { reason }), holds, matches: outcome === 'confirmed' };
}
