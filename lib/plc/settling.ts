/**
 * What became of commands whose effect could not be seen, found out by reading alone and written into
 * the ledger (`plc.settled`). Nothing is ever sent to the PLC from here.
 *
 * What is open is kept in the journal too, so that a later process settles what this one could not.
 */
import { asCodedError } from '../errors.ts';
import type { CommandOutcome } from '../inspection/inspection.ts';
import type { CommandRecord, Journal } from '../journal/types.ts';
import type { HandshakeProfile, HandshakeTags } from './handshake-profile.ts';
import type { Verdict } from './outcome.ts';
import { plainValue, sameValue, type TagValue } from './tag-type.ts';
import type { Transport } from './transport.ts';

/** Pauses between looks for an acknowledgement that has not come; a slow program acknowledges late. */
const LOOK_AGAIN_MS = [250, 500, 1000, 2000, 4000];
const LAST_PAUSE_MS = 4000;
/** For a command of which only the record is left, and a tag that nobody writes any more. */
const NO_MANNER = { settleMs: 0, tolerance: 0, timeoutMs: 1000 };

/** Whose command it was. */
export interface Owner {
  journal(): Promise<Journal>;
  disarm(by: { actor: string; reason: string }): Promise<unknown>;
  trip(cause: { code: string; message: string }): void;
  /** What reading has shown of a command whose outcome was unknown. */
  settled(commandId: string, finding: Finding): void;
}

/** What the PLC holds now, and whether that is what the command asked for. */
export interface Finding {
  holds: TagValue | null;
  matches: boolean;
  /** Where the PLC itself says what it did with the command: a function block does, a plain tag does not. */
  outcome?: CommandOutcome;
  reason?: string;
}

export interface OpenCommand {
  id: string;
  number: number;
  tag: string;
  value: TagValue | null;
  /** Longest time that a plain tag is looked at before another value is taken for final. */
  settleMs: number;
  tolerance: number;
  timeoutMs: number;
  handshake?: HandshakeTags | undefined;
}

interface Open {
  command: OpenCommand;
  owner: Owner;
  looks: number;
  /** Sum of the pauses between looks. */
  waitedMs: number;
  /** Nothing can be learnt after the next look. */
  isLast: boolean;
  again?: NodeJS.Timeout | undefined;
  /** The look that is under way. */
  looking?: Promise<void> | undefined;
}

