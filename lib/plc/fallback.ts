/**
 * The defined output of a tag for the time in which nobody decides about it: the station tripped,
 * disarmed itself, stopped, its lease ended, or no input came in time. Says when it is due, once each
 * time, and whether the PLC shall go on taking this gateway's word for the tag (the Arm bit).
 *
 * `release` writes nothing and lets the Arm bit fall: the PLC's own value takes over. `hold` keeps what
 * the tag has for a limited time, then releases. `value` writes a value, and releases if the PLC does
 * not confirm it. Doubt always ends in release. What a person ends (disarm, reset) is in that person's hand: no
 * output is due, and none is kept. A station that only watches or advises owes none either.
 */
import { systemClock, type Clock } from '../clock.ts';
import type { TagValue } from './tag-type.ts';

export type FallbackPolicy =
  { kind: 'release' } | { kind: 'hold'; holdMs: number } | { kind: 'value'; value: TagValue };

export interface FallbackDue {
  cause: 'TRIPPED' | 'STOPPED' | 'DISARMED' | 'NO_INPUT';
  /** For people, in the station's own words where it has some. */
  reason: string;
}

/**
 * `idle`: nobody has armed the station, or a person took it in hand. `acting`: armed, and inputs come.
 * The others are the output that is due.
 */
export type FallbackPhase = 'idle' | 'acting' | 'holding' | 'written' | 'released';

/** The station, seen from here. */
interface FallbackStation {
  readonly autonomy: string;
  readonly mode: string;
  arming(): {
    state: 'DISARMED' | 'ARMING' | 'ARMED' | 'TRIPPED' | 'LOCKED_OUT';
    actor: string;
    reason: string;
  };
  onChange(listener: () => void): () => void;
}

export interface FallbackOptions {
  policy: FallbackPolicy;
  /** How long no input may come while the station is armed; 0: for ever. */
  inputTimeoutMs?: number;
  station: FallbackStation;
  /** Gives the value as a command of purpose `fallback`; true only when the PLC confirmed it. */
  write: (value: TagValue, due: FallbackDue) => Promise<boolean>;
  /** Called on every change of the phase. */
  onChange?: (phase: FallbackPhase, due: FallbackDue | null) => void;
  clock?: Clock;
}

/** What a station calls itself when no person did it. */
const ITSELF = 'system';

export class Fallback {
  readonly #options: FallbackOptions;
  readonly #clock: Clock;
  #phase: FallbackPhase = 'idle';
  /** Monotonic, of the last input that counted. */
  #lastInputAt = 0;
  /** What is due again when the input that is under way does not count. */
  #suspended: FallbackDue | null = null;
  #due: FallbackDue | null = null;
  /** Another one for each output that was due, so that a late answer cannot touch the next. */
  #episode = 0;
  #cancelTimer: () => void = () => undefined;
  #stopListening: (() => void) | undefined;

  constructor(options: FallbackOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get phase(): FallbackPhase {
    return this.#phase;
  }

  /** Why the present output is due; null while none is. */
  get due(): FallbackDue | null {
    return this.#due;
  }

  /** A station that is not armed when this begins owes nobody an output. */
  start(): void {
    this.#stopListening ??= this.#options.station.onChange(() => this.#look());
    this.#look();
  }

  /** From now on nothing falls due; what the PLC was told stands until `stop`, so that a command under way may end. */
  halt(): void {
    this.#stopListening?.();
    this.#stopListening = undefined;
    if (this.#phase === 'acting') this.#cancelTimer();
  }

  /** Writes nothing: who stops deciding leaves the tag to the PLC. */
  stop(): void {
    this.halt();
    this.#enter('idle', null);
  }

  /**
   * A decision about this tag is under way. Call it before the command is given, and what it returns when that
   * has ended: `counts` is false where the decision could not be used, which is no input. An Arm bit that fell
   * for want of input rises with the attempt.
   */
  input(): (counts: boolean) => void {
    if (!this.#isAnswering()) return () => undefined;
    if (this.#phase === 'released') {
      const suspended = this.#due;
      this.#enter('acting', null);
      this.#suspended = suspended;
    }
    if (this.#phase === 'acting') this.#expect(this.#clock.now());
    return (counts) => {
      if (!this.#isAnswering()) return;
      if (counts) this.#act();
      else if (this.#suspended !== null) this.#enter('released', this.#suspended);
      else if (this.#phase === 'acting') this.#expect(this.#lastInputAt);
    };
  }

  /** A station that may not act owes no output, whatever its arming. */
  #isAnswering(): boolean {
    const { station } = this.#options;
    const mayAct = station.autonomy === 'act' || station.autonomy === 'confirm';
    return this.#stopListening !== undefined && mayAct && station.arming().state === 'ARMED';
  }

  #look(): void {
    const { state, actor, reason } = this.#options.station.arming();
    if (state === 'ARMED') {
      if (!this.#isAnswering()) return;
      // An output that is due for want of input ends with the next input, not with any change of the station.
      if (this.#phase !== 'acting' && this.#due?.cause !== 'NO_INPUT') this.#act();
    } else if (state === 'DISARMED' && actor !== ITSELF) {
      this.#enter('idle', null);
    } else if (this.#phase === 'acting') {
      const stopped = this.#options.station.mode === 'STOPPED';
      this.#fall({
        cause: state === 'TRIPPED' || state === 'LOCKED_OUT' ? 'TRIPPED' : stopped ? 'STOPPED' : 'DISARMED',
        reason,
      });
    }
  }

  #act(): void {
    this.#enter('acting', null);
    this.#lastInputAt = this.#clock.now();
    this.#expect(this.#lastInputAt);
  }

  /** Waits for an input for so long since monotonic `sinceMs`. */
  #expect(sinceMs: number): void {
    const { inputTimeoutMs = 0 } = this.#options;
    this.#cancelTimer();
    if (inputTimeoutMs <= 0) return;
    const miss = (): void => {
      if (this.#suspended !== null) this.#enter('released', this.#suspended);
      else this.#fall({ cause: 'NO_INPUT', reason: `no input for ${inputTimeoutMs / 1000} s` });
    };
    const leftMs = sinceMs + inputTimeoutMs - this.#clock.now();
    if (leftMs > 0) this.#cancelTimer = this.#clock.after(leftMs, miss);
    else miss();
  }

  #fall(due: FallbackDue): void {
    const { policy, write } = this.#options;
    switch (policy.kind) {
      case 'release':
        this.#enter('released', due);
        return;
      case 'hold':
        // Written so that a time that is not a number is none.
        if (!(policy.holdMs > 0)) {
          this.#enter('released', due);
          return;
        }
        this.#enter('holding', due);
        this.#cancelTimer = this.#clock.after(policy.holdMs, () => this.#enter('released', due));
        return;
      case 'value': {
        this.#enter('written', due);
        const episode = this.#episode;
        const release = (): void => {
          if (this.#episode === episode) this.#enter('released', due);
        };
        write(policy.value, due).then((confirmed) => {
          if (!confirmed) release();
        }, release);
      }
    }
  }

  #enter(phase: FallbackPhase, due: FallbackDue | null): void {
    this.#cancelTimer();
    this.#cancelTimer = () => undefined;
    this.#episode += 1;
    this.#suspended = null;
    this.#due = due;
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.#options.onChange?.(phase, due);
  }
}
