/**
 * The PLC's side of a command: the function block of `docs/plc/JidokaCommand.st`, line by line, as the
 * line's PLC runs it. It acts only on a change of CmdId, checks for itself, says what it did, and
 * falls back to a value of its own when the beats of the gateway stop.
 *
 * Time is measured by the block's own timers, on an injected clock; `scan()` is one cycle of the PLC.
 */
import { EventEmitter } from 'node:events';
import { systemClock, type Clock } from '../lib/clock.ts';
import { TimerOnDelay } from './timer-on-delay.ts';

/** What the gateway writes; CmdId last. */
export interface BlockCommand {
  /** REAL. */
  Value: number;
  /** UDINT: how long ago the last call of the block may be when it first sees the command. */
  TtlMs: number;
  /** UDINT: first four bytes of the decision's ledger record. */
  DecisionRef: number;
  /** UDINT: another number is another command; 0 is none. */
  CmdId: number;
  /** UINT: counted up every 500 ms by whoever decides. */
  Heartbeat: number;
  Arm: boolean;
}

/** What the PLC's own program tells the block. */
export interface BlockMachine {
  ModeManual: boolean;
  InterlockOk: boolean;
  /** What the output follows while ModeManual is true. */
  ManualValue: number;
}

export interface BlockSettings {
  RangeLow: number;
  RangeHigh: number;
  /** Largest change of the output a second; 0: none. */
  SlewPerSecond: number;
  /** The PLC's own value while it is not commanded. */
  FallbackValue: number;
  HeartbeatTimeoutMs: number;
}

/** What the gateway reads. */
export interface BlockStatus {
  AckId: number;
  AckResult: number;
  AppliedValue: number;
  /** DecisionRef of the command that holds; 0 for none. */
  AppliedRef: number;
  PlcHeartbeat: number;
  /** True while the output follows FallbackValue because the beats have stopped. */
  SafeStateActive: boolean;
  /** Since the last accepted command; the largest UDINT before the first. */
  LastCmdAgeMs: number;
}

export const ACK = {
  NONE: 0,
  ACCEPTED: 1,
  RANGE: 2,
  INTERLOCK: 3,
  STALE: 4,
  DUPLICATE: 5,
  NOT_ARMED: 6,
  MANUAL: 7,
} as const;

/** What is wrong with the block, for tests of whoever commands it. */
export type BlockFault =
  /** It acts at once and acknowledges later. */
  | { kind: 'late-ack'; afterMs: number }
  /** It says that it has accepted, and its output stays as it was. */
  | { kind: 'ack-without-effect' }
  /** It acts and never says so. */
  | { kind: 'effect-without-ack' }
  /** It is called every so often only. */
  | { kind: 'slow-scan'; everyMs: number }
  /** It says that it has accepted, and holds the value to another range. */
  | { kind: 'clamp'; min: number; max: number };

interface BlockEvents {
  /** A command was answered, seen by the network. */
  ack: [answer: { id: number; result: number }];
  /** A command took effect. */
  effect: [effect: { id: number; value: number }];
  /** The beats stopped, or came back; how long after the last one, in a cycle how long, by the block's own clock. */
  beats: [beats: { alive: boolean; sinceLastMs: number; cycleMs: number }];
  /** After each cycle. */
  scan: [];
}

export interface CommandBlockOptions {
  settings?: Partial<BlockSettings>;
  /** Read at the beginning of each cycle. */
  machine?: () => BlockMachine;
  scanMs?: number;
  clock?: Clock;
}

const MAX_UDINT = 4_294_967_295;
const PLC_BEAT_MS = 500;
/** Longest time of an IEC 61131-3 TIME of 32 bits, in whole days. */
const DAYS_24_MS = 24 * 86_400_000;
const HOUR_MS = 3_600_000;

export class CommandBlock extends EventEmitter<BlockEvents> {
  readonly command: BlockCommand = noCommand();
  readonly settings: BlockSettings;
  /** What the network sees. */
  readonly status: BlockStatus;
  /** How often each CmdId took effect. */
  readonly effects = new Map<number, number>();
  fault: BlockFault | null = null;
  readonly #machine: () => BlockMachine;
  readonly #scanMs: number;
  readonly #clock: Clock;
  #own: BlockState;
  #stop: (() => void) | undefined;
  #scannedAt = -Infinity;
  readonly #lateAcks = new Set<() => void>();