export class Settling {
  readonly #endpoint: { id: string; endpoint: string };
  readonly #transport: Transport;
  readonly #profile: HandshakeProfile;
  readonly #open = new Map<string, Open>();
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
    if (open === undefined)
      this.#open.set(command.id, { command, owner, looks: 0, waitedMs: 0, isLast: false });
    else open.owner = owner;
  }

  /** Resolves when what is looked at for this owner now has been seen. */
  async rest(owner: Owner): Promise<void> {
    for (const open of this.#of(owner)) await open.looking;
  }

  /** Leaves what is open of this owner to whoever finds it in its journal. */
  drop(owner: Owner): void {
    for (const { command, again } of this.#of(owner)) {
      clearTimeout(again);
      this.#open.delete(command.id);
    }
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
   * Looks once more at what is open of a tag or a block before another command takes its place there: afterwards
   * nothing can be learnt of it.
   */
  async before({ tag, handshake }: Pick<OpenCommand, 'tag' | 'handshake'>): Promise<void> {
    for (const open of [...this.#open.values()]) {
      const { command } = open;
      if (command.handshake?.ackId !== handshake?.ackId) continue;
      if (handshake === undefined && command.tag !== tag) continue;
      await open.looking;
      if (!this.#open.has(command.id)) continue;
      open.isLast = true;
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
    for (const { again } of this.#open.values()) clearTimeout(again);
  }

  /** Never rejects. What fails stays open. */
  #settleOne(open: Open): Promise<void> {
    open.looking ??= this.#look(open).finally(() => (open.looking = undefined));
    return open.looking;
  }

  async #look(open: Open): Promise<void> {
    const { command } = open;
    if (!this.#open.has(command.id)) return;
    let finding: (Finding & Record<string, unknown>) | undefined;
    try {
      finding = await this.#find(open);
    } catch {
      this.#failed(open);
      return;
    }
    if (finding === undefined) {
      this.#lookAgain(open);
      return;
    }
    const { id: commandId, tag, value: requested } = command;
    const detail = { commandId, endpoint: this.#endpoint.endpoint, requested, ...finding };
    const { owner } = open;
    try {
      const journal = await owner.journal();
      await journal.appendLedger({ type: 'plc.settled', actor: 'system', object: tag, detail });
    } catch (error) {
      await owner.disarm({ actor: 'system', reason: `journal: ${asCodedError(error).message}` });
      this.#failed(open);
      return;
    }
    owner.settled(commandId, finding);
    if (finding.outcome === 'clamped') {
      const message = `${tag} was given ${requested} and holds ${String(finding['holds'])}`;
      owner.trip({ code: 'CLAMPED', message });
    }
    this.#open.delete(command.id);
    await this.keep(open.owner);
  }

  /** Undefined while an acknowledgement, or the value, may still come. */
  async #find({
    command,
    looks,
    waitedMs,
    isLast,
  }: Open): Promise<(Finding & Record<string, unknown>) | undefined> {
    const { tag, value, tolerance, timeoutMs, number, handshake } = command;
    if (handshake === undefined || value === null) {
      const { dataType } = await this.#transport.describe(tag);
      const { value: holds } = await this.#transport.read(tag, timeoutMs);
      const matches = value !== null && sameValue(value, holds, dataType, tolerance);
      return matches || isLast || !(waitedMs < command.settleMs) ? { holds, matches } : undefined;
    }
    const said = await this.#profile.look(handshake, { tag, value, tolerance, timeoutMs, number });
    // An output that is not there yet may be on its way.
    const isFinal = said !== undefined && said.outcome !== 'clamped';
    if (!isFinal && !isLast && looks < LOOK_AGAIN_MS.length) return undefined;
    return { number, acknowledged: said !== undefined, ...findingOf(said) };
  }

  #lookAgain(open: Open): void {
    const pauseMs = LOOK_AGAIN_MS[open.looks] ?? LAST_PAUSE_MS;
    if (!this.#lookAfter(open, pauseMs)) return;
    open.looks += 1;
    open.waitedMs += pauseMs;
  }

  /** Behind the others, so that a tag whose reading costs the link does not block theirs for ever. */
  #failed(open: Open): void {
    if (!this.#open.delete(open.command.id)) return;
    this.#open.set(open.command.id, open);
    // Without a link there is nothing to look at: its return is told.
    if (this.#transport.linkUp()) this.#lookAfter(open, LAST_PAUSE_MS);
  }

  /** False where it is waited for already. */
  #lookAfter(open: Open, pauseMs: number): boolean {
    if (this.#closed || open.again !== undefined) return false;
    open.again = setTimeout(() => {
      open.again = undefined;
      if (this.#transport.linkUp()) this.#track(this.#settleOne(open));
    }, pauseMs);
    open.again.unref();
    return true;
  }

  #of(owner: Owner): Open[] {
    return [...this.#open.values()].filter((open) => open.owner === owner);
  }

  get #key(): string {
    return `plc:${this.#endpoint.id}:unsettled`;
  }
}

/** A command of an earlier process of which only its record is left. */
export function openOf(
  { id, number, tag, value }: CommandRecord,
  manner: Partial<OpenCommand> = {},
): OpenCommand {
  const { settleMs, tolerance, timeoutMs, handshake } = { ...NO_MANNER, ...manner };
  return { id, number, tag, value: plainValue(value), settleMs, tolerance, timeoutMs, handshake };
}

function findingOf(said: Verdict | undefined): Finding {
  if (said === undefined) return { outcome: 'unknown', holds: null, matches: false };
  const { outcome, reason, readBack: holds } = said;
  return { outcome, ...(reason === undefined ? {} : { reason }), holds, matches: outcome === 'confirmed' };
}
