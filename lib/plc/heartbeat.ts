/**
 * The beat that a PLC watches: a counter written from the event loop in which decisions are made, so
 * that a loop that stands still stops the beat. (A timer in a thread of its own would go on, and lie.)
 *
 * A beat leaves now or not at all: none while the link is down, none while the one before is still
 * under way, none made up for. The Arm bit goes with every beat, before the counter, and is asked for once more
 * right before either goes to the socket: what waited for its turn must not tell the PLC what holds no longer.
 */
import { systemClock, type Clock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import { endedOrAfter } from './ending.ts';
import { PlcError } from './plc-error.ts';
import type { TagType } from './tag-type.ts';
import type { TagWrite, Transport, WriteGuard } from './transport.ts';

/** How many beats a PLC waits before it falls back; what it has not answered by then it will not need. */
const BEATS_MISSED = 3;

/** For the Arm bit to fall when the beats end. */
const STOP_MS = 500;

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
  /** After so long without a beat that was answered the PLC hears nobody any more; three beats unless told. */
  timeoutMs?: number | undefined;
  /** Told true when that time is up, whatever the reason, and false when the PLC has answered a beat again. */
  onLost?: (isLost: boolean) => void;
  clock?: Clock;
}

export class Heartbeat {
  readonly #options: Required<Pick<HeartbeatOptions, 'transport' | 'tag' | 'armed' | 'everyMs'>> & {
    timeoutMs: number;
  } & Pick<HeartbeatOptions, 'armTag' | 'onFailure' | 'onLost'>;
  readonly #clock: Clock;
  #count = 0;
  /** Monotonic, when the last beat left that was answered. */
  #heardAt = 0;
  #isLost = false;
  #underWay: Promise<void> | undefined;
  /** The Arm bit was asked for while a beat was under way. */
  #again = false;
  #failed = false;
  #cancel: (() => void) | undefined;
  /** What the PLC was last told. */
  #armTold = false;

  constructor({ everyMs = 500, timeoutMs, clock = systemClock, ...options }: HeartbeatOptions) {
    this.#options = { ...options, everyMs, timeoutMs: timeoutMs ?? everyMs * BEATS_MISSED };
    this.#clock = clock;
  }

  /** Beats now and from now on. */
  start(): void {
    if (this.#cancel !== undefined) return;
    this.#heardAt = this.#clock.now();
    this.#cancel = this.#clock.every(this.#options.everyMs, () => {
      this.#watch();
      this.#tick();
    });
    this.#tick();
  }

  /** The Arm bit may have changed: tells the PLC now rather than with the next beat. */
  refresh(): void {
    if (this.#cancel === undefined) return;
    if (this.#underWay === undefined) this.#tick();
    else this.#again = true;
  }

  /**
   * Ends the beats and lets the Arm bit fall, so that the PLC need not find out by waiting. Never rejects. A PLC that
   * does not answer is not waited for.
   */
  async stop(): Promise<void> {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    await endedOrAfter(this.#fall(), STOP_MS);
  }

  async #fall(): Promise<void> {
    await this.#underWay;
    const { armTag, transport } = this.#options;
    if (armTag === undefined || !this.#armTold || !transport.linkUp()) return;
    await this.#write(async () => [await this.#armWrite(armTag, false)]);
  }

  #watch(): void {
    if (this.#isLost || !(this.#clock.now() - this.#heardAt > this.#options.timeoutMs)) return;
    this.#isLost = true;
    this.#options.onLost?.(true);
  }

  #heard(sentAt: number): void {
    this.#heardAt = sentAt;
    if (!this.#isLost) return;
    this.#isLost = false;
    this.#options.onLost?.(false);
  }

  #tick(): void {
    if (this.#underWay !== undefined || !this.#options.transport.linkUp()) return;
    const { tag, armTag, armed } = this.#options;
    const sentAt = this.#clock.now();
    const beat = this.#write(
      async () => {
        const beatWrite = await this.#beatWrite(tag);
        if (armTag === undefined) return [beatWrite];
        const armWrite = await this.#armWrite(armTag, armed);
        return [armWrite, beatWrite];
      },
      // The bit that was asked for is told at once instead, when this has ended.
      { mayLeave: () => armTag === undefined || armed() === this.#armTold, leftMs: () => Infinity },
    ).then((answered) => {
      if (answered) this.#heard(sentAt);
    });
    this.#underWay = beat;
    void beat.finally(() => {
      this.#underWay = undefined;
      if (!this.#again || this.#cancel === undefined) return;
      this.#again = false;
      this.#tick();
    });
  }

  /** True when the PLC has answered. Never rejects. */
  async #write(prepare: () => Promise<TagWrite[]>, guard?: WriteGuard): Promise<boolean> {
    const { transport, everyMs } = this.#options;
    try {
      const writes = await prepare();
      const { result, status } = await transport.writeAll(writes, everyMs * BEATS_MISSED, guard);
      if (result !== 'good') throw new PlcError('PLC_TAG_UNUSABLE', `beat: ${status}`);
      if (this.#failed) this.#options.onFailure?.(undefined);
      this.#failed = false;
      return true;
    } catch (error) {
      const { code } = asCodedError(error);
      if (code === 'PLC_WITHHELD') this.#again = true;
      // Without a link there is nothing to say that the link does not say itself.
      else if (code !== 'PLC_LINK_DOWN') {
        this.#failed = true;
        this.#options.onFailure?.(asCodedError(error));
      }
      return false;
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
