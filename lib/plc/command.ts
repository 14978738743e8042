/**
 * A write to a PLC as a command: one intended effect with an id, made durable before the first byte
 * leaves, checked, sent once, looked for, and ended in exactly one outcome.
 *
 * An unknown outcome is never sent again: it is settled by reading. A newer command for a tag takes the
 * place of one that waits; nothing waits for a link.
 */
import { setImmediate } from 'node:timers/promises';
import { asCodedError } from '../errors.ts';
import type { CommandNumber, CommandPurpose } from '../journal/types.ts';
import type { Authority, By } from './authority.ts';
import { ChangeFence, RateFence, rangeOf, type FenceLimits } from './fence.ts';
import { HandshakeProfile, type HandshakeTags } from './handshake-profile.ts';
import { Lane } from './lane.ts';
import { ManualBit, type Watch } from './manual-bit.ts';
import { refused, type Outcome, type Verdict } from './outcome.ts';
import { writePlain, type Sending } from './plain-profile.ts';
import { preflight, type Checked, type MachineTags } from './preflight.ts';
import { openOf, Settling, type OpenCommand } from './settling.ts';
import { plainValue, type TagType } from './tag-type.ts';
import type { Transport, WriteGuard } from './transport.ts';

export type { Authority } from './authority.ts';
export type { HandshakeTags } from './handshake-profile.ts';
export type { Outcome } from './outcome.ts';

/** Outcomes that could not be seen, in a row, after which a person has to look. */
const MAX_UNKNOWN = 3;

export interface Command {
  /** Made once by whoever wants the effect; a second command with it is refused. */
  id: string;
  partId: string | null;
  tag: string;
  value: unknown;
  /** `system`, or the person who asked for it; a person's command needs no further approval. */
  actor: string;
  /** A decision about a part unless told. A fallback is written without an arming, and without a person's yes. */
  purpose?: CommandPurpose | undefined;
  /** Tags of the function block that answers; without them the tag is written and read back. */
  handshake?: HandshakeTags | undefined;
  /** Monotonic milliseconds at which the part was triggered, and how long after it this may leave. */
  startedAt: number;
  deadlineMs: number;
  limits: FenceLimits;
  maxPerMinute: number;
  /** What the tag must be; undefined takes what the PLC says. */
  dataType?: TagType | undefined;
  /** How long after the write the PLC may take to show its effect. */
  settleMs: number;
  /** Largest difference between the value and its read-back. */
  tolerance: number;
  /** For each single request to the PLC. */
  timeoutMs: number;
  /** How long a person has to say yes where the station acts only after it. */
  approvalMs: number;
  /** Aborted when nobody waits for the outcome any more; ends the wait for approval, never a write. */
  signal: AbortSignal;
}

export interface CommandEngineOptions extends MachineTags {
  /** Names the PLC in records, for people. */
  endpoint: string;
  /** What tells it from others of the same name, and stays when it is renamed; the name unless told. */
  id?: string | undefined;
  transport: Transport;
  /** Checks and records everything and sends nothing. */
  dryRun?: boolean;
  /** Tells the manual bit between commands; without it the bit is read before each of them only. */
  watch?: Watch | undefined;
  monotonicNow?: () => number;
}

/** How the commands to a tag are given, as far as settling has to know it. */
export type Manner = Pick<Command, 'tag' | 'handshake'> &
  Partial<Pick<Command, 'settleMs' | 'tolerance' | 'timeoutMs'>>;

interface Recovery {
  /** What was open is known, and recorded as interrupted. */
  recalled: Promise<void>;
  /** It was looked at besides. */
  settled: Promise<void>;
}

/** What is remembered of the commands to one tag. */
interface Target {
  rate: RateFence;
  changes: ChangeFence;
  /** Since the last command that was let through. */
  limited: boolean;
}

export class CommandEngine {
  readonly endpoint: string;
  readonly id: string;
  readonly #transport: Transport;
  readonly dryRun: boolean;
  readonly #machine: MachineTags;
  readonly #manual: ManualBit | undefined;
  readonly #now: () => number;
  readonly #handshake: HandshakeProfile;
  readonly #settling: Settling;
  readonly #targets = new Map<string, Target>();
  /** By what may be written one at a time: a tag, or the block with its one number. */
  readonly #lanes = new Map<string, Lane>();
  /** Of tags whose commands of an earlier process may have to be settled. */
  readonly #manners = new Map<string, Manner>();
  readonly #unknownInARow = new WeakMap<Authority, number>();
  /** What is under way and has to end before the link may be closed. */
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #inFlight = new Set<string>();
  readonly #joined = new Map<Authority, number>();
  readonly #recoveries = new WeakMap<Authority, Recovery>();
  readonly #stopListening: () => void;

