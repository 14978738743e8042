/** A station as its owner has it, and the person in front of it: how it is made, and what only they may do. */
import type { Clock } from '../clock.ts';
import type { CommandRecord, Journal } from '../journal/types.ts';
import type { Finding } from '../plc/settling.ts';
import type { Approval, ApprovalRequest } from './approvals.ts';
import type { LabelProposal } from './labels.ts';
import type { By } from './arming.ts';
import type { ToleranceView } from './gates.ts';
import type { CommandAnswer, CommandOrder } from './requests.ts';
import type { ArmingPolicy, ArmingView, Autonomy, Station } from './types.ts';

export interface StationOptions {
  id: string;
  name: string;
  line: string;
  /** Absolute; made when first needed. */
  folder: string;
  defaultDeadlineMs: number;
  autonomy: Autonomy;
  /** How many persons have to agree to arming; one unless told. */
  arming?: ArmingPolicy;
  /** How many persons have to find the same of a part; one unless told. */
  labelling?: ArmingPolicy;
  /** How long an arming lasts where the person does not say; at most one shift. */
  leaseMs?: number;
  openJournal: (options: { folder: string }) => Promise<Journal>;
  clock?: Clock;
}

/** The station together with what only its owner and the person in front of it may do. */
export interface StationControl extends Station {
  readonly armingPolicy: ArmingPolicy;
  readonly labelling: ArmingPolicy;
  readonly leaseMs: number;
  /** What one person found and a second has to, oldest first; empty where one is enough. */
  labelProposals(): Promise<LabelProposal[]>;
  /** A second person agrees. Rejects with `SAME_PERSON`, `NOT_FOUND` or `ARM_REFUSED`. */
  approveArming(request: By): Promise<ArmingView>;
  /** Rejects with `NOT_FOUND` where nobody has asked. */
  withdrawArming(request: By): Promise<ArmingView>;
  /** Latches the station until a reset, and lets its outputs fall back; counts towards no lockout. */
  tripBy(request: By): Promise<ArmingView>;
  /** Moves the threshold of every gate, within their bounds; disarms. */
  setTolerance(request: By & { threshold: number }): Promise<ArmingView>;
  tolerances(): ToleranceView[];
  /** Changes settings of one gate, by its id or name, within their bounds; disarms. */
  setGate(request: By & { gate: string; change: Readonly<Record<string, number>> }): Promise<ArmingView>;
  /** What a person or a program asks for from outside of the flow; see `requests.ts`. */
  command(order: CommandOrder): Promise<CommandAnswer>;
  /** Keeps what reading has shown of a command whose outcome was unknown, for whoever asks for it again. */
  settled(commandId: string, finding: Finding): void;
  /** What can be commanded. */
  targets(): { id: string; name: string }[];
  /** By id, whoever asked for it; rejects with `NOT_FOUND`. */
  commandRecord(id: string): Promise<CommandRecord>;
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
