/** Who allows a command: a station, seen from the side of the PLC. */
import type { Mode } from '../inspection/inspection.ts';
import type { Journal } from '../journal/types.ts';
import type { AlarmList } from '../station/alarms/alarm-list.ts';
import type { ArmState, Cause } from '../station/types.ts';
import type { Finding } from './settling.ts';

export type { Cause } from '../station/types.ts';

export interface By {
  actor: string;
  reason: string;
}

export interface Authority {
  readonly autonomy: 'observe' | 'advise' | 'confirm' | 'act';
  readonly mode: Mode;
  readonly alarms: Pick<AlarmList, 'raise' | 'clear'>;
  journal(): Promise<Journal>;
  /** `leaseId` is new for every arming. */
  arming(): { state: ArmState; leaseId: string | null };
  trip(cause: { code: string; message: string }): void;
  disarm(by: By): Promise<unknown>;
  /** Disarms for a reason that is known by its code. */
  standDown(cause: Cause): void;
  /** What reading has shown of a command whose outcome was unknown. */
  settled(commandId: string, finding: Finding): void;
  /** The manual bit of a PLC was seen to be so, or is not seen any more: then the reason says so. */
  override(seen: { endpoint: string; endpointId: string; tag: string; on: boolean; reason?: string }): void;
  requestApproval(
    request: { commandId: string; partId: string; endpoint: string; tag: string; value: unknown },
    signal: AbortSignal,
  ): Promise<By | undefined>;
}