  constructor({ settings = {}, machine, scanMs = 10, clock = systemClock }: CommandBlockOptions = {}) {
    super();
    this.settings = {
      RangeLow: 0,
      RangeHigh: 100,
      SlewPerSecond: 0,
      FallbackValue: 0,
      HeartbeatTimeoutMs: 1500,
      ...settings,
    };
    this.#machine = machine ?? (() => ({ ModeManual: false, InterlockOk: true, ManualValue: 0 }));
    this.#scanMs = scanMs;
    this.#clock = clock;
    this.#own = initialState(clock);
    this.status = noStatus(this.settings);
  }

  /** Lets the cycles follow the clock until `stop`. */
  start(): void {
    this.#stop ??= this.#clock.every(this.#scanMs, () => {
      const everyMs = this.fault?.kind === 'slow-scan' ? this.fault.everyMs : 0;
      if (this.#clock.now() - this.#scannedAt >= everyMs) this.scan();
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
    for (const forget of this.#lateAcks) forget();
    this.#lateAcks.clear();
  }

  /** A cold start of the PLC: nothing retained, and what lies in the command area is no news. */
  restart(): void {
    this.#own = initialState(this.#clock);
    Object.assign(this.status, noStatus(this.settings));
  }

  /** One call of the function block. */
  scan(): void {
    this.#scannedAt = this.#clock.now();
    const { command, settings, status } = this;
    const own = this.#own;
    const { ModeManual, InterlockOk, ManualValue } = this.#machine();

    // Time since the previous call: nothing that is new now can be older.
    own.scanTimer.call(true, HOUR_MS);
    const elapsedMs = Math.trunc(own.scanTimer.elapsedMs);
    own.scanTimer.call(false, HOUR_MS);
    own.scanTimer.call(true, HOUR_MS);

    if (!own.started) {
      own.started = true;
      own.seenId = command.CmdId;
      own.seenBeat = command.Heartbeat;
      status.AppliedValue = Math.fround(settings.FallbackValue);
    }

    const wasBeating = own.beating;
    // For those who listen; the block itself measures with its timer, which goes no further than its preset.
    const sinceLastMs = this.#scannedAt - own.beatAt;
    if (command.Heartbeat !== own.seenBeat) {
      own.seenBeat = command.Heartbeat;
      own.beatAt = this.#scannedAt;
      own.beatSeen = true;
      own.beatTimer.call(false, settings.HeartbeatTimeoutMs);
    }
    own.beatTimer.call(true, settings.HeartbeatTimeoutMs);
    own.beating = own.beatSeen && !own.beatTimer.q;

    own.plcBeatTimer.call(true, PLC_BEAT_MS);
    if (own.plcBeatTimer.q) {
      status.PlcHeartbeat = status.PlcHeartbeat >= 65_535 ? 0 : status.PlcHeartbeat + 1;
      own.plcBeatTimer.call(false, PLC_BEAT_MS);
      own.plcBeatTimer.call(true, PLC_BEAT_MS);
    }

    // A command holds as long as somebody answers for it; after that it takes a new one.
    if (ModeManual || !command.Arm || !own.beating) own.commanded = false;

    if (command.CmdId !== own.seenId) {
      own.seenId = command.CmdId;
      if (own.seenId !== 0) {
        const result = this.#judge(elapsedMs, ModeManual, InterlockOk);
        if (result === ACK.ACCEPTED) this.#take();
        this.#acknowledge(own.seenId, result);
      }
    }

    let target = settings.FallbackValue;
    if (ModeManual) target = ManualValue;
    else if (own.commanded) target = own.commandValue;
    if (!own.commanded) status.AppliedRef = 0;
    target = Math.fround(Math.min(settings.RangeHigh, Math.max(settings.RangeLow, target)));
    const maxChange = Math.fround((settings.SlewPerSecond * elapsedMs) / 1000);
    if (settings.SlewPerSecond <= 0 || Math.abs(target - status.AppliedValue) <= maxChange)
      status.AppliedValue = target;
    else if (target > status.AppliedValue) status.AppliedValue = Math.fround(status.AppliedValue + maxChange);
    else status.AppliedValue = Math.fround(status.AppliedValue - maxChange);

    status.SafeStateActive = !own.beating && !ModeManual;
    if (own.accepted) {
      own.commandTimer.call(true, DAYS_24_MS);
      status.LastCmdAgeMs = Math.trunc(own.commandTimer.elapsedMs);
    }

    if (own.beating !== wasBeating)
      this.emit('beats', { alive: own.beating, sinceLastMs, cycleMs: elapsedMs });
    this.emit('scan');
  }

  /** In the order of the Structured Text; who works by hand comes before everything. */
  #judge(elapsedMs: number, manual: boolean, interlockOk: boolean): number {
    const { Value, TtlMs, Arm } = this.command;
    const { RangeLow, RangeHigh } = this.settings;
    const own = this.#own;
    if (manual) return ACK.MANUAL;
    // An Arm bit that nobody keeps alive is no arming.
    if (!Arm || !own.beating) return ACK.NOT_ARMED;
    if (elapsedMs > TtlMs) return ACK.STALE;
    if (own.hasAccepted && !isNewer(own.seenId, own.acceptedId)) return ACK.DUPLICATE;
    // Written so that a value that is not a number is out of range.
    if (!(Value >= RangeLow && Value <= RangeHigh)) return ACK.RANGE;
    if (!interlockOk) return ACK.INTERLOCK;
    return ACK.ACCEPTED;
  }

  #take(): void {
    const own = this.#own;
    own.acceptedId = own.seenId;
    own.hasAccepted = true;
    own.accepted = true;
    own.commandTimer.call(false, DAYS_24_MS);
    if (this.fault?.kind === 'ack-without-effect') return;
    const { Value, DecisionRef } = this.command;
    own.commanded = true;
    own.commandValue =
      this.fault?.kind === 'clamp' ? Math.min(this.fault.max, Math.max(this.fault.min, Value)) : Value;
    this.status.AppliedRef = DecisionRef;
    this.effects.set(own.seenId, (this.effects.get(own.seenId) ?? 0) + 1);
    this.emit('effect', { id: own.seenId, value: own.commandValue });
  }

