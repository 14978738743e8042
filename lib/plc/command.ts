/**
 * A write to a PLC as a command: one intended effect with an id, made durable before the first byte
 * leaves, checked, sent once, read back, and ended in exactly one outcome.
 *
 * `confirmed`: the PLC answered exactly Good and the tag holds the value. `refused`: nothing was
 * sent, or the PLC said that it did not write. `clamped`: the PLC wrote something else. `unknown`:
 * sent, and the effect could not be seen. An unknown is never sent again: it is settled by reading
 * when the link is back.
 */
import { setImmediate } from 'node:timers/promises';
import { asCodedError } from '../errors.ts';
import type { CommandOutcome, Mode } from '../inspection/inspection.ts';
import type { CommandRecord, Journal } from '../journal/types.ts';
import type { ArmingView } from '../station/types.ts';
import { RateFence, rangeObjection, stepObjection, type FenceLimits } from './fence.ts';
import { Lane } from './lane.ts';
import { plainValue, sameValue, type TagType, type TagValue } from './tag-type.ts';
import type { TagDescription, Transport } from './transport.ts';

type ReasonCode =
  | 'NOT_ARMED'
  | 'STALE'
  | 'OUT_OF_RANGE'
  | 'MANUAL'
  | 'RATE'
  | 'LINK_DOWN'
  | 'NOT_GOOD'
  | 'READBACK_MISMATCH'
  | 'TIMEOUT'
  | 'SUPERSEDED'
  | 'DUPLICATE'
  | 'AUTONOMY'
  | 'NOT_APPROVED'
  | 'DRY_RUN'
  | 'JOURNAL'
  /** The process ended while this was under way. */
  | 'INTERRUPTED';

/** Outcomes that could not be seen, in a row, after which a person has to look. */
const MAX_UNKNOWN = 3;
/** First pause between two read-backs; doubled up to the last, so that a slow PLC is not flooded. */
const FIRST_POLL_MS = 2;
const LAST_POLL_MS = 50;

interface By {
  actor: string;
  reason: string;
}

/** Who allows a command: a station, seen from here. */
export interface Authority {
  readonly autonomy: 'observe' | 'advise' | 'confirm' | 'act';
  readonly mode: Mode;
  journal(): Promise<Journal>;
  arming(): Pick<ArmingView, 'state' | 'leaseId'>;
  trip(cause: { code: string; message: string }): void;
  disarm(by: By): Promise<unknown>;
  requestApproval(
    request: { commandId: string; partId: string; endpoint: string; tag: string; value: unknown },
    signal: AbortSignal,
  ): Promise<By | undefined>;
}

export interface Command {
  /** Made once by whoever wants the effect; a second command with it is refused. */
  id: string;
  partId: string | null;
  tag: string;
  value: unknown;
  /** `system`, or the person who asked for it; a person's command needs no further approval. */
  actor: string;
  /** Monotonic milliseconds at which the part was triggered, and how long after it this may leave. */
  startedAt: number;
  deadlineMs: number;
  limits: FenceLimits;
  maxPerMinute: number;
  /** What the tag must be; undefined takes what the PLC says. */
  dataType?: TagType | undefined;
  /** How long after the write the tag may take to show the value. */
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

export interface Outcome {
  outcome: CommandOutcome;
  reason?: ReasonCode;
  /** The same for people. */
  detail?: string;
  readBack: TagValue | null;
  ms: number;
}

export interface CommandEngineOptions {
  /** Names the PLC in records. */
  endpoint: string;
  transport: Transport;
  /** Checks and records everything and sends nothing. */
  dryRun?: boolean;
  /** A Boolean tag that is true while the machine is run by hand. */
  manualTag?: string | undefined;
  monotonicNow?: () => number;
}

type Verdict = Omit<Outcome, 'ms'>;

interface Target {
  lane: Lane;
  rate: RateFence;
}

export class CommandEngine {
  readonly endpoint: string;
  readonly #transport: Transport;
  readonly #dryRun: boolean;
  readonly #manualTag: string | undefined;
  readonly #now: () => number;
  readonly #targets = new Map<string, Target>();
  readonly #unknownInARow = new WeakMap<Authority, number>();
  /** Commands whose effect is to be seen by reading when there is a link. */
  readonly #unsettled = new Map<string, Unsettled>();
  /** What is under way and has to end before the link may be closed. */
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #inFlight = new Set<string>();
  readonly #recoveries = new WeakMap<Authority, Promise<void>>();
  readonly #stopListening: () => void;
  /** How often settling was asked for since it began; 0 while nobody is at it. */
  #settlesAsked = 0;

