/**
 * One inspection point: its memory, its mode and whether it may act.
 *
 * Promises: whatever widens what the station may do (arm, release, reset, a tolerance, an approval)
 * is in the ledger before it takes effect and is refused when it cannot be written there; whatever
 * narrows it (disarm, trip, a step down) takes effect at once and is written after. A station that
 * has just been created is DISARMED, tripped if it was, and in the mode it had.
 */
import type { Inspection, Mode, NewPart } from '../inspection/inspection.ts';
import { systemClock, type Clock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import type { Finding } from '../plc/settling.ts';
import type { CommandRecord, Journal, Label } from '../journal/types.ts';
import { AlarmList } from './alarms/alarm-list.ts';
import { StationAlarms } from './alarms/station-alarms.ts';
import { Approvals, type Approval, type ApprovalRequest } from './approvals.ts';
import { MAX_LEASE_MS, type By } from './arming.ts';
import { ArmingControl } from './arming-control.ts';
import { Calibrations } from './calibrations.ts';
import { StationError } from './errors.ts';
import { Gates, type ToleranceView } from './gates.ts';
import { Labels, type LabelAnswer, type LabelProposal, type LabelRequest } from './labels.ts';
import { Listeners } from './listeners.ts';
import { StationMemory } from './memory.ts';
import { Overrides } from './overrides.ts';
import { Parts } from './parts.ts';
import { StationRecord } from './record.ts';
import type { StationControl, StationOptions } from './station-control.ts';
import { Requests, type CommandAnswer, type CommandOrder } from './requests.ts';
import type {
  Adjustable,
  ArmingPolicy,
  ArmingView,
  Autonomy,
  Calibration,
  Cause,
  Commandable,
  Override,
  Releasable,
} from './types.ts';

/** A second is short against a shift and long against the work of the check. */
const TICK_MS = 1000;

export type { StationControl, StationOptions } from './station-control.ts';

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
  readonly armingPolicy: ArmingPolicy;
  readonly labelling: ArmingPolicy;
  readonly leaseMs: number;
  readonly alarms: AlarmList;
  readonly #clock: Clock;
  readonly #stopTicking: () => void;
  readonly #memory: StationMemory;
  readonly #record: StationRecord;
  readonly #control: ArmingControl;
  readonly #ownAlarms: StationAlarms;
  readonly #gates = new Gates();
  readonly #labels: Labels;
  readonly #overrides: Overrides;
  readonly #requests: Requests;
  readonly #calibrations = new Calibrations();
  readonly #approvals = new Approvals(() => this.#listeners.tell());
  readonly #releasables = new Set<Releasable>();
  readonly #listeners = new Listeners<void>();
  readonly #parts: Parts;

  constructor(options: StationOptions) {
    this.id = options.id;
    this.name = options.name;
    this.line = options.line;
    this.folder = options.folder;
    this.defaultDeadlineMs = options.defaultDeadlineMs;
    this.autonomy = options.autonomy;
    this.armingPolicy = options.arming ?? 'single';
    this.labelling = options.labelling ?? 'single';
    this.leaseMs = options.leaseMs ?? MAX_LEASE_MS;
    this.#clock = options.clock ?? systemClock;
    this.alarms = new AlarmList({
      station: { id: this.id, name: this.name },
      clock: this.#clock,
      journal: () => this.#memory.journal(),
    });
    this.#ownAlarms = new StationAlarms(this.alarms);
    this.#memory = new StationMemory({
      station: this.name,
      folder: this.folder,
      open: options.openJournal,
      onOpen: (journal) => this.#opened(journal),
      onFailure: (message) => {
        this.#control.failed(`JOURNAL_UNAVAILABLE: ${message}`);
        this.alarms.raise({ code: 'JOURNAL_UNAVAILABLE', message });
      },
    });
    this.#record = new StationRecord(this.name, this.#memory, (message) => this.#control.failed(message));
    this.#control = new ArmingControl({
      policy: this.armingPolicy,
      leaseMs: this.leaseMs,
      clock: this.#clock,
      record: this.#record,
      // Where there is no journal, the ledger will refuse.
      remember: () => this.#memory.journal().then(noResult, noResult),
      onChange: () => this.#changed(),
      onClockStep: (message) => this.alarms.raise({ code: 'CLOCK_STEPPED', message }),
    });
    this.#parts = new Parts(
      { station: this.name, deadlineMs: this.defaultDeadlineMs },
      this.#memory,
      this.#clock,
    );
    this.#labels = new Labels({
      station: this.name,
      memory: this.#memory,
      record: this.#record,
      people: this.labelling === 'dual' ? 2 : 1,
      now: () => new Date(),
    });
    this.#overrides = new Overrides(this.#record);
    this.#requests = new Requests(this.name, () => this.journal(), this.#record);
    this.#stopTicking = this.#clock.every(TICK_MS, () => {
      this.#control.tick();
      this.alarms.tick();
    });
  }

  get mode(): Mode {
    return this.#control.mode;
  }

  journal(): Promise<Journal> {
    return this.#memory.journal();
  }

  nextPart(part: Partial<Pick<NewPart, 'id' | 'deadlineMs'>> = {}): Promise<Inspection> {
    return this.#parts.next(part);
  }

  arming(): ArmingView {
    return this.#control.view();
  }

  arm(request: By & { leaseMs?: number }): Promise<ArmingView> {
    return this.#control.arm(request);
  }

  approveArming(request: By): Promise<ArmingView> {
    return this.#control.approve(request);
  }

  withdrawArming(request: By): Promise<ArmingView> {
    return new Promise((resolve) => resolve(this.#control.withdraw(request)));
  }

  disarm(request: By): Promise<ArmingView> {
    return Promise.resolve(this.#control.disarm(request));
  }

  standDown({ code, message }: Cause): void {
    this.#control.disarm({ actor: 'system', reason: `${code}: ${message}` });
  }

  tripBy(request: By): Promise<ArmingView> {
    return Promise.resolve(this.#control.tripBy(request));
  }

  trip(cause: Cause & { persists?: () => boolean }): void {
    this.#control.trip(cause);
  }

  reset(request: By): Promise<ArmingView> {
    return this.#control.reset(request);
  }

  concerns(): Cause[] {
    return this.#control.concerns();
  }

  degrade(mode: Mode, cause: Cause): void {
    this.#control.degrade(mode, cause);
  }

  offerCalibration(calibration: Calibration): () => void {
    const { name, version, digest } = calibration.model;
    // A person armed the station for the model it had.
    if (!this.#calibrations.has(digest)) {
      this.standDown({ code: 'MODEL_CHANGED', message: `${name} ${version} was loaded` });
    }
    const withdraw = this.#calibrations.offer(calibration);
    this.#listeners.tell();
    return withdraw;
  }

  calibrationFor(digest: string): Calibration | undefined {
    return this.#calibrations.of(digest);
  }

  addReleasable(releasable: Releasable): () => void {
    this.#releasables.add(releasable);
    return () => this.#releasables.delete(releasable);
  }

  addAdjustable(adjustable: Adjustable): () => void {
    return this.#gates.add(adjustable);
  }

  addCommandable(commandable: Commandable): () => void {
    return this.#requests.add(commandable);
  }

  override(seen: Override & { on: boolean; reason?: string }): void {
    if (this.#overrides.see(seen)) this.#listeners.tell();
  }

  overrides(): Override[] {
    return this.#overrides.all();
  }

  tolerances(): ToleranceView[] {
    return this.#gates.views();
  }

  async setGate({
    actor,
    reason,
    gate,
    change,
  }: By & { gate: string; change: Readonly<Record<string, number>> }): Promise<ArmingView> {
    const { name, detail, apply } = this.#gates.settingsChange(gate, change);
    await this.#record.audit({ type: 'gate.settings', actor, reason, detail });
    this.#control.disarm({ actor, reason: `${name} changed: ${reason}` });
    await apply({ actor, reason });
    return this.arming();
  }

  async setTolerance({ actor, reason, threshold }: By & { threshold: number }): Promise<ArmingView> {
    const { detail, apply } = this.#gates.toleranceChange(threshold);
    await this.#record.audit({ type: 'gate.tolerance', actor, reason, detail });
    this.#control.disarm({ actor, reason: `tolerance changed: ${reason}` });
    await apply({ actor, reason });
    return this.arming();
  }

  async release({ actor, reason, threshold }: By & { threshold?: number }): Promise<ArmingView> {
    this.#control.assertReleasable({ actor, reason }, threshold !== undefined);
    const unchanged = this.#control.watch();
    if (threshold !== undefined) {
      const { detail, apply } = this.#gates.toleranceChange(threshold);
      await this.#record.audit({ type: 'gate.tolerance', actor, reason, detail });
      await apply({ actor, reason });
    }
    const releasables = [...this.#releasables];
    const detail = { releases: releasables.map(({ name }) => name) };
    await this.#record.audit({ type: 'station.release', actor, reason, detail });
    unchanged();
    if (this.armingPolicy === 'single') await this.arm({ actor, reason });
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

  settled(commandId: string, finding: Finding): void {
    this.#requests.settled(commandId, finding);
  }

  command(order: CommandOrder): Promise<CommandAnswer> {
    return this.#requests.command(order);
  }

  targets(): { id: string; name: string }[] {
    return this.#requests.targets();
  }

  commandRecord(id: string): Promise<CommandRecord> {
    return this.#requests.get(id);
  }

  requestApproval(request: ApprovalRequest, signal: AbortSignal): Promise<Approval | undefined> {
    return this.#approvals.request(request, signal);
  }

  async approve(commandId: string, { actor, reason }: By): Promise<void> {
    const { tag, value, partId } = this.#approvals.get(commandId);
    const detail = { commandId, tag, value, partId };
    await this.#record.audit({ type: 'plc.approve', actor, reason, detail });
    this.#approvals.approve(commandId, { actor, reason });
  }

  approvals(): ApprovalRequest[] {
    return this.#approvals.waiting();
  }

  label(request: LabelRequest): Promise<LabelAnswer> {
    return this.#labels.record(request);
  }

  labelProposals(): Promise<LabelProposal[]> {
    return this.#labels.proposals();
  }

  onLabel(listener: (label: Label) => void): () => void {
    return this.#labels.onLabel(listener);
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  hold(): () => void {
    return this.#memory.hold();
  }

  async close(): Promise<void> {
    this.#stopTicking();
    this.#control.close();
    this.#approvals.withdrawAll();
    await this.alarms.close();
    await this.#memory.close();
  }

  async #opened(journal: Journal): Promise<void> {
    await this.#control.restore(journal);
    this.alarms.restore(await journal.getValue(this.alarms.recordKey));
    this.#ownAlarms.restore({ concerns: this.concerns() });
    this.#follow();
    this.alarms.clear('JOURNAL_UNAVAILABLE');
  }

  #follow(): void {
    this.#ownAlarms.follow({ arming: this.arming(), mode: this.mode, concerns: this.concerns() });
  }

  #changed(): void {
    this.#follow();
    // A person's yes is worth nothing any more.
    if (this.#control.view().state !== 'ARMED') this.#approvals.withdrawAll();
    this.#listeners.tell();
  }
}

function noResult(): void {
  // Only that it has ended counts.
}
