/**
 * A write to a PLC as a command: one intended effect with an id, made durable before the first byte
 * leaves, checked, sent once, looked for, and ended in exactly one outcome.
 *
 * An unknown outcome is never sent again: it is settled by reading. A newer command for a tag takes the
 * place of one that waits; nothing waits for a link.
 */
import type { CommandNumber } from '../journal/types.ts';
import { Aftermath } from './aftermath.ts';
import type { Authority, By, Cause } from './authority.ts';
import { Clearance, type Admitted } from './clearance.ts';
import { endedOrAfter, within } from './ending.ts';
import { ChangeFence, RateFence, rangeOf } from './fence.ts';
import { HandshakeProfile } from './handshake-profile.ts';
import { Intents } from './intent.ts';
import { Lane } from './lane.ts';
import { ManualBit } from './manual-bit.ts';
import { refused, unknown, type Outcome, type Verdict } from './outcome.ts';
import { writePlain, type Sending } from './plain-profile.ts';
import { PlcAlarms } from './plc-alarms.ts';
import { preflight, type Checked, type MachineTags } from './preflight.ts';
import { Recoveries } from './recovery.ts';
import { Settling } from './settling.ts';
import { plainValue } from './tag-type.ts';
import type { Transport, WriteGuard } from './transport.ts';
import type { Command, CommandEngineOptions, Manner } from './types.ts';

export type { Authority } from './authority.ts';
export type { HandshakeTags } from './handshake-profile.ts';
export type { Outcome } from './outcome.ts';
export type { Command, CommandEngineOptions, Manner } from './types.ts';

/** For a PLC that answers to end what is under way once its node is closed: as delivered it has 1.3 s. */
const END_MS = 1500;
/** For the records and looks that follow. */
const LAST_MS = 500;

