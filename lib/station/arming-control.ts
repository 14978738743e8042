/**
 * Where a station stands: whether it may act, and on which step of its ladder.
 *
 * Promises: whatever widens what the station may do is in the ledger before it takes effect, and is refused when
 * it cannot be written there or when anything narrowed the station meanwhile; whatever narrows it takes effect
 * at once and is written after. Trips, lockouts and the ladder outlive a restart; an arming never does.
 */
import { ulid } from 'ulid';
import type { Clock } from '../clock.ts';
import type { Mode } from '../inspection/inspection.ts';
import type { Journal } from '../journal/types.ts';
import { isLatched, STARTED, transition, view, type Arming, type ArmingEvent, type By } from './arming.ts';
import { StationError } from './errors.ts';
import { keptArming, readKeptArming } from './kept-arming.ts';
import { Ladder, TOP } from './ladder.ts';
import type { Entry, StationRecord } from './record.ts';
import type { ArmingPolicy, ArmingView, Cause } from './types.ts';

/** NTP slews stay far below this; a step of this size makes every time stamp of the record doubtful. */
const MAX_CLOCK_STEP_MS = 2000;

export interface ArmingControlOptions {
  policy: ArmingPolicy;
  /** How long an arming lasts where the person does not say. */
  leaseMs: number;
  clock: Clock;
  record: StationRecord;
  /** Resolves once what was kept of the station is known to it, or cannot be. */
  remember: () => Promise<void>;
  onChange: () => void;
  onClockStep: (message: string) => void;
}

export class ArmingControl {
  readonly #options: ArmingControlOptions;
  readonly #record: StationRecord;
  readonly #clock: Clock;
  readonly #ladder = new Ladder();
  #arming: Arming = STARTED;
  /** Of what latched it, as long as this process knows. */
  #persists: (() => boolean) | undefined;
  /** Codes that are in the ledger since it latched: what goes on failing says so once. */
  readonly #tripCodes = new Set<string>();
  /** Counts everything that narrowed the station, so that a widening under way notices it. */
  #narrowings = 0;
  /** Widenings wait for each other: each is judged on what the one before has left. */
  #lastWidening: Promise<unknown> = Promise.resolve();
  #clockOffsetMs: number;
  #isClosing = false;

  constructor(options: ArmingControlOptions) {
    this.#options = options;
    this.#record = options.record;
    this.#clock = options.clock;
    this.#clockOffsetMs = this.#clock.wallNow() - this.#clock.now();
  }

  get mode(): Mode {
    return this.#ladder.mode;
  }

  concerns(): Cause[] {
    return this.#ladder.concerns();
  }

  view(): ArmingView {
    return view(this.#arming, this.#clock.now());
  }

  /** Arms, or asks a second person to agree where two have to. */
  arm({ actor, reason, leaseMs = this.#options.leaseMs }: By & { leaseMs?: number }): Promise<ArmingView> {
    if (leaseMs > this.#options.leaseMs) {
      const most = `${this.#options.leaseMs} ms`;
      return Promise.reject(
        new StationError('ARM_REFUSED', `this station is armed for at most ${most}, not for ${leaseMs}`),
      );
    }
    if (this.#options.policy === 'dual') {
      const detail = { leaseMs };
      return this.#widen(
        () => ({ type: 'request', actor, reason, leaseMs }),
        () => ({ type: 'station.arm.requested', actor, reason, detail }),
      );
    }
    const leaseId = ulid();
    const detail = { leaseMs, leaseId };
    return this.#widen(
      () => ({ type: 'arm', actor, reason, leaseMs, leaseId }),
      () => ({ type: 'station.arm', actor, reason, detail }),
    );
  }

