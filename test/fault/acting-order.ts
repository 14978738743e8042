/** What the process that is killed while it acts is told, and the tags it commands. */
import type { HandshakeTags } from '../../lib/plc/command.ts';

export interface ActingOrder {
  folder: string;
  pkiFolder: string;
  opcuaUrl: string;
  mesUrl: string;
  /** Number of its first command and its first ticket. */
  first: number;
  variant: 'guarded' | 'drain' | 'careless';
}

/** A word nothing else in the plant looks at, so that each write of it is a command. */
export const PLAIN_TAG = 'ns=1;s=Line.Heartbeat';
export const PLAIN_VALUES = 65_536;

export const BLOCK = {
  value: 'ns=1;s=Line.Torque.Value',
  heartbeat: 'ns=1;s=Line.Torque.Heartbeat',
  arm: 'ns=1;s=Line.Torque.Arm',
} as const;

export const HANDSHAKE: HandshakeTags = {
  commandId: 'ns=1;s=Line.Torque.CmdId',
  ttl: 'ns=1;s=Line.Torque.TtlMs',
  reference: 'ns=1;s=Line.Torque.DecisionRef',
  ackId: 'ns=1;s=Line.Torque.AckId',
  ackResult: 'ns=1;s=Line.Torque.AckResult',
  applied: 'ns=1;s=Line.Torque.AppliedValue',
};
