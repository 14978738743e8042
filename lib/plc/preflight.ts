/**
 * What the PLC is asked before anything is sent to it: whether a person runs the machine, whether its
 * interlock allows it, what the tag is, what it holds. Costs one request where something of that has to be
 * read, and none where nothing has.
 */
import type { Command } from './types.ts';
import { judgesChanges, rangeObjection, stepObjection } from './fence.ts';
import { refused, refusedBy, type Verdict } from './outcome.ts';
import type { TagType, TagValue } from './tag-type.ts';
import type { Reading, TagDescription, Transport } from './transport.ts';

/** Boolean tags that stand over every command. */
export interface MachineTags {
  /** True while the machine is run by hand. */
  manualTag?: string | undefined;
  /** True while the machine may be acted on. */
  interlockTag?: string | undefined;
}

/** A value that is of the tag's type and inside of every fence that has no memory. */
export interface Checked {
  value: TagValue;
  dataType: TagType;
  /** How far the value is from the present one; 0 where nobody asked. */
  change: number;
}

export async function preflight(
  transport: Transport,
  { manualTag, interlockTag }: MachineTags,
  { tag, value, limits, dataType: wanted, timeoutMs, handshake }: Command,
): Promise<Verdict | Checked> {
  // What the output follows, where the PLC says it; else what the tag was last given.
  const presentTag = judgesChanges(limits) ? (handshake?.applied ?? tag) : undefined;
  let description: TagDescription;
  let present: Reading | undefined;
  try {
    const seen = await readNamed(transport, [manualTag, interlockTag, presentTag], timeoutMs);
    if (manualTag !== undefined && !says(seen.get(manualTag), false)) {
      return refused('MANUAL', 'the machine is run by hand');
    }
    if (interlockTag !== undefined && !says(seen.get(interlockTag), true)) {
      return refused('INTERLOCK', `${interlockTag} does not allow it`);
    }
    description = await transport.describe(tag);
    present = presentTag === undefined ? undefined : seen.get(presentTag);
  } catch (error) {
    return refusedBy(error);
  }
  const { dataType, range, writable } = description;
  if (!writable) return refused('NOT_GOOD', `${tag} cannot be written`);
  if (wanted !== undefined && wanted !== dataType) {
    return refused('NOT_GOOD', `${tag} is a ${dataType}, not a ${wanted}`);
  }
  if (present?.good === false) {
    return refused('NOT_GOOD', `${presentTag ?? tag}: ${present.status}, so a change cannot be judged`);
  }
  const outside = rangeObjection(value, dataType, limits, range);
  if (outside !== undefined) return refused('OUT_OF_RANGE', outside);
  const checked = value as TagValue;
  if (present === undefined || typeof checked !== 'number') return { value: checked, dataType, change: 0 };
  const tooFar = stepObjection(checked, present.value, limits);
  if (tooFar !== undefined) return refused('OUT_OF_RANGE', tooFar);
  const change = typeof present.value === 'number' ? Math.abs(checked - present.value) : NaN;
  return { value: checked, dataType, change };
}

async function readNamed(
  transport: Transport,
  tags: readonly (string | undefined)[],
  timeoutMs: number,
): Promise<Map<string, Reading>> {
  const wanted = tags.filter((tag): tag is string => tag !== undefined);
  if (wanted.length === 0) return new Map();
  const readings = await transport.readAll(wanted, timeoutMs);
  return new Map(readings.map((reading, index) => [wanted[index] ?? '', reading]));
}

/** What is not known, or doubted by the PLC itself, does not say it. */
function says(reading: Reading | undefined, value: boolean): boolean {
  return reading?.good === true && reading.value === value;
}
