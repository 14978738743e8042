/** What the nodes of a station share: its memory, its mode, its alarms and whether it may act. */
import type { Journal, Label } from '../journal/types.ts';
import type { Inspection, Mode, ModelReference, NewPart } from '../inspection/inspection.ts';
import type { LabelAnswer, LabelRequest } from './labels.ts';
import type { Outcome } from '../plc/outcome.ts';
import type { AlarmList } from './alarms/alarm-list.ts';

/** How far the station goes by itself: watch, recommend, act after a person's yes, act. */
export type Autonomy = 'observe' | 'advise' | 'confirm' | 'act';

/** See `arming.ts`. */
export type ArmState = 'DISARMED' | 'ARMING' | 'ARMED' | 'TRIPPED' | 'LOCKED_OUT';

/** How many persons have to agree before the station is armed. */
export type ArmingPolicy = 'single' | 'dual';

export interface ArmingView {
  state: ArmState;
  /** Who brought it into this state and why. */
  actor: string;
  reason: string;
  /** Milliseconds until the lease ends; null unless armed. */
  leaseMs: number | null;
  /** New for every arming: what is summed over a lease begins anew with it. Null unless armed. */
  leaseId: string | null;
  /** The second person, where two had to agree. */
  approvedBy: string | null;
  /** What a second person is asked to agree to, and for how long still. */
  pending: { actor: string; reason: string; leaseMs: number; leftMs: number } | null;
  /** Trips within the last ten minutes; the third locks the station out. */
  recentTrips: number;
  /** Milliseconds until a station that is locked out can be reset; null unless it is. */
  lockedMs: number | null;
}

/** What a person or a program asks of one output. */
export interface CommandRequest {
  value: unknown;
  actor: string;
  reason: string;
  /**
   * The id the command is to carry, as it is: the station has made it of the caller's idempotency key, and
   * finds the outcome of a repeated request by it.
   */
  key: string;
  /** Aborted when nobody waits for the outcome any more. */
  signal: AbortSignal;
}

/** An output that may be commanded from outside of the flow, e.g. a plc-write. */
export interface Commandable {
  /** Where one is told from others of the same name. */
  id: string;
  name: string;
  /** Never rejects for what the PLC or the station says: that is an outcome. */
  command(request: CommandRequest): Promise<Outcome>;
}

/** The machine behind an endpoint is run by hand: nothing is written there. */
export interface Override {
  /** Its name, and what tells it from others of the same name. */
  endpoint: string;
  endpointId: string;
  /** The Boolean tag that says so. */
  tag: string;
}

/** A node of the station that can be released by a person, e.g. a plc-write that halted the feeder. */
export interface Releasable {
  name: string;
  release(request: { actor: string; reason: string }): Promise<unknown>;
}

/** Numbers of a gate a person may change within bounds, with the version of what is in force. */
export interface AdjustableSettings {
  view(): { version: number; settings: object; bounds: object };
  /** Throws a coded error for a change that is not allowed, and makes none. */
  check(change: Readonly<Record<string, number>>): void;
  apply(change: Readonly<Record<string, number>>, by: { actor: string; reason: string }): Promise<void>;
}

/** A gate whose tolerance a person may move within bounds. */
export interface Adjustable {
  name: string;
  /** Where one is told from others of the same name. */
  id?: string;
  settings?: AdjustableSettings;
  tolerance(): { threshold: number | null; min: number | null; max: number | null; calibration: string };
  setTolerance(threshold: number, by: { actor: string; reason: string }): Promise<void>;
}

/** Scores of good parts the model has not seen, from which a gate derives its threshold. */
export interface Calibration {
  model: ModelReference;
  /** Out-of-fold scores of good parts, ascending, in the model's own units. */
  goodScores: readonly number[];
}

/** Why a station steps down, or trips. */
export interface Cause {
  code: string;
  message: string;
}

export interface Station {
  readonly id: string;
  readonly name: string;
  readonly line: string;
  /** Absolute path of the folder where the station keeps models, evidence and its journal. */
  readonly folder: string;
  readonly defaultDeadlineMs: number;
  readonly autonomy: Autonomy;
  readonly mode: Mode;
  /** What a person has to be told of. */
  readonly alarms: AlarmList;
  /** Opens on first use; rejects with `JOURNAL_UNAVAILABLE` when the folder cannot be written. */
  journal(): Promise<Journal>;
  /** Opens the envelope of the next part of this station. */
  nextPart(part?: Partial<Pick<NewPart, 'id' | 'deadlineMs'>>): Promise<Inspection>;

  arming(): ArmingView;
  /**
   * Where two persons have to agree it answers `ARMING` and waits for the second one.
   * Rejects with `ARM_REFUSED` while tripped, or when the audit record cannot be written.
   */
  arm(request: { actor: string; reason: string; leaseMs?: number }): Promise<ArmingView>;
  disarm(request: { actor: string; reason: string }): Promise<ArmingView>;
  /** Disarms for a reason that is known by its code: the heartbeat was lost, a signature did not hold. */
  standDown(cause: Cause): void;
  /** Latches until reset by a person, and cannot be reset while `persists` says that the cause is still there. */
  trip(cause: Cause & { persists?: () => boolean }): void;
  /** Rejects with `LOCKED_OUT`, `CAUSE_PERSISTS` or `ARM_REFUSED`. */
  reset(request: { actor: string; reason: string }): Promise<ArmingView>;

  /** Steps the ladder down, beyond a restart; a step up needs a person. */
  degrade(mode: Mode, cause: Cause): void;
  /** Why the mode is not NORMAL: the causes since a person last reset the station, the first of each code. */
  concerns(): Cause[];

  /** Made known by whoever loads a model; returns the way to withdraw it. */
  offerCalibration(calibration: Calibration): () => void;
  /** The calibration of the model with this digest, if one is loaded in this station. */
  calibrationFor(digest: string): Calibration | undefined;

  addReleasable(releasable: Releasable): () => void;
  addCommandable(commandable: Commandable): () => void;
  /** The manual bit of a PLC was seen to be so; each change is in the ledger (`plc.manual`). */
  override(seen: Override & { on: boolean; reason?: string }): void;
  /** The endpoints that are run by hand now. */
  overrides(): Override[];
  addAdjustable(adjustable: Adjustable): () => void;
  /** Applies a new tolerance where asked, re-arms (where one person may), and releases everything that was halted. */
  release(request: { actor: string; reason: string; threshold?: number }): Promise<ArmingView>;

  /**
   * Keeps what a person found a part to be, then tells those who listen; where two have to agree, only after the second.
   * Rejects with `NOT_FOUND` for a part that is not on record, with the journal's error when it
   * cannot be kept; nobody hears of a label then.
   */
  label(request: LabelRequest): Promise<LabelAnswer>;
  /** Called with every label after it is durable; returns the way to stop listening. */
  onLabel(listener: (label: Label) => void): () => void;

  /** Called on every change of arming or mode; returns the way to stop listening. */
  onChange(listener: () => void): () => void;
}