/** A command on its way to its outcome. */
interface Course extends Admitted {
  /** Undefined until its intent is on record. */
  given?: CommandNumber;
  /** Something of it may have gone to the PLC. */
  hasLeft: boolean;
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
  readonly #clearance: Clearance;
  readonly #settling: Settling;
  readonly #aftermath: Aftermath;
  readonly #alarms: PlcAlarms;
  readonly #recoveries: Recoveries;
  readonly #intents: Intents;
  readonly #targets = new Map<string, Target>();
  /** By what may be written one at a time: a tag, or the block with its one number. */
  readonly #lanes = new Map<string, Lane>();
  /** What is under way and has to end before the link may be closed. */
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #inFlight = new Set<string>();
  readonly #joined = new Map<Authority, number>();
  readonly #closing = new AbortController();
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
    const now = (this.#now = monotonicNow ?? ((): number => performance.now()));
    const track = <Result>(work: Promise<Result>): Promise<Result> => this.#track(work);
    this.#handshake = new HandshakeProfile(transport, now);
    this.#alarms = new PlcAlarms({ id, name: endpoint });
    this.#alarms.link(transport.link());
    this.#clearance = new Clearance(endpoint, transport, () => this.#manual?.on === true, now);
    this.#settling = new Settling(this, transport, this.#handshake, (round) => void track(round));
    this.#aftermath = new Aftermath(
      endpoint,
      this.#settling,
      this.#alarms,
      () => transport.linkUp(),
      (work) => {
        void track(work);
      },
    );
    this.#recoveries = new Recoveries(this, {
      settling: this.#settling,
      handshake: this.#handshake,
      aftermath: this.#aftermath,
      inFlight: this.#inFlight,
      track,
    });
    this.#intents = new Intents(this, this.#recoveries, this.#handshake, this.#clearance);
    this.#stopListening = transport.onLink((link) => {
      this.#alarms.link(link);
      if (link.state === 'up') void this.#track(this.#settling.settle());
    });
  }

  /** Never rejects: whatever happens is one of the four outcomes. */
  execute(command: Command, authority: Authority): Promise<Outcome> {
    // Before anything is awaited: it rests on the arming of this moment.
    const { leaseId } = authority.arming();
    return this.#track(this.#execute({ command, authority, leaseId, isOver: false, hasLeft: false }));
  }

  /**
   * Tells the authority of the manual bit, on both edges, until the returned function is called. With the last
   * to leave for an authority, what is not settled of it is left to its journal.
   */
  join(authority: Authority): () => void {
    const leave = this.#manual?.join(authority);
    this.#alarms.join(authority);
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
        this.#alarms.leave(authority);
        void this.#track(this.#forget(authority));
      }
    };
  }

  async #forget(authority: Authority): Promise<void> {
    await this.#settling.rest(authority);
    if (this.#joined.has(authority)) return;
    this.#recoveries.forget(authority);
    this.#settling.drop(authority);
  }

  /**
   * Something has stopped without which nobody may act on this PLC, e.g. its heartbeat: every station that has joined
   * stands down, and nothing but a defined output leaves until `resume`, whoever arms meanwhile.
   */
  suspend(cause: Cause): void {
    this.#clearance.suspend(cause);
    this.#alarms.heartLost(cause);
    for (const authority of this.#joined.keys()) authority.standDown(cause);
  }

  resume(code: string): void {
    this.#clearance.resume(code);
    this.#alarms.heartFound(code);
  }

  /**
   * Settles by reading what was under way, or not yet settled, when the process ended; once per station whose
   * journal answered. `manner` is how commands to a tag are given. A command asks for it besides, before it leaves.
   */
  recover(authority: Authority, manner?: Manner): Promise<void> {
    if (manner !== undefined) this.#recoveries.know(manner);
    return this.#recoveries.of(authority).settled;
  }

  /** Resolves when everything that is under way now, records included, has ended, or after `mostMs`. */
  async idle(mostMs = Infinity): Promise<void> {
    const all = Promise.allSettled([...this.#underWay]);
    await (mostMs === Infinity ? all : endedOrAfter(all, mostMs));
  }

  /** Ends everything under way within 2 s; the transport may be closed then. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#manual?.close();
    this.#settling.close();
    this.#closing.abort();
    const rest = async (): Promise<void> => {
      while (this.#underWay.size > 0) await this.idle();
    };
    await endedOrAfter(rest(), END_MS + LAST_MS);
  }

  async #execute(course: Course): Promise<Outcome> {
    const { command, authority } = course;
    const startedAt = this.#now();
    this.#inFlight.add(command.id);
    const ends = [this.#closing.signal, ...(command.closing === undefined ? [] : [command.closing])];
    const verdict = await within(this.#run(course), AbortSignal.any(ends), END_MS, () => interrupted(course));
    const outcome: Outcome = { ...verdict, ms: this.#now() - startedAt };
    const { given } = course;
    if (given === undefined) {
      this.#inFlight.delete(command.id);
      return outcome;
    }
    this.#aftermath.heed(command, given, outcome, authority);
    const recorded = this.#track(this.#aftermath.recordLater(command.id, outcome, authority));
    void recorded.finally(() => this.#inFlight.delete(command.id));
    return outcome;
  }

  async #run(course: Course): Promise<Verdict> {
    const given = await this.#intents.record(course);
    if ('outcome' in given) return given;
    course.given = given;
    return this.#decide(course, given);
  }

  async #decide(course: Course, given: CommandNumber): Promise<Verdict> {
    const { command, authority } = course;
    // The way to the defined output must not be used up, or be too long, because of decisions.
    if (command.purpose === 'fallback')
      course.command = { ...command, limits: rangeOf(command.limits), maxPerMinute: Infinity };
    if (authority.autonomy === 'confirm' && command.actor === 'system' && command.purpose !== 'fallback') {
      // A person is not asked about what may not be sent anyway.
      const idle = this.#clearance.objection(course);
      if (idle !== undefined) return idle;
      const yes = await this.#approval(command, authority);
      if (yes === undefined) return refused('NOT_APPROVED', 'nobody said yes in time');
      // The person's yes is now what this rests on, and it gets old like a part does.
      course.command = { ...command, startedAt: this.#now() };
    }
    // Before it waits: what may not be sent must not take the place of what may.
    const objection = this.#clearance.objection(course);
    if (objection !== undefined) return objection;
    const lane = made(this.#lanes, command.handshake?.commandId ?? command.tag, () => new Lane());
    if (!(await lane.enter())) return superseded();
    try {
      return await this.#send(course, given, lane);
    } finally {
      lane.leave();
    }
  }

  async #send(course: Course, given: CommandNumber, lane: Lane): Promise<Verdict> {
    const { command, authority } = course;
    const { tag, handshake, timeoutMs, maxPerMinute, limits } = command;
    const objection = (): Verdict | undefined => this.#clearance.objection(course);
    const early = objection();
    if (early !== undefined) return early;
    const checked = await preflight(this.#transport, this.#machine, command);
    if ('outcome' in checked) return checked;
    if (handshake !== undefined) {
      const halt = (): Verdict | undefined => (lane.isContested ? superseded() : objection());
      const unfit = await this.#handshake.objection(handshake, given.number, timeoutMs, halt);
      if (unfit !== undefined) return unfit;
    }
    await this.#settling.before(command);
    // Asking the PLC took time, in which anything may have happened.
    const late = objection();
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
    const verdict = await this.#write(course, given, checked);
    if (verdict.outcome === 'refused') takeBack();
    return verdict;
  }

  async #write(course: Course, given: CommandNumber, { value, dataType }: Checked): Promise<Verdict> {
    const { tag, handshake, settleMs, tolerance, timeoutMs, startedAt, deadlineMs } = course.command;
    const dueAt = startedAt + deadlineMs;
    let objection: Verdict | undefined;
    // It may wait for other requests to the PLC, and a block leaves in parts.
    const guard: WriteGuard = {
      mayLeave: () => {
        objection = this.#clearance.objection(course);
        course.hasLeft ||= objection === undefined;
        return objection === undefined;
      },
      leftMs: () => dueAt - this.#now(),
    };
    const sending: Sending = { tag, value, dataType, settleMs, tolerance, timeoutMs, guard };
    const verdict =
      handshake === undefined
        ? await writePlain(this.#transport, sending, this.#now)
        : await this.#handshake.write(handshake, sending, given, dueAt);
    return objection ?? verdict;
  }

  #limited(command: Command, target: Target, authority: Authority): Verdict {
    const message = `more than ${command.maxPerMinute} a minute`;
    if (!target.limited) this.#aftermath.alarm(command, message, authority);
    target.limited = true;
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

  #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
    return work;
  }
}

/** Nothing more of it leaves. What has left is settled by reading, by whoever finds it in the journal. */
function interrupted(course: Course): Verdict {
  course.isOver = true;
  const why = 'the node was closed before there was an answer';
  return course.hasLeft ? unknown('INTERRUPTED', why) : refused('INTERRUPTED', why);
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
