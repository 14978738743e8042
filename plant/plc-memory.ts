/**
 * The tags of the line's PLC: one memory, seen by the line as its inputs and outputs and by the gateway
 * through OPC UA and Modbus. It remembers who wrote what, so that a test can say "exactly one write".
 */
import { EventEmitter } from 'node:events';
import type { Clock } from '../lib/clock.ts';
import { CommandBlock, type BlockCommand, type BlockMachine, type BlockStatus } from './command-block.ts';

export interface PlcTags {
  /** False stops new parts from arriving. */
  FeederEnable: boolean;
  /** True diverts the next part that arrives at the gate; the PLC then clears it. */
  RejectGate: boolean;
  /** Newton metres, 0..60. */
  TorqueSetpoint: number;
  /** Parts that passed the camera since the start. */
  PartCounter: number;
  /** The part under the camera now. */
  PartId: string;
  /** A short pulse for each part under the camera: the trigger. */
  PartPresent: boolean;
  /** A person works at the line by hand; the gateway may read it, not write it. */
  Manual: boolean;
  /** 0..65535, written by the gateway. */
  Heartbeat: number;
  RejectedCount: number;
}
export type PlcTag = keyof PlcTags;

export const WRITABLE_TAGS = ['FeederEnable', 'RejectGate', 'TorqueSetpoint', 'Heartbeat'] as const;
export type WritableTag = (typeof WRITABLE_TAGS)[number];

/** What a client writes for the command block of the torque, which lies under `Line.Torque`. */
export type TorqueTag = keyof BlockCommand;

/** What a client reads of the block: what it says itself, and what the PLC's program told it. */
export type TorqueStatus = BlockStatus & Pick<BlockMachine, 'ModeManual' | 'InterlockOk'>;

/** One write by a client, as asked for, whatever became of it. */
export interface PlcWrite {
  tag: WritableTag | `Torque.${TorqueTag}`;
  value: unknown;
  at: Date;
  via: 'opcua' | 'modbus';
}

/** What a tag does with the writes of clients instead of taking them. */
export type TagFault =
  /** Numbers are held to the range, bits stay as they are. `announced` answers GoodClamped, else Good. */
  | { kind: 'clamp'; min: number; max: number; announced?: boolean }
  /** The answer is Good at once, the value changes later. */
  | { kind: 'apply-late'; afterMs: number }
  /** Modbus answers "illegal data value". */
  | { kind: 'out-of-range' };

export type WriteAnswer = 'good' | 'clamped' | 'out-of-range';

interface PlcEvents {
  change: [tag: PlcTag, value: PlcTags[PlcTag]];
  write: [write: PlcWrite];
}

/** Newton metres with which the line was set up, and to which the PLC goes back by itself. */
const TORQUE_AT_START = 42;

export class PlcMemory extends EventEmitter<PlcEvents> {
  /** Every write by a client in order of arrival; the newest ten thousand. */
  readonly writes: PlcWrite[] = [];
  readonly #values: PlcTags = {
    FeederEnable: true,
    RejectGate: false,
    TorqueSetpoint: TORQUE_AT_START,
    PartCounter: 0,
    PartId: '',
    PartPresent: false,
    Manual: false,
    Heartbeat: 0,
    RejectedCount: 0,
  };
  /**
   * The function block in front of the torque. From its first effect on it drives TorqueSetpoint, except
   * while the line is run by hand; a line that is not commanded through it never notices it.
   */
  readonly torque: CommandBlock;
  /** What has to hold for the torque to be changed, as the PLC's own program sees it. */
  interlockOk = true;
  readonly #faults = new Map<WritableTag, TagFault>();
  readonly #late = new Set<NodeJS.Timeout>();

  constructor({ clock }: { clock?: Clock } = {}) {
    super();
    this.torque = new CommandBlock({
      settings: { RangeLow: 0, RangeHigh: 60, SlewPerSecond: 200, FallbackValue: TORQUE_AT_START },
      machine: () => ({
        ModeManual: this.#values.Manual,
        InterlockOk: this.interlockOk,
        ManualValue: this.#values.TorqueSetpoint,
      }),
      ...(clock === undefined ? {} : { clock }),
    });
    let driven = false;
    this.torque.on('effect', () => (driven = true));
    this.torque.on('scan', () => {
      if (driven && !this.#values.Manual) this.set('TorqueSetpoint', this.torque.status.AppliedValue);
    });
  }

  get<Tag extends PlcTag>(tag: Tag): PlcTags[Tag] {
    return this.#values[tag];
  }

  /** What the PLC's own program or the line does: never refused, never in `writes`. */
  set<Tag extends PlcTag>(tag: Tag, value: PlcTags[Tag]): void {
    if (this.#values[tag] === value) return;
    this.#values[tag] = value;
    this.emit('change', tag, value);
  }

  /** Breaks a tag, or mends it with null. */
  setFault(tag: WritableTag, fault: TagFault | null): void {
    if (fault === null) this.#faults.delete(tag);
    else this.#faults.set(tag, fault);
  }

  /** What a client asks for over the network. */
  write<Tag extends WritableTag>(tag: Tag, value: PlcTags[Tag], via: PlcWrite['via']): WriteAnswer {
    this.#remember({ tag, value, at: new Date(), via });
    const fault = this.#faults.get(tag);
    switch (fault?.kind) {
      case undefined:
        this.set(tag, value);
        return 'good';
      case 'out-of-range':
        return 'out-of-range';
      case 'apply-late': {
        const timer = setTimeout(() => {
          this.#late.delete(timer);
          this.set(tag, value);
        }, fault.afterMs);
        this.#late.add(timer);
        return 'good';
      }
      case 'clamp': {
        const held = clamp(this.#values[tag], value, fault);
        const changed = held !== value;
        this.set(tag, held);
        return changed && fault.announced === true ? 'clamped' : 'good';
      }
    }
  }

  /** What a client writes into the command area of the torque; the block takes it up in its next cycle. */
  writeTorque(values: Partial<BlockCommand>, via: PlcWrite['via']): void {
    for (const [tag, value] of Object.entries(values)) {
      this.#remember({ tag: `Torque.${tag as TorqueTag}`, value, at: new Date(), via });
    }
    Object.assign(this.torque.command, values);
  }

  get torqueStatus(): TorqueStatus {
    return { ...this.torque.status, ModeManual: this.#values.Manual, InterlockOk: this.interlockOk };
  }

  #remember(write: PlcWrite): void {
    this.writes.push(write);
    if (this.writes.length > 10_000) this.writes.shift();
    this.emit('write', write);
  }

  /** Stops the cycles and forgets the writes that were to be applied late. */
  close(): void {
    this.torque.stop();
    for (const timer of this.#late) clearTimeout(timer);
    this.#late.clear();
    this.removeAllListeners();
  }
}

function clamp<Value extends PlcTags[WritableTag]>(
  present: Value,
  asked: Value,
  range: { min: number; max: number },
): Value {
  if (typeof asked !== 'number') return present;
  return Math.min(range.max, Math.max(range.min, asked)) as Value;
}