  constructor(options: CommandEngineOptions) {
    const {
      endpoint,
      id = endpoint,
      transport,
      dryRun = false,
      manualTag,
      interlockTag,
      watch,
      monotonicNow,
    } = options;
    this.endpoint = endpoint;
    this.id = id;
    this.#transport = transport;
    this.dryRun = dryRun;
    this.#machine = { manualTag, interlockTag };
    this.#manual =
      manualTag === undefined || watch === undefined
        ? undefined
        : new ManualBit({ endpoint, endpointId: id }, manualTag, watch);
    this.#now = monotonicNow ?? ((): number => performance.now());
    this.#handshake = new HandshakeProfile(transport, this.#now);
    this.#settling = new Settling(this, transport, this.#handshake, (round) => void this.#track(round));
    this.#stopListening = transport.onLink(({ state }) => {
      if (state === 'up') void this.#track(this.#settling.settle());
    });
  }

  /** Never rejects: whatever happens is one of the four outcomes. */
  execute(command: Command, authority: Authority): Promise<Outcome> {
    return this.#track(this.#execute(command, authority));
  }

  /**
   * Tells the authority of the manual bit, on both edges, until the returned function is called. With the last
   * to leave for an authority, what is not settled of it is left to its journal.
   */
  join(authority: Authority): () => void {
    const leave = this.#manual?.join(authority);
    this.#joined.set(authority, (this.#joined.get(authority) ?? 0) + 1);
    let joined = true;
    return () => {
      if (!joined) return;
      joined = false;
      leave?.();
      const others = (this.#joined.get(authority) ?? 1) - 1;
      if (others > 0) this.#joined.set(authority, others);
      else {
        this.#joined.delete(authority);
        void this.#track(this.#forget(authority));
      }
    };
  }

  async #forget(authority: Authority): Promise<void> {
    await this.#settling.rest(authority);
    if (this.#joined.has(authority)) return;
    this.#recoveries.delete(authority);
    this.#settling.drop(authority);
  }

  /**
   * Settles by reading what was under way, or not yet settled, when the process ended; once per station whose
   * journal answered. `manner` is how commands to a tag are given. A command asks for it besides, before it leaves.
   */
  recover(authority: Authority, manner?: Manner): Promise<void> {
    if (manner !== undefined) this.#manners.set(manner.tag, manner);
    return this.#recovery(authority).settled;
  }

  #recovery(authority: Authority): Recovery {
    let recovery = this.#recoveries.get(authority);
    if (recovery === undefined) {
      const recalled = this.#recall(authority);
      const settled = recalled.then(() => this.#track(this.#settling.settle()));
      recovery = { recalled, settled };
      this.#recoveries.set(authority, recovery);
      void this.#track(settled.catch(() => this.#recoveries.delete(authority)));
    }
    return recovery;
  }

  async #recall(authority: Authority): Promise<void> {
    const journal = await authority.journal();
    const before = new Set(this.#inFlight);
    // What is under way here is looked for at once: by the next step it may have ended in a result of its own.
    const open = (await journal.openCommands()).filter(({ id, endpointId }) => {
      // Under its name: recorded when endpoints had no ids.
      const isOurs = endpointId === this.id || endpointId === this.endpoint;
      return isOurs && !before.has(id) && !this.#inFlight.has(id);
    });
    for (const command of await this.#settling.kept(authority)) this.#reopen(command, authority);
    for (const record of open) {
      const outcome = { outcome: 'unknown', reason: 'INTERRUPTED', readBack: null, ms: 0 } as const;
      this.#reopen(openOf(record, this.#manners.get(record.tag)), authority);
      await this.#record(record.id, outcome, authority);
    }
  }

  /** What an earlier process sent may still be on its way, or not yet be taken. */
  #reopen(command: OpenCommand, authority: Authority): void {
    if (command.handshake !== undefined) this.#handshake.expect(command.handshake, command.number);
    this.#settling.add(command, authority);
  }

  /** Resolves when everything that is under way now, records included, has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }

  /** Waits for everything under way; the transport may be closed then. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#manual?.close();
    this.#settling.close();
    while (this.#underWay.size > 0) await this.idle();
  }

  async #execute(command: Command, authority: Authority): Promise<Outcome> {
    const startedAt = this.#now();
    this.#inFlight.add(command.id);
    const given = await this.#recordIntent(command, authority);
    if ('outcome' in given) {
      this.#inFlight.delete(command.id);
      return { ...given, ms: this.#now() - startedAt };
    }
    const verdict = await this.#decide(command, given, authority);
    const outcome: Outcome = { ...verdict, ms: this.#now() - startedAt };
    this.#heed(command, given, outcome, authority);
    // After the outcome has gone its way, and not waited for: the intent is durable, and an intent without a
    // result is settled by reading.
    const recorded = setImmediate().then(() => this.#record(command.id, outcome, authority));
    void this.#track(recorded).finally(() => this.#inFlight.delete(command.id));
    return outcome;
  }

  /** The one durable write before anything is sent. */
  async #recordIntent(command: Command, authority: Authority): Promise<Verdict | CommandNumber> {
    const { id, partId, tag, value, actor, purpose = 'decision' } = command;
    try {
      // What was left open is known before anything is added to it.
      await this.#recovery(authority).recalled;
      const journal = await authority.journal();
      const { endpoint, id: endpointId } = this;
      const intent = { id, partId, endpoint, endpointId, tag, value: plainValue(value), actor, purpose };
      return await journal.recordCommand(intent);
    } catch (error) {
      const { code, message } = asCodedError(error);
      if (code === 'JOURNAL_DUPLICATE') return refused('DUPLICATE', `command ${id} was given before`);
      await authority.disarm({ actor: 'system', reason: `journal: ${message}` });
      return refused('JOURNAL', message);
    }
  }

  async #decide(command: Command, given: CommandNumber, authority: Authority): Promise<Verdict> {
    let due = command;
    // The way to the defined output must not be used up, or be too long, because of decisions.
    if (command.purpose === 'fallback')
      due = { ...command, limits: rangeOf(command.limits), maxPerMinute: Infinity };
    if (authority.autonomy === 'confirm' && command.actor === 'system' && command.purpose !== 'fallback') {
      // A person is not asked about what may not be sent anyway.
      const idle = this.#objection(command, authority);
      if (idle !== undefined) return idle;
      const { leaseId } = authority.arming();
      const yes = await this.#approval(command, authority);
      if (yes === undefined) return refused('NOT_APPROVED', 'nobody said yes in time');
      if (authority.arming().leaseId !== leaseId) {
        return refused('NOT_ARMED', 'the station was armed anew since the person was asked');
      }
      // The person's yes is now what this rests on, and it gets old like a part does.
      due = { ...command, startedAt: this.#now() };
    }
    // Before it waits: what may not be sent must not take the place of what may.
    const objection = this.#objection(due, authority);
    if (objection !== undefined) return objection;
    const lane = made(this.#lanes, due.handshake?.commandId ?? due.tag, () => new Lane());
    if (!(await lane.enter())) return superseded();
    try {
      return await this.#send(due, given, authority, lane);
    } finally {
      lane.leave();
    }
  }

  async #send(command: Command, given: CommandNumber, authority: Authority, lane: Lane): Promise<Verdict> {
    const { tag, handshake, timeoutMs, maxPerMinute, limits } = command;
    const early = this.#objection(command, authority);
    if (early !== undefined) return early;
    const checked = await preflight(this.#transport, this.#machine, command);
    if ('outcome' in checked) return checked;
    if (handshake !== undefined) {
      const halt = (): Verdict | undefined =>
        lane.isContested ? superseded() : this.#objection(command, authority);
      const unfit = await this.#handshake.objection(handshake, given.number, timeoutMs, halt);
      if (unfit !== undefined) return unfit;
    }
    await this.#settling.before(command);
    // Asking the PLC took time, in which anything may have happened.
    const late = this.#objection(command, authority);
    if (late !== undefined) return late;
    const target = made(this.#targets, tag, newTarget);
    const nowMs = this.#now();
    const { leaseId } = authority.arming();
    const tooMuch = target.changes.objection(checked.change, nowMs, leaseId, limits);
    if (tooMuch !== undefined) return refused('OUT_OF_RANGE', tooMuch);
    if (!target.rate.admit(nowMs, maxPerMinute)) return this.#limited(command, target, authority);
    target.limited = false;
    if (this.dryRun) return refused('DRY_RUN', 'the endpoint is set to dry run');
    const takeBack = target.changes.count(checked.change, nowMs, leaseId);
    const verdict = await this.#write(command, checked, given, authority);
    if (verdict.outcome === 'refused') takeBack();
    return verdict;
  }

  async #write(
    command: Command,
    { value, dataType }: Checked,
    given: CommandNumber,
    authority: Authority,
  ): Promise<Verdict> {
    const { tag, handshake, settleMs, tolerance, timeoutMs, startedAt, deadlineMs } = command;
    const dueAt = startedAt + deadlineMs;
    let objection: Verdict | undefined;
    // It may wait for other requests to the PLC, and a block leaves in parts.
    const guard: WriteGuard = {
      mayLeave: () => (objection = this.#objection(command, authority)) === undefined,
      leftMs: () => dueAt - this.#now(),
    };
    const sending: Sending = { tag, value, dataType, settleMs, tolerance, timeoutMs, guard };
    const verdict =
      handshake === undefined
        ? await writePlain(this.#transport, sending, this.#now)
        : await this.#handshake.write(handshake, sending, given, dueAt);
    return objection ?? verdict;
  }

  /** In the order in which a person would ask. */
  #objection({ startedAt, deadlineMs, purpose }: Command, authority: Authority): Verdict | undefined {
    const { autonomy, mode } = authority;
    if (autonomy !== 'act' && autonomy !== 'confirm')
      return refused('AUTONOMY', `the station may ${autonomy}`);
    if (purpose !== 'fallback') {
      const { state } = authority.arming();
      if (state !== 'ARMED') return refused('NOT_ARMED', `the station is ${state}`);
      if (mode === 'STOPPED') return refused('NOT_ARMED', 'the station has stopped itself');
    }
    if (this.#manual?.on === true) return refused('MANUAL', 'the machine is run by hand');
    const ageMs = this.#now() - startedAt;
    // Written so that an age that is not a number is late; below 0 it is from the clock of an earlier process.
    if (!(ageMs >= 0 && ageMs <= deadlineMs))
      return refused('STALE', `${Math.round(ageMs)} ms old, due after ${deadlineMs} ms`);
    if (!this.#transport.linkUp()) return refused('LINK_DOWN', `no link to ${this.endpoint}`);
    return undefined;
  }

  /** Alarms with the first of a row; each of them is on record as refused. */
  #limited({ id, tag, maxPerMinute }: Command, target: Target, authority: Authority): Verdict {
    const message = `more than ${maxPerMinute} a minute`;
    if (!target.limited) {
      target.limited = true;
      const detail = { code: 'RATE', commandId: id, endpoint: this.endpoint, maxPerMinute };
      const entry = { type: 'plc.alarm', actor: 'system', object: tag, reason: message, detail };
      void this.#track(
        authority
          .journal()
          .then((journal) => journal.appendLedger(entry))
          .catch((error: unknown) => this.#unwritten(error, authority)),
      );
    }
    return refused('RATE', message);
  }

  async #approval(
    { id, partId, tag, value, approvalMs, signal }: Command,
    authority: Authority,
  ): Promise<By | undefined> {
    const shown = { partId: partId ?? '', endpoint: this.endpoint, tag, value: plainValue(value) };
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(approvalMs)]);
    return authority.requestApproval({ commandId: id, ...shown }, inTime);
  }

  /** What the PLC changed stops the station, and so does a row of what could not be seen. */
  #heed(
    { id, tag, value, settleMs, tolerance, timeoutMs, handshake }: Command,
    { number }: CommandNumber,
    { outcome, detail, readBack }: Outcome,
    authority: Authority,
  ): void {
    if (outcome === 'confirmed') this.#unknownInARow.set(authority, 0);
    if (outcome === 'clamped') {
      const message = `${tag} was given ${String(plainValue(value))} and holds ${readBack ?? '?'}`;
      authority.trip({ code: 'CLAMPED', message });
    }
    if (outcome !== 'unknown') return;
    const inARow = (this.#unknownInARow.get(authority) ?? 0) + 1;
    this.#unknownInARow.set(authority, inARow);
    if (inARow >= MAX_UNKNOWN) {
      const message = `${inARow} in a row, last ${tag}: ${detail ?? ''}`;
      authority.trip({ code: 'UNKNOWN_OUTCOME', message });
    }
    const open = { id, number, tag, value: plainValue(value), settleMs, tolerance, timeoutMs, handshake };
    this.#settling.add(open, authority);
    // Where the link is still up nobody tells us that it is.
    if (this.#transport.linkUp()) void this.#track(this.#settling.settle());
  }

  async #record(id: string, { outcome, reason, readBack, ms }: Outcome, authority: Authority): Promise<void> {
    // First: a command with a result is no longer found among those that were under way.
    if (outcome === 'unknown') await this.#settling.keep(authority);
    try {
      const journal = await authority.journal();
      const result = { id, outcome, ...(reason === undefined ? {} : { reason }), readBack, ms };
      await journal.recordCommandResult(result);
    } catch (error) {
      // It has an outcome, which stands.
      if (asCodedError(error).code === 'JOURNAL_DUPLICATE') return;
      await this.#unwritten(error, authority);
    }
  }

  async #unwritten(error: unknown, authority: Authority): Promise<void> {
    await authority.disarm({ actor: 'system', reason: `journal: ${asCodedError(error).message}` });
  }

  #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
    return work;
  }
}

function superseded(): Verdict {
  return refused('SUPERSEDED', 'a newer command for this tag took its place');
}

function newTarget(): Target {
  return { rate: new RateFence(), changes: new ChangeFence(), limited: false };
}

function made<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
