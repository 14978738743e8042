/**
 * A command to a bare tag: write it once, then read until it shows the value. Confirmed only by exactly
 * Good and an equal read-back; what another program of the PLC does with the tag is not seen.
 */
import {
  clamped,
  lookUntil,
  refused,
  refusedBy,
  unknown,
  unseen,
  wasNotSent,
  type Verdict,
} from './outcome.ts';
import { sameValue, type TagType, type TagValue } from './tag-type.ts';
import type { Transport, WriteAnswer, WriteGuard } from './transport.ts';

/** What is sent: checked against every fence, in the type it was checked against. */
export interface Sending {
  tag: string;
  value: TagValue;
  dataType: TagType;
  settleMs: number;
  tolerance: number;
  timeoutMs: number;
  /** Asked at the last moment, right before it leaves. */
  guard?: WriteGuard | undefined;
}

/** Never rejects. */
export async function writePlain(
  transport: Transport,
  sending: Sending,
  now: () => number,
): Promise<Verdict> {
  const { tag, value, dataType, timeoutMs, guard } = sending;
  try {
    const answer = await transport.write(tag, value, dataType, timeoutMs, guard);
    const { status } = answer;
    const result = isNear(answer, sending) ? 'good' : answer.result;
    switch (result) {
      case 'refused':
        return refused('NOT_GOOD', status);
      case 'doubtful':
        return unknown('NOT_GOOD', status);
      case 'clamped':
        return clamped('NOT_GOOD', status, await readOnce(transport, sending));
      case 'good':
      case 'pending': {
        const seen = await readBack(transport, sending, now);
        if (result === 'good') return seen;
        // Without the PLC's own acknowledgement an equal value proves nothing here.
        return unknown('NOT_GOOD', status, seen.readBack);
      }
    }
  } catch (error) {
    return wasNotSent(error) ? refusedBy(error) : unseen(error);
  }
}

/** What the PLC says it took instead, and that is as good. */
function isNear({ result, applied }: WriteAnswer, { value, dataType, tolerance }: Sending): boolean {
  return result === 'clamped' && applied !== undefined && sameValue(value, applied, dataType, tolerance);
}

/** A PLC takes a value over in its next scan, not at once. */
async function readBack(
  transport: Transport,
  { tag, value, dataType, settleMs, tolerance, timeoutMs }: Sending,
  now: () => number,
): Promise<Verdict> {
  let holds: TagValue | null = null;
  const look = async (): Promise<Verdict | undefined> => {
    try {
      const reading = await transport.read(tag, timeoutMs);
      holds = reading.value;
      const same = reading.good && sameValue(value, reading.value, dataType, tolerance);
      return same ? { outcome: 'confirmed', readBack: holds } : undefined;
    } catch (error) {
      return unseen(error, holds);
    }
  };
  const seen = await lookUntil(look, settleMs, now);
  return seen ?? unknown('READBACK_MISMATCH', `given ${value}, holds ${holds} after ${settleMs} ms`, holds);
}

async function readOnce(transport: Transport, { tag, timeoutMs }: Sending): Promise<TagValue | null> {
  try {
    return (await transport.read(tag, timeoutMs)).value;
  } catch {
    return null;
  }
}