  approve({ actor, reason }: By): Promise<ArmingView> {
    const leaseId = ulid();
    return this.#widen(
      () => ({ type: 'approve', actor, reason, leaseId }),
      () => {
        const { pending } = this.view();
        const detail = {
          leaseMs: pending?.leaseMs,
          leaseId,
          requestedBy: pending?.actor,
          for: pending?.reason,
        };
        return { type: 'station.arm', actor, reason, detail };
      },
    );
  }

  /** Notes how it stands; the returned function throws `ARM_REFUSED` when it was narrowed since. */
  watch(): () => void {
    const narrowings = this.#narrowings;
    return () => {
      if (narrowings !== this.#narrowings) throw this.#overtaken();
    };
  }

  /** Throws `NOT_FOUND` where nothing is asked for. */
  withdraw({ actor, reason }: By): ArmingView {
    this.#narrow({ type: 'withdraw', actor, reason }, { type: 'station.arm.withdrawn', actor, reason });
    return this.view();
  }

  disarm({ actor, reason }: By): ArmingView {
    this.#narrow({ type: 'disarm', actor, reason }, { type: 'station.disarm', actor, reason });
    return this.view();
  }

  /** Latches the station for whoever stands before the machine. */
  tripBy({ actor, reason }: By): ArmingView {
    const isFirst = !isLatched(this.#arming);
    if (isFirst) {
      this.#persists = undefined;
      this.#tripCodes.clear();
    }
    this.#narrow({ type: 'trip-by-person', actor, reason }, { type: 'station.trip', actor, reason });
    if (isFirst) this.#keepArming();
    return this.view();
  }

  trip({ code, message, persists }: Cause & { persists?: () => boolean }): void {
    const isFirst = !isLatched(this.#arming);
    if (isFirst) {
      this.#persists = persists;
      this.#tripCodes.clear();
    } else if (this.#tripCodes.has(code)) return;
    this.#tripCodes.add(code);
    const by = { actor: 'system', reason: `${code}: ${message}` };
    const after = (): Entry => {
      const { recentTrips, lockedMs } = this.view();
      return { type: 'station.trip', ...by, detail: { code, recentTrips, lockedMs } };
    };
    this.#narrow({ type: 'trip', ...by }, after);
    if (isFirst) this.#keepArming();
  }

  /** Ends in DISARMED and in mode NORMAL: the person vouches that the cause is gone. */
  reset({ actor, reason }: By): Promise<ArmingView> {
    const narrowings = this.#narrowings;
    return this.#inTurn(async () => {
      await this.#options.remember();
      const event: ArmingEvent = { type: 'reset', actor, reason };
      const next = transition(this.#arming, event, this.#clock.now());
      if (isLatched(this.#arming) && this.#persists?.() === true) {
        throw new StationError('CAUSE_PERSISTS', `it is still so: ${this.#arming.reason}`, {
          hint: 'Clear the cause first.',
        });
      }
      const detail = { from: this.#arming.state, cause: this.#arming.reason, mode: this.mode };
      await this.#record.audit({ type: 'station.reset', actor, reason, detail });
      if (this.mode !== 'NORMAL') await this.#record.replace('ladder', TOP);
      if (isLatched(this.#arming)) await this.#record.replace('arming', this.#kept(next));
      if (narrowings !== this.#narrowings) {
        this.#keepLadder();
        this.#keepArming();
        throw this.#overtaken();
      }
      this.#ladder.clear();
      this.#persists = undefined;
      this.#apply(event);
      return this.view();
    });
  }

  degrade(mode: Mode, { code, message }: Cause): void {
    const from = this.mode;
    if (!this.#ladder.down(mode, { code, message })) return;
    const by = { actor: 'system', reason: `${code}: ${message}` };
    const entry: Entry = { type: 'station.mode', ...by, detail: { from, to: this.mode } };
    // A reset under way was decided without knowing this.
    this.#narrowings += 1;
    this.#keepLadder();
    if (this.mode === 'STOPPED') this.#narrow({ type: 'disarm', ...by }, entry);
    else this.#record.note(entry);
    this.#options.onChange();
  }

  /** A record failed: nothing may act that cannot be written down. Not through the ledger, which is what failed. */
  failed(reason: string): void {
    this.#narrowings += 1;
    this.#apply({ type: 'disarm', actor: 'system', reason });
  }

  /** Takes what the journal kept on top of what has happened since. */
  async restore(journal: Journal): Promise<void> {
    const before = this.mode;
    this.#ladder.restore(await journal.getValue(this.#record.keyOf('ladder')));
    const kept = readKeptArming(await journal.getValue(this.#record.keyOf('arming')));
    if (kept !== undefined) this.#apply({ type: 'restore', kept, wallNowMs: this.#clock.wallNow() });
    if (this.mode !== before) this.#options.onChange();
  }

  /** Once a second: what time alone changes, and whether somebody moved the clock. */
  tick(): void {
    const offsetMs = this.#clock.wallNow() - this.#clock.now();
    const stepMs = offsetMs - this.#clockOffsetMs;
    this.#clockOffsetMs = offsetMs;
    if (Math.abs(stepMs) > MAX_CLOCK_STEP_MS) {
      const message = `the clock was moved by ${Math.round(stepMs)} ms`;
      this.disarm({ actor: 'system', reason: `CLOCK_STEP: ${message}` });
      this.#options.onClockStep(message);
    }
    const before = this.#arming;
    this.#apply({ type: 'tick' });
    if (this.#arming.state === before.state || this.#arming.state === 'TRIPPED') return;
    const { state, actor, reason } = this.#arming;
    const type = before.state === 'ARMED' ? 'station.disarm' : 'station.arm.expired';
    this.#record.note({ type, actor: state === 'DISARMED' ? actor : 'system', reason });
  }

  /** Throws `ARM_REFUSED` where one person may not let run again what was halted. */
  assertReleasable({ actor, reason }: By, moves: boolean): void {
    this.#assertArmable();
    if (this.#options.policy === 'single') {
      const leaseMs = this.#options.leaseMs;
      transition(this.#arming, { type: 'arm', actor, reason, leaseMs, leaseId: '' }, this.#clock.now());
      return;
    }
    if (moves || this.view().state !== 'ARMED') {
      throw new StationError('ARM_REFUSED', 'two persons have to arm the station before it is released', {
        hint: 'Move the tolerance first if need be, then arm, then release.',
      });
    }
  }

  /** Nothing is armed any more. */
  close(): void {
    this.#isClosing = true;
    this.disarm({ actor: 'system', reason: 'the station was closed' });
  }

  #widen(event: () => ArmingEvent, entry: () => Entry): Promise<ArmingView> {
    const narrowings = this.#narrowings;
    return this.#inTurn(async () => {
      await this.#options.remember();
      this.#assertArmable();
      // Refuses what is not allowed before anything is written.
      transition(this.#arming, event(), this.#clock.now());
      await this.#record.audit(entry());
      if (narrowings !== this.#narrowings) throw this.#overtaken();
      this.#apply(event());
      return this.view();
    });
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#lastWidening.then(work, work);
    this.#lastWidening = turn;
    return turn;
  }

  #overtaken(): StationError {
    return new StationError('ARM_REFUSED', `meanwhile: ${this.#arming.reason}`);
  }

  #assertArmable(): void {
    if (this.#isClosing) throw new StationError('ARM_REFUSED', 'the station is closed');
    if (this.mode === 'STOPPED') {
      throw new StationError('ARM_REFUSED', 'the station has stopped itself', {
        hint: 'Clear the cause, reset the station, then arm it.',
      });
    }
  }

  /** The record may say what the station has become by it. */
  #narrow(event: ArmingEvent, entry: Entry | (() => Entry)): void {
    const before = this.#arming;
    this.#narrowings += 1;
    this.#apply(event);
    const record = typeof entry === 'function' ? entry() : entry;
    if (this.#arming !== before || record.type !== 'station.disarm') this.#record.note(record);
  }

  #apply(event: ArmingEvent): void {
    const before = this.#arming;
    this.#arming = transition(before, event, this.#clock.now());
    if (this.#arming !== before) this.#options.onChange();
  }

  #keepLadder(): void {
    this.#record.keep('ladder', () => this.#ladder.toJSON());
  }

  #keepArming(): void {
    this.#record.keep('arming', () => this.#kept(this.#arming));
  }

  #kept(arming: Arming): ReturnType<typeof keptArming> {
    return keptArming(arming, this.#clock.now(), this.#clock.wallNow());
  }
}