  #acknowledge(id: number, result: number): void {
    const answer = (): void => {
      this.status.AckResult = result;
      this.status.AckId = id;
      this.emit('ack', { id, result });
    };
    switch (this.fault?.kind) {
      case 'effect-without-ack':
        return;
      case 'late-ack': {
        const forget = this.#clock.after(this.fault.afterMs, () => {
          this.#lateAcks.delete(forget);
          answer();
        });
        this.#lateAcks.add(forget);
        return;
      }
      default:
        answer();
    }
  }
}

/** What the block keeps from one call to the next: its VAR and VAR RETAIN. */
interface BlockState {
  started: boolean;
  seenId: number;
  seenBeat: number;
  beatAt: number;
  beatSeen: boolean;
  beating: boolean;
  commanded: boolean;
  commandValue: number;
  /** Since the start. */
  accepted: boolean;
  hasAccepted: boolean;
  acceptedId: number;
  scanTimer: TimerOnDelay;
  beatTimer: TimerOnDelay;
  plcBeatTimer: TimerOnDelay;
  commandTimer: TimerOnDelay;
}

function initialState(clock: Clock): BlockState {
  const timer = (): TimerOnDelay => new TimerOnDelay(() => clock.now());
  return {
    started: false,
    seenId: 0,
    seenBeat: 0,
    beatAt: -Infinity,
    beatSeen: false,
    beating: false,
    commanded: false,
    commandValue: 0,
    accepted: false,
    hasAccepted: false,
    acceptedId: 0,
    scanTimer: timer(),
    beatTimer: timer(),
    plcBeatTimer: timer(),
    commandTimer: timer(),
  };
}

function noCommand(): BlockCommand {
  return { Value: 0, TtlMs: 0, DecisionRef: 0, CmdId: 0, Heartbeat: 0, Arm: false };
}

function noStatus({ FallbackValue }: BlockSettings): BlockStatus {
  return {
    AckId: 0,
    AckResult: ACK.NONE,
    AppliedValue: Math.fround(FallbackValue),
    AppliedRef: 0,
    PlcHeartbeat: 0,
    SafeStateActive: true,
    LastCmdAgeMs: MAX_UDINT,
  };
}

/** By serial-number arithmetic (RFC 1982): ahead by less than half the circle of 2³² numbers. */
export function isNewer(id: number, than: number): boolean {
  const ahead = (id - than) >>> 0;
  return ahead > 0 && ahead < 0x8000_0000;
}