  constructor({ endpoint, transport, dryRun = false, manualTag, monotonicNow }: CommandEngineOptions) {
    this.endpoint = endpoint;
    this.#transport = transport;
    this.#dryRun = dryRun;
    this.#manualTag = manualTag;
    this.#now = monotonicNow ?? ((): number => performance.now());
    this.#stopListening = transport.onLink(({ state }) => {
      if (state === 'up') void this.#track(this.#settle());
    });
  }

  /** Never rejects: whatever happens is one of the four outcomes. */
  execute(command: Command, authority: Authority): Promise<Outcome> {
    return this.#track(this.#execute(command, authority));
  }

  /** Settles by reading what was under way when the process ended; once per station whose journal answered. */
  recover(authority: Authority): Promise<void> {
    let recovery = this.#recoveries.get(authority);
    if (recovery === undefined) {
      recovery = this.#recover(authority);
      this.#recoveries.set(authority, recovery);
      recovery.catch(() => this.#recoveries.delete(authority));
    }
    return recovery;
  }

  async #recover(authority: Authority): Promise<void> {
    const open = await (await authority.journal()).openCommands();
    for (const record of open) {
      if (record.endpoint !== this.endpoint || this.#inFlight.has(record.id)) continue;
      const outcome = { outcome: 'unknown', reason: 'INTERRUPTED', readBack: null, ms: 0 } as const;
      await this.#record(record.id, outcome, authority);
      this.#unsettled.set(record.id, { record: unsettled(record), authority });
    }
    await this.#track(this.#settle());
  }

  /** Resolves when everything that is under way now, records included, has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }

  /** Waits for everything under way; the transport may be closed then. */
  async close(): Promise<void> {
    this.#stopListening();
    while (this.#underWay.size > 0) await this.idle();
  }

  async #execute(command: Command, authority: Authority): Promise<Outcome> {
    const startedAt = this.#now();
    this.#inFlight.add(command.id);
    const refusal = await this.#recordIntent(command, authority);
    const verdict = refusal ?? (await this.#decide(command, authority));
    const outcome: Outcome = { ...verdict, ms: this.#now() - startedAt };
    if (refusal !== undefined) {
      this.#inFlight.delete(command.id);
      return outcome;
    }
    this.#watch(command, outcome, authority);
    // After the outcome has gone its way, and not waited for: the intent is durable, and an intent without a
    // result is settled by reading.
    const recorded = setImmediate().then(() => this.#record(command.id, outcome, authority));
    void this.#track(recorded).finally(() => this.#inFlight.delete(command.id));
    return outcome;
  }

  /** The one durable write before anything is sent. */
  async #recordIntent(
    { id, partId, tag, value, actor }: Command,
    authority: Authority,
  ): Promise<Verdict | undefined> {
    try {
      const journal = await authority.journal();
      await journal.recordCommand({
        id,
        partId,
        endpoint: this.endpoint,
        tag,
        value: plainValue(value),
        actor,
      });
      return undefined;
    } catch (error) {
      const { code, message } = asCodedError(error);
      if (code === 'JOURNAL_DUPLICATE') return refused('DUPLICATE', `command ${id} was given before`);
      await authority.disarm({ actor: 'system', reason: `journal: ${message}` });
      return refused('JOURNAL', message);
    }
  }

  async #decide(command: Command, authority: Authority): Promise<Verdict> {
    let due = command;
    if (authority.autonomy === 'confirm' && command.actor === 'system') {
      const yes = await this.#approval(command, authority);
      if (yes === undefined) return refused('NOT_APPROVED', 'nobody said yes in time');
      // The person's yes is now what this rests on, and it gets old like a part does.
      due = { ...command, startedAt: this.#now() };
    }
    const target = this.#target(command.tag);
    const myTurn = await target.lane.enter();
    try {
      if (!myTurn) return refused('SUPERSEDED', 'a newer command for this tag took its place');
      return await this.#send(due, authority, target);
    } finally {
      if (myTurn) target.lane.leave();
    }
  }

  async #send(command: Command, authority: Authority, { rate }: Target): Promise<Verdict> {
    const early = this.#objection(command, authority);
    if (early !== undefined) return early;
    const checked = await this.#checkAtPlc(command);
    if ('outcome' in checked) return checked;
    // Asking the PLC took time, in which anything may have happened.
    const late = this.#objection(command, authority);
    if (late !== undefined) return late;
    if (!rate.admit(this.#now(), command.maxPerMinute)) {
      return refused('RATE', `more than ${command.maxPerMinute} a minute`);
    }
    if (this.#dryRun) return refused('DRY_RUN', 'the endpoint is set to dry run');
    return this.#write(command, checked.value, checked.dataType, authority);
  }

  /** In the order in which a person would ask. */
  #objection({ startedAt, deadlineMs }: Command, authority: Authority): Verdict | undefined {
    const { autonomy, mode } = authority;
    if (autonomy !== 'act' && autonomy !== 'confirm')
      return refused('AUTONOMY', `the station may ${autonomy}`);
    const { state } = authority.arming();
    if (state !== 'ARMED') return refused('NOT_ARMED', `the station is ${state}`);
    if (mode === 'STOPPED') return refused('NOT_ARMED', 'the station has stopped itself');
    const ageMs = this.#now() - startedAt;
    // Written so that an age that is not a number is late; below 0 it is from the clock of an earlier process.
    if (!(ageMs >= 0 && ageMs <= deadlineMs))
      return refused('STALE', `${Math.round(ageMs)} ms old, due after ${deadlineMs} ms`);
    if (!this.#transport.linkUp()) return refused('LINK_DOWN', `no link to ${this.endpoint}`);
    return undefined;
  }

  /** Manual bit, type, range and step; costs requests only where they are configured. */
  async #checkAtPlc({
    tag,
    value,
    limits,
    dataType: wanted,
    timeoutMs,
  }: Command): Promise<Verdict | { value: TagValue; dataType: TagType }> {
    let description: TagDescription;
    let present: TagValue | undefined;
    try {
      if (this.#manualTag !== undefined) {
        const manual = await this.#transport.read(this.#manualTag, timeoutMs);
        if (!manual.good || manual.value !== false) return refused('MANUAL', 'the machine is run by hand');
      }
      description = await this.#transport.describe(tag);
      if (limits.maxStep !== undefined) {
        const { value: holds, good, status } = await this.#transport.read(tag, timeoutMs);
        if (!good) return refused('NOT_GOOD', `${tag}: ${status}, so the step cannot be judged`);
        present = holds;
      }
    } catch (error) {
      const { code, message } = asCodedError(error);
      const linkFailed = code === 'PLC_LINK_DOWN' || code === 'PLC_LINK_LOST';
      return refused(linkFailed ? 'LINK_DOWN' : code === 'PLC_TIMEOUT' ? 'TIMEOUT' : 'NOT_GOOD', message);
    }
    const { dataType, range, writable } = description;
    if (!writable) return refused('NOT_GOOD', `${tag} cannot be written`);
    if (wanted !== undefined && wanted !== dataType) {
      return refused('NOT_GOOD', `${tag} is a ${dataType}, not a ${wanted}`);
    }
    const outside = rangeObjection(value, dataType, limits, range);
    if (outside !== undefined) return refused('OUT_OF_RANGE', outside);
    const checked = value as TagValue;
    const tooFar = present === undefined ? undefined : stepObjection(checked, present, limits);
    if (tooFar !== undefined) return refused('OUT_OF_RANGE', tooFar);
    return { value: checked, dataType };
  }

  async #write(command: Command, value: TagValue, dataType: TagType, authority: Authority): Promise<Verdict> {
    const { tag, timeoutMs } = command;
    try {
      const { result, status } = await this.#transport.write(tag, value, dataType, timeoutMs);
      switch (result) {
        case 'refused':
          return refused('NOT_GOOD', status);
        case 'doubtful':
          return { outcome: 'unknown', reason: 'NOT_GOOD', detail: status, readBack: null };
        case 'clamped': {
          const readBack = await this.#readOnce(command);
          authority.trip({
            code: 'CLAMPED',
            message: `${tag} was given ${value} and holds ${readBack ?? '?'}`,
          });
          return { outcome: 'clamped', reason: 'NOT_GOOD', detail: status, readBack };
        }
        case 'good':
        case 'pending': {
          const seen = await this.#readBack(command, value, dataType);
          if (result === 'good') return seen;
          // Without the PLC's own acknowledgement an equal value proves nothing here.
          return { outcome: 'unknown', reason: 'NOT_GOOD', detail: status, readBack: seen.readBack };
        }
      }
    } catch (error) {
      const { code, message } = asCodedError(error);
      if (code === 'PLC_LINK_DOWN') return refused('LINK_DOWN', message);
      const reason = code === 'PLC_TIMEOUT' ? 'TIMEOUT' : 'LINK_DOWN';
      return { outcome: 'unknown', reason, detail: message, readBack: null };
    }
  }

  /** Reads until the tag holds the value: a PLC takes it over in its next scan, not at once. */
  async #readBack(
    { tag, settleMs, tolerance, timeoutMs }: Command,
    value: TagValue,
    dataType: TagType,
  ): Promise<Verdict> {
    const until = this.#now() + settleMs;
    let readBack: TagValue | null = null;
    let pauseMs = FIRST_POLL_MS;
    for (;;) {
      try {
        const reading = await this.#transport.read(tag, timeoutMs);
        readBack = reading.value;
        if (reading.good && sameValue(value, reading.value, dataType, tolerance)) {
          return { outcome: 'confirmed', readBack };
        }
      } catch (error) {
        const { code, message } = asCodedError(error);
        const reason = code === 'PLC_TIMEOUT' ? 'TIMEOUT' : 'LINK_DOWN';
        return { outcome: 'unknown', reason, detail: message, readBack };
      }
      const leftMs = until - this.#now();
      if (leftMs <= 0) {
        const detail = `given ${value}, holds ${readBack} after ${settleMs} ms`;
        return { outcome: 'unknown', reason: 'READBACK_MISMATCH', detail, readBack };
      }
      await pause(Math.min(pauseMs, leftMs));
      pauseMs = Math.min(pauseMs * 2, LAST_POLL_MS);
    }
  }

  async #readOnce({ tag, timeoutMs }: Command): Promise<TagValue | null> {
    try {
      return (await this.#transport.read(tag, timeoutMs)).value;
    } catch {
      return null;
    }
  }

  async #approval(
    { id, partId, tag, value, approvalMs, signal }: Command,
    authority: Authority,
  ): Promise<By | undefined> {
    const request = {
      commandId: id,
      partId: partId ?? '',
      endpoint: this.endpoint,
      tag,
      value: plainValue(value),
    };
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(approvalMs)]);
    return authority.requestApproval(request, inTime);
  }

  /** Counts what could not be seen; a row of it stops the station. */
  #watch(
    { id, tag, value, tolerance, timeoutMs }: Command,
    { outcome, detail }: Outcome,
    authority: Authority,
  ): void {
    if (outcome === 'confirmed') this.#unknownInARow.set(authority, 0);
    if (outcome !== 'unknown') return;
    const inARow = (this.#unknownInARow.get(authority) ?? 0) + 1;
    this.#unknownInARow.set(authority, inARow);
    if (inARow >= MAX_UNKNOWN) {
      authority.trip({
        code: 'UNKNOWN_OUTCOME',
        message: `${inARow} in a row, last ${tag}: ${detail ?? ''}`,
      });
    }
    this.#unsettled.set(id, {
      record: { id, tag, value: plainValue(value), tolerance, timeoutMs },
      authority,
    });
    // Where the link is still up nobody tells us that it is.
    if (this.#transport.linkUp()) void this.#track(this.#settle());
  }

  async #record(id: string, { outcome, reason, readBack, ms }: Outcome, authority: Authority): Promise<void> {
    try {
      const journal = await authority.journal();
      await journal.recordCommandResult({
        id,
        outcome,
        ...(reason === undefined ? {} : { reason }),
        readBack,
        ms,
      });
    } catch (error) {
      await authority.disarm({ actor: 'system', reason: `journal: ${asCodedError(error).message}` });
    }
  }

  /**
   * Reads the tags of unknown commands and writes into the ledger what they hold. Never writes to the
   * PLC. Asked again while it is at it, it goes round once more: what failed before the link came
   * back is tried again.
   */
  async #settle(): Promise<void> {
    this.#settlesAsked += 1;
    if (this.#settlesAsked > 1) return;
    let begun: number;
    do {
      begun = this.#settlesAsked;
      for (const [id, open] of [...this.#unsettled]) {
        if (!this.#transport.linkUp()) break;
        this.#unsettled.delete(id);
        // Behind the others, so that a tag whose reading costs the link does not block theirs for ever.
        await this.#settleOne(open).catch(() => this.#unsettled.set(id, open));
      }
    } while (begun !== this.#settlesAsked);
    this.#settlesAsked = 0;
  }

  async #settleOne({ record, authority }: Unsettled): Promise<void> {
    const { dataType } = await this.#transport.describe(record.tag);
    const { value: holds } = await this.#transport.read(record.tag, record.timeoutMs);
    const matches = record.value !== null && sameValue(record.value, holds, dataType, record.tolerance);
    const journal = await authority.journal();
    await journal.appendLedger({
      type: 'plc.settled',
      actor: 'system',
      object: record.tag,
      detail: { commandId: record.id, endpoint: this.endpoint, requested: record.value, holds, matches },
    });
  }

  #target(tag: string): Target {
    let target = this.#targets.get(tag);
    if (target === undefined) {
      target = { lane: new Lane(), rate: new RateFence() };
      this.#targets.set(tag, target);
    }
    return target;
  }

  #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
    return work;
  }
}

interface UnsettledCommand {
  id: string;
  tag: string;
  value: TagValue | null;
  tolerance: number;
  timeoutMs: number;
}

interface Unsettled {
  record: UnsettledCommand;
  authority: Authority;
}

function unsettled({ id, tag, value }: CommandRecord): UnsettledCommand {
  return { id, tag, value: plainValue(value), tolerance: 0, timeoutMs: 1000 };
}

function refused(reason: ReasonCode, detail: string): Verdict {
  return { outcome: 'refused', reason, detail, readBack: null };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
