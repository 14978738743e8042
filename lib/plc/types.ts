/** What a command is, and what the engine that gives it is made of. */
import type { CommandPurpose } from '../journal/types.ts';
import type { FenceLimits } from './fence.ts';
import type { HandshakeTags } from './handshake-profile.ts';
import type { Watch } from './manual-bit.ts';
import type { MachineTags } from './preflight.ts';
import type { TagType } from './tag-type.ts';
import type { Transport } from './transport.ts';

export interface Command {
  /** Made once by whoever wants the effect; a second command with it is refused. */
  id: string;
  partId: string | null;
  tag: string;
  value: unknown;
  /** `system`, or the person who asked for it; a person's command needs no further approval. */
  actor: string;
  /** A decision about a part unless told. A fallback is written without an arming, and without a person's yes. */
  purpose?: CommandPurpose | undefined;
  /** Tags of the function block that answers; without them the tag is written and read back. */
  handshake?: HandshakeTags | undefined;
  /** Monotonic milliseconds at which the part was triggered, and how long after it this may leave. */
  startedAt: number;
  deadlineMs: number;
  limits: FenceLimits;
  maxPerMinute: number;
  /** What the tag must be; undefined takes what the PLC says. */
  dataType?: TagType | undefined;
  /** How long after the write the PLC may take to show its effect. */
  settleMs: number;
  /** Largest difference between the value and its read-back. */
  tolerance: number;
  /** For each single request to the PLC. */
  timeoutMs: number;
  /** How long a person has to say yes where the station acts only after it. */
  approvalMs: number;
  /** Aborted when nobody waits for the outcome any more; ends the wait for approval, never a write. */
  signal: AbortSignal;
  /** Aborted when its node is closed: what has no outcome soon after is `INTERRUPTED`, and settled by reading. */
  closing?: AbortSignal | undefined;
}

export interface CommandEngineOptions extends MachineTags {
  /** Names the PLC in records, for people. */
  endpoint: string;
  /** What tells it from others of the same name, and stays when it is renamed; the name unless told. */
  id?: string | undefined;
  transport: Transport;
  /** Checks and records everything and sends nothing. */
  dryRun?: boolean;
  /** Tells the manual bit between commands; without it the bit is read before each of them only. */
  watch?: Watch | undefined;
  monotonicNow?: () => number;
}

/** How the commands to a tag are given, as far as settling has to know it. */
export type Manner = Pick<Command, 'tag' | 'handshake'> &
  Partial<Pick<Command, 'settleMs' | 'tolerance' | 'timeoutMs'>>;
