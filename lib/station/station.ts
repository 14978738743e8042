/**
 * One inspection point: its memory, its mode and whether it may act.
 *
 * Promises: whatever widens what the station may do (arm, release, reset, a tolerance, an approval)
 * is in the ledger before it takes effect and is refused when it cannot be written there; whatever
 * narrows it (disarm, trip, a step down) takes effect at once and is written after. A station that
 * has just been created is DISARMED and in the mode it had, and a step of the wall clock disarms it.
 */
import { mkdir } from 'node:fs/promises';
import { ulid } from 'ulid';
import type { Inspection, Mode, NewPart } from '../inspection/inspection.ts';
import { openInspection } from '../inspection/inspection.ts';
import { systemClock, type Clock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import type { Journal, Label, LedgerEntry, NewLabel } from '../journal/types.ts';
import { Approvals, type Approval, type ApprovalRequest } from './approvals.ts';
import { MAX_LEASE_MS, STARTED, transition, view, type Arming, type ArmingEvent } from './arming.ts';
import { StationError } from './errors.ts';
import { Ladder, TOP } from './ladder.ts';
import type {
  Adjustable,
  AdjustableSettings,
  ArmingView,
  Autonomy,
  Calibration,
  Cause,
  Commandable,
  Override,
  Releasable,
  Station,
} from './types.ts';

/** A second is short against a shift and long against the work of the check. */
const TICK_MS = 1000;
/** NTP slews stay far below this; a step of this size makes every time stamp of the record doubtful. */
const MAX_CLOCK_STEP_MS = 2000;

export interface StationOptions {
  id: string;
  name: string;
  line: string;
  /** Absolute; made when first needed. */
  folder: string;
  defaultDeadlineMs: number;
  autonomy: Autonomy;
  /** How long an arming lasts where the person does not say; at most one shift. */
  leaseMs?: number;
  openJournal: (options: { folder: string }) => Promise<Journal>;
  clock?: Clock;
}

interface By {
  actor: string;
  reason: string;
}

/** A gate as people see it: its tolerance, and its further settings where it has some. */
type ToleranceView = ReturnType<Adjustable['tolerance']> &
  Pick<Adjustable, 'name' | 'id'> & { settings?: ReturnType<AdjustableSettings['view']> };

/** The station together with what only its owner and the person in front of it may do. */
export interface StationControl extends Station {
  /** Moves the threshold of every gate, within their bounds; disarms. */
  setTolerance(request: By & { threshold: number }): Promise<ArmingView>;
  tolerances(): ToleranceView[];
  /** Changes settings of one gate, by its id or name, within their bounds; disarms. */
  setGate(request: By & { gate: string; change: Readonly<Record<string, number>> }): Promise<ArmingView>;
  /** Resolves when a person has said yes, or to undefined when nobody did before `signal` was aborted. */
  requestApproval(request: ApprovalRequest, signal: AbortSignal): Promise<Approval | undefined>;
  /** Rejects with `NOT_FOUND` when the command is not waiting. */
  approve(commandId: string, by: By): Promise<void>;
  approvals(): ApprovalRequest[];
  /** Keeps the journal open until the returned function is called: nodes are closed in any order. */
  hold(): () => void;
  /** Disarms, stops the clock, waits for who holds the station and closes the journal. */
  close(): Promise<void>;
}

export function createStation(options: StationOptions): StationControl {
  return new LocalStation(options);
}

class LocalStation implements StationControl {
  readonly id: string;
  readonly name: string;
  readonly line: string;
  readonly folder: string;
  readonly defaultDeadlineMs: number;
  readonly autonomy: Autonomy;
  readonly #leaseMs: number;
  readonly #openJournal: StationOptions['openJournal'];
  readonly #clock: Clock;
  readonly #stopTicking: () => void;
  readonly #approvals = new Approvals(() => this.#changed());
  readonly #calibrations = new Map<string, Calibration[]>();
  readonly #releasables = new Set<Releasable>();
  readonly #adjustables = new Set<Adjustable>();
  readonly #commandables = new Set<Commandable>();
  /** By endpoint. */
  readonly #overrides = new Map<string, Override>();
  readonly #listeners = new Set<() => void>();
  readonly #labelListeners = new Set<(label: Label) => void>();
  #arming: Arming = STARTED;
  readonly #ladder = new Ladder();
  #journal: Promise<Journal> | undefined;
  #sequence: number | undefined;
  /** Counts everything that narrowed the station, so that an arming under way notices it. */
  #narrowings = 0;
  #clockOffsetMs: number;
  #closing = false;
  #closed = false;
  readonly #holds = new Set<Promise<void>>();

  constructor(options: StationOptions) {
    this.id = options.id;
    this.name = options.name;
    this.line = options.line;
    this.folder = options.folder;
    this.defaultDeadlineMs = options.defaultDeadlineMs;
    this.autonomy = options.autonomy;
    this.#leaseMs = options.leaseMs ?? MAX_LEASE_MS;
    this.#openJournal = options.openJournal;
    this.#clock = options.clock ?? systemClock;
    this.#clockOffsetMs = this.#clock.wallNow() - this.#clock.now();
    this.#stopTicking = this.#clock.every(TICK_MS, () => this.#tick());
  }

  get mode(): Mode {
    return this.#ladder.mode;
  }

  journal(): Promise<Journal> {
    if (this.#closed) {
      return Promise.reject(new StationError('JOURNAL_UNAVAILABLE', `station ${this.name} is closed`));
    }
    this.#journal ??= this.#open();
    return this.#journal;
  }

  async nextPart(part: Partial<Pick<NewPart, 'id' | 'deadlineMs'>> = {}): Promise<Inspection> {
    // Taken before anything is awaited: the part's time runs from its trigger.
    const monotonicNow = this.#clock.now();
    const now = new Date(this.#clock.wallNow());
    if (this.#sequence === undefined) {
      const last = await (await this.journal()).lastSequence();
      // Several parts may have waited for the same answer.
      this.#sequence ??= last;
    }
    this.#sequence += 1;
    return openInspection({
      station: this.name,
      sequence: this.#sequence,
      deadlineMs: part.deadlineMs ?? this.defaultDeadlineMs,
      ...(part.id === undefined ? {} : { id: part.id }),
      now,
      monotonicNow,
    });
  }

  arming(): ArmingView {
    return view(this.#arming, this.#clock.now());
  }

  async arm({ actor, reason, leaseMs = this.#leaseMs }: By & { leaseMs?: number }): Promise<ArmingView> {
    const event: ArmingEvent = { type: 'arm', actor, reason, leaseMs, leaseId: ulid() };
    const narrowings = this.#narrowings;
    await this.#remember();
    this.#assertArmable();
    // Refuses what is not allowed before anything is written.
    transition(this.#arming, event, this.#clock.now());
    await this.#audit({ type: 'station.arm', actor, reason, detail: { leaseMs } }, 'ARM_REFUSED');
    if (narrowings !== this.#narrowings) {
      throw new StationError('ARM_REFUSED', `meanwhile: ${this.#arming.reason}`);
    }
    this.#apply(event);
    return this.arming();
  }

  disarm({ actor, reason }: By): Promise<ArmingView> {
    this.#narrow({ type: 'disarm', actor, reason }, { type: 'station.disarm', actor, reason });
    return Promise.resolve(this.arming());
  }

  trip({ code, message }: { code: string; message: string }): void {
    const by = { actor: 'system', reason: `${code}: ${message}` };
    this.#narrow({ type: 'trip', ...by }, { type: 'station.trip', ...by, detail: { code } });
  }

  /** Ends in DISARMED and in mode NORMAL: the person vouches that the cause is gone. */
  async reset({ actor, reason }: By): Promise<ArmingView> {
    const narrowings = this.#narrowings;
    await this.#remember();
    const detail = { from: this.#arming.state, cause: this.#arming.reason, mode: this.mode };
    await this.#audit({ type: 'station.reset', actor, reason, detail }, 'ARM_REFUSED');
    if (this.mode !== 'NORMAL') await this.#forget();
    if (narrowings !== this.#narrowings) {
      this.#keepLadder();
      throw new StationError('ARM_REFUSED', `meanwhile: ${this.#arming.reason}`);
    }
    this.#ladder.clear();
    this.#apply({ type: 'reset', actor, reason });
    return this.arming();
  }

  concerns(): Cause[] {
    return this.#ladder.concerns();
  }

  degrade(mode: Mode, { code, message }: Cause): void {
    const from = this.mode;
    if (!this.#ladder.down(mode, { code, message })) return;
    const next = this.mode;
    const by = { actor: 'system', reason: `${code}: ${message}` };
    const detail = { from, to: next };
    // A reset under way was decided without knowing this.
    this.#narrowings += 1;
    this.#keepLadder();
    if (next === 'STOPPED') {
      this.#narrow({ type: 'disarm', ...by }, { type: 'station.mode', ...by, detail });
    } else {
      this.#note({ type: 'station.mode', ...by, detail });
    }
    this.#changed();
  }

  offerCalibration(calibration: Calibration): () => void {
    const { name, version, digest } = calibration.model;
    // A person armed the station for the model it had.
    if (this.#arming.state === 'ARMED' && !this.#calibrations.has(digest)) {
      void this.disarm({ actor: 'system', reason: `MODEL_CHANGED: ${name} ${version} was loaded` });
    }
    this.#calibrations.set(digest, [...(this.#calibrations.get(digest) ?? []), calibration]);
    this.#changed();
    return () => {
      const others = (this.#calibrations.get(digest) ?? []).filter((offered) => offered !== calibration);
      if (others.length === 0) this.#calibrations.delete(digest);
      else this.#calibrations.set(digest, others);
    };
  }

  calibrationFor(digest: string): Calibration | undefined {
    return this.#calibrations.get(digest)?.at(-1);
  }

  addReleasable(releasable: Releasable): () => void {
    this.#releasables.add(releasable);
    return () => this.#releasables.delete(releasable);
  }

  addCommandable(commandable: Commandable): () => void {
    this.#commandables.add(commandable);
    return () => this.#commandables.delete(commandable);
  }

  override({ endpoint, tag, on }: Override & { on: boolean }): void {
    if (on === this.#overrides.has(endpoint)) return;
    if (on) this.#overrides.set(endpoint, { endpoint, tag });
    else this.#overrides.delete(endpoint);
    const reason = on ? 'the machine is run by hand' : 'the machine is no longer run by hand';
    this.#note({ type: 'plc.manual', actor: 'system', reason, detail: { endpoint, tag, on } });
    this.#changed();
  }

  overrides(): Override[] {
    return [...this.#overrides.values()];
  }

  addAdjustable(adjustable: Adjustable): () => void {
    this.#adjustables.add(adjustable);
    return () => this.#adjustables.delete(adjustable);
  }

  tolerances(): ToleranceView[] {
    return [...this.#adjustables].map((adjustable) => ({
      name: adjustable.name,
      ...(adjustable.id === undefined ? {} : { id: adjustable.id }),
      ...adjustable.tolerance(),
      ...(adjustable.settings === undefined ? {} : { settings: adjustable.settings.view() }),
    }));
  }

  async setGate({
    actor,
    reason,
    gate,
    change,
  }: By & { gate: string; change: Readonly<Record<string, number>> }): Promise<ArmingView> {
    const adjustables = [...this.#adjustables];
    const found = adjustables.find(({ id }) => id === gate) ?? adjustables.find(({ name }) => name === gate);
    if (found?.settings === undefined) {
      throw new StationError('NOT_FOUND', `no gate ${gate} of this station has settings that can be changed`);
    }
    found.settings.check(change);
    const { version, settings } = found.settings.view();
    const detail = { gate: found.name, from: settings, version, change };
    await this.#audit({ type: 'gate.settings', actor, reason, detail }, 'ARM_REFUSED');
    await this.disarm({ actor, reason: `${found.name} changed: ${reason}` });
    await found.settings.apply(change, { actor, reason });
    return this.arming();
  }

  async setTolerance({ actor, reason, threshold }: By & { threshold: number }): Promise<ArmingView> {
    this.#assertWithinBounds(threshold);
    await this.#audit(
      { type: 'gate.tolerance', actor, reason, detail: this.#toleranceChange(threshold) },
      'ARM_REFUSED',
    );
    await this.disarm({ actor, reason: `tolerance changed: ${reason}` });
    await this.#applyTolerance(threshold, { actor, reason });
    return this.arming();
  }

  async release({ actor, reason, threshold }: By & { threshold?: number }): Promise<ArmingView> {
    this.#assertArmable();
    transition(
      this.#arming,
      { type: 'arm', actor, reason, leaseMs: this.#leaseMs, leaseId: '' },
      this.#clock.now(),
    );
    if (threshold !== undefined) {
      this.#assertWithinBounds(threshold);
      const detail = this.#toleranceChange(threshold);
      await this.#audit({ type: 'gate.tolerance', actor, reason, detail }, 'ARM_REFUSED');
      await this.#applyTolerance(threshold, { actor, reason });
    }
    const detail = { releases: [...this.#releasables].map(({ name }) => name) };
    await this.#audit({ type: 'station.release', actor, reason, detail }, 'ARM_REFUSED');
    await this.arm({ actor, reason });
    const releasables = [...this.#releasables];
    const results = await Promise.allSettled(
      releasables.map(async (releasable) => releasable.release({ actor, reason })),
    );
    const failures = results.flatMap((result, index) =>
      result.status === 'fulfilled'
        ? []
        : [`${releasables[index]?.name ?? ''}: ${asCodedError(result.reason).message}`],
    );
    if (failures.length > 0) {
      throw new StationError('RELEASE_FAILED', failures.join('; '), {
        hint: 'The station is armed; look at what was not released and release it again.',
      });
    }
    return this.arming();
  }

  requestApproval(request: ApprovalRequest, signal: AbortSignal): Promise<Approval | undefined> {
    return this.#approvals.request(request, signal);
  }

  async approve(commandId: string, { actor, reason }: By): Promise<void> {
    const { tag, value, partId } = this.#approvals.get(commandId);
    const detail = { commandId, tag, value, partId };
    await this.#audit({ type: 'plc.approve', actor, reason, detail }, 'ARM_REFUSED');
    this.#approvals.approve(commandId, { actor, reason });
  }

  approvals(): ApprovalRequest[] {
    return this.#approvals.waiting();
  }

  async label(request: Omit<NewLabel, 'station'>): Promise<Label> {
    const journal = await this.journal();
    const label = await journal.recordLabel({ ...request, station: this.name }).catch((error: unknown) => {
      const { code, message } = asCodedError(error);
      throw code === 'JOURNAL_NOT_FOUND' ? new StationError('NOT_FOUND', message, { cause: error }) : error;
    });
    tell(this.#labelListeners, label);
    return label;
  }

  onLabel(listener: (label: Label) => void): () => void {
    this.#labelListeners.add(listener);
    return () => this.#labelListeners.delete(listener);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  hold(): () => void {
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    this.#holds.add(held);
    return () => {
      this.#holds.delete(held);
      letGo();
    };
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#stopTicking();
    await this.disarm({ actor: 'system', reason: 'the station was closed' });
    this.#approvals.withdrawAll();
    await Promise.all(this.#holds);
    this.#closed = true;
    const journal = await this.#journal?.catch(() => undefined);
    await journal?.close();
  }

  async #open(): Promise<Journal> {
    try {
      await mkdir(this.folder, { recursive: true });
      const journal = await this.#openJournal({ folder: this.folder });
      try {
        const before = this.mode;
        this.#ladder.restore(await journal.getValue(this.#ladderKey));
        if (this.mode !== before) this.#changed();
      } catch (error) {
        await journal.close();
        throw error;
      }
      return journal;
    } catch (error) {
      this.#journal = undefined;
      const { message } = asCodedError(error);
      // Not through the ledger: there is none.
      this.#narrowings += 1;
      this.#apply({ type: 'disarm', actor: 'system', reason: `JOURNAL_UNAVAILABLE: ${message}` });
      throw new StationError(
        'JOURNAL_UNAVAILABLE',
        `the journal in ${this.folder} cannot be opened: ${message}`,
        {
          hint: 'Check that Node-RED may write in the station folder and that the disk is not full.',
          cause: error,
        },
      );
    }
  }

  get #ladderKey(): string {
    return `station:${this.name}:ladder`;
  }

  /** Knows the mode before a person decides on it. Where there is no journal, the ledger will refuse. */
  async #remember(): Promise<void> {
    await this.journal().catch(() => undefined);
  }

  /** Of the ladder as it is when the journal takes it. One that fails disarms, as the ledger does. */
  #keepLadder(): void {
    if (this.#closed) return;
    void this.journal()
      .then((journal) => journal.setValue(this.#ladderKey, this.#ladder.toJSON()))
      .catch((error: unknown) => this.#unwritten('mode', error));
  }

  async #forget(): Promise<void> {
    try {
      await (await this.journal()).setValue(this.#ladderKey, TOP);
    } catch (error) {
      throw new StationError('ARM_REFUSED', `the mode cannot be kept: ${asCodedError(error).message}`, {
        cause: error,
      });
    }
  }

  #assertArmable(): void {
    if (this.#closing) throw new StationError('ARM_REFUSED', 'the station is closed');
    if (this.mode === 'STOPPED') {
      throw new StationError('ARM_REFUSED', 'the station has stopped itself', {
        hint: 'Clear the cause, reset the station, then arm it.',
      });
    }
  }

  #assertWithinBounds(threshold: number): void {
    if (this.#movable().length === 0) {
      throw new StationError('NOT_FOUND', 'no gate of this station has a tolerance that can be moved');
    }
    for (const [{ name }, { min, max }] of this.#movable()) {
      if (Number.isFinite(threshold) && threshold >= (min ?? -Infinity) && threshold <= (max ?? Infinity))
        continue;
      throw new StationError(
        'TOLERANCE_OUT_OF_BOUNDS',
        `${threshold} is not between ${min ?? '-∞'} and ${max ?? '∞'} (${name})`,
        { hint: 'Only the engineer of the flow can move the bounds.' },
      );
    }
  }

  #toleranceChange(threshold: number): Record<string, unknown> {
    const from = this.#movable().map(([{ name }, tolerance]) => ({ name, from: tolerance.threshold }));
    return { to: threshold, from };
  }

  async #applyTolerance(threshold: number, by: By): Promise<void> {
    for (const [adjustable] of this.#movable()) await adjustable.setTolerance(threshold, by);
  }

  /** A gate that has no threshold, or none yet, has nothing to move. */
  #movable(): [Adjustable, ReturnType<Adjustable['tolerance']>][] {
    return [...this.#adjustables]
      .map((adjustable): [Adjustable, ReturnType<Adjustable['tolerance']>] => [
        adjustable,
        adjustable.tolerance(),
      ])
      .filter(([, { threshold }]) => threshold !== null);
  }

  #apply(event: ArmingEvent): void {
    const before = this.#arming;
    this.#arming = transition(before, event, this.#clock.now());
    if (this.#arming === before) return;
    if (this.#arming.state !== 'ARMED') this.#approvals.withdrawAll();
    this.#changed();
  }

  #narrow(event: ArmingEvent, entry: Omit<LedgerEntry, 'object'>): void {
    const before = this.#arming;
    this.#narrowings += 1;
    this.#apply(event);
    if (this.#arming !== before || entry.type !== 'station.disarm') this.#note(entry);
  }

  /** Into the ledger before it takes effect; rejects with `code`, and disarms, when that fails. */
  async #audit(entry: Omit<LedgerEntry, 'object'>, code: 'ARM_REFUSED'): Promise<void> {
    try {
      await (await this.journal()).appendLedger({ ...entry, object: this.name });
    } catch (error) {
      const { message } = asCodedError(error);
      this.#narrowings += 1;
      this.#apply({ type: 'disarm', actor: 'system', reason: `ledger: ${message}` });
      throw new StationError(code, `${entry.type} cannot be written to the ledger: ${message}`, {
        cause: error,
      });
    }
  }

  /** Into the ledger after it took effect: narrowing never waits for a disk. */
  #note(entry: Omit<LedgerEntry, 'object'>): void {
    if (this.#closed) return;
    void this.journal()
      .then((journal) => journal.appendLedger({ ...entry, object: this.name }))
      .catch((error: unknown) => this.#unwritten('ledger', error));
  }

  #unwritten(what: string, error: unknown): void {
    this.#narrowings += 1;
    this.#apply({ type: 'disarm', actor: 'system', reason: `${what}: ${asCodedError(error).message}` });
  }

  #tick(): void {
    const offsetMs = this.#clock.wallNow() - this.#clock.now();
    const stepMs = offsetMs - this.#clockOffsetMs;
    this.#clockOffsetMs = offsetMs;
    if (Math.abs(stepMs) > MAX_CLOCK_STEP_MS) {
      void this.disarm({
        actor: 'system',
        reason: `CLOCK_STEP: the clock was moved by ${Math.round(stepMs)} ms`,
      });
    }
    const before = this.#arming;
    this.#apply({ type: 'tick' });
    if (this.#arming !== before) {
      this.#note({ type: 'station.disarm', actor: this.#arming.actor, reason: this.#arming.reason });
    }
  }

  #changed(): void {
    tell(this.#listeners, undefined);
  }
}

function tell<News>(listeners: ReadonlySet<(news: News) => void>, news: News): void {
  for (const listener of [...listeners]) {
    try {
      listener(news);
    } catch {
      // A listener shows a status or learns; its failure must not keep the station from disarming.
    }
  }
}
