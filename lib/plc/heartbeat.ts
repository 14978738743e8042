/**
 * The beat that a PLC watches: a counter written from the event loop in which decisions are made, so
 * that a loop that stands still stops the beat. (A timer in a thread of its own would go on, and lie.)
 *
 * A beat leaves now or not at all: none while the link is down, none while the one before is still
 * under way, none made up for. The Arm bit goes with every beat, before the counter.
 */
import { systemClock, type Clock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import { PlcError } from './plc-error.ts';
import type { TagType } from './tag-type.ts';
import type { TagWrite, Transport } from './transport.ts';

/** How many beats a PLC waits before it falls back; what it has not answered by then it will not need. */
const BEATS_MISSED = 3;

/** Where a counter of the type begins again. */
const LAST_BEAT: Partial<Record<TagType, number>> = {
  Byte: 255,
  Int16: 32_767,
  UInt16: 65_535,
  Int32: 2_147_483_647,
  UInt32: 4_294_967_295,
};

export interface HeartbeatOptions {
  transport: Transport;
  /** A whole number, UInt16 as a rule. */
  tag: string;
  everyMs?: number;
  /** A Boolean, or a whole number that is then 0 or 1. */
  armTag?: string | undefined;
  /** Whether the gateway answers for what it has commanded; asked with every beat. */
  armed: () => boolean;
  /** Told each failure to beat, and undefined when it beats again. */
  onFailure?: (error: Error | undefined) => void;
  clock?: Clock;
}

export class Heartbeat {
  readonly #options: Required<Omit<HeartbeatOptions, 'armTag' | 'onFailure' | 'clock'>> &
    Pick<HeartbeatOptions, 'armTag' | 'onFailure'>;
  readonly #clock: Clock;
  #count = 0;
  #underWay: Promise<void> | undefined;
  /** The Arm bit was asked for while a beat was under way. */
  #again = false;
  #failed = false;
  #cancel: (() => void) | undefined;
  /** What the PLC was last told. */
  #armTold = false;

  constructor({ everyMs = 500, clock = systemClock, ...options }: HeartbeatOptions) {
    this.#options = { ...options, everyMs };
    this.#clock = clock;
  }

  /** Beats now and from now on. */
  start(): void {
    if (this.#cancel !== undefined) return;
    this.#cancel = this.#clock.every(this.#options.everyMs, () => this.#tick());
    this.#tick();
  }

  /** The Arm bit may have changed: tells the PLC now rather than with the next beat. */
  refresh(): void {
    if (this.#cancel === undefined) return;
    if (this.#underWay === undefined) this.#tick();
    else this.#again = true;
  }

  /** Ends the beats and lets the Arm bit fall, so that the PLC need not find out by waiting. Never rejects. */
  async stop(): Promise<void> {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    await this.#underWay;
    const { armTag, transport } = this.#options;
    if (armTag === undefined || !this.#armTold || !transport.linkUp()) return;
    await this.#write(async () => [await this.#armWrite(armTag, false)]);
  }

  #tick(): void {
    if (this.#underWay !== undefined || !this.#options.transport.linkUp()) return;
    const { tag, armTag, armed } = this.#options;
    const beat = this.#write(async () => {
      const beatWrite = await this.#beatWrite(tag);
      if (armTag === undefined) return [beatWrite];
      // Asked last: nothing is awaited between the answer and the PLC.
      const armWrite = await this.#armWrite(armTag, armed);
      return [armWrite, beatWrite];
    });
    this.#underWay = beat;
    void beat.finally(() => {
      this.#underWay = undefined;
      if (!this.#again || this.#cancel === undefined) return;
      this.#again = false;
      this.#tick();
    });
  }

  async #write(prepare: () => Promise<TagWrite[]>): Promise<void> {
    const { transport, everyMs } = this.#options;
    try {
      const writes = await prepare();
      const { result, status } = await transport.writeAll(writes, everyMs * BEATS_MISSED);
      if (result !== 'good') throw new PlcError('PLC_TAG_UNUSABLE', `beat: ${status}`);
      if (this.#failed) this.#options.onFailure?.(undefined);
      this.#failed = false;
    } catch (error) {
      // Without a link there is nothing to say that the link does not say itself.
      if (asCodedError(error).code === 'PLC_LINK_DOWN') return;
      this.#failed = true;
      this.#options.onFailure?.(asCodedError(error));
    }
  }

  async #beatWrite(tag: string): Promise<TagWrite> {
    const { dataType } = await this.#options.transport.describe(tag);
    const last = LAST_BEAT[dataType];
    if (last === undefined) {
      throw new PlcError('PLC_TAG_UNUSABLE', `${tag} is a ${dataType}, which cannot count beats`, {
        hint: 'Use a whole number, UInt16 (UINT, WORD) as a rule.',
      });
    }
    this.#count = this.#count >= last ? 0 : this.#count + 1;
    return { tag, value: this.#count, dataType };
  }

  async #armWrite(tag: string, armed: boolean | (() => boolean)): Promise<TagWrite> {
    const { dataType } = await this.#options.transport.describe(tag);
    if (dataType !== 'Boolean' && LAST_BEAT[dataType] === undefined) {
      throw new PlcError('PLC_TAG_UNUSABLE', `${tag} is a ${dataType}, which cannot be an Arm bit`, {
        hint: 'Use a Boolean, or a whole number that is 0 or 1.',
      });
    }
    const arm = typeof armed === 'boolean' ? armed : armed();
    this.#armTold = arm;
    return { tag, value: dataType === 'Boolean' ? arm : Number(arm), dataType };
  }
}
