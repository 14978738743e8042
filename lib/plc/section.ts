/** What a message says of the tags it was made from: the value, and why it can be believed. */
import { PlcError } from './plc-error.ts';
import type { TagValue } from './tag-type.ts';
import type { Reading } from './transport.ts';

export interface TagSection extends Reading {
  tag: string;
  /** As a person calls it in the flow; the tag itself where nobody gave it a name. */
  name: string;
}

export interface PlcSection {
  endpoint: string;
  tags: TagSection[];
}

export function tagSection({ tag, name }: { tag: string; name: string }, reading: Reading): TagSection {
  const { value, good, status, sourceAt } = reading;
  return { tag, name, value, good, status, sourceAt };
}

/** The value, where it may be used. Throws `PLC_NOT_GOOD` for one the PLC doubts, and for what is no number. */
export function usableValue(tag: string, { value, good, status }: Reading): TagValue {
  const isNumber = typeof value !== 'number' || Number.isFinite(value);
  if (good && isNumber) return value;
  throw new PlcError('PLC_NOT_GOOD', `${tag} holds ${String(value)} (${status})`, {
    hint: 'Look at the sensor or the device behind this tag: the PLC itself does not vouch for the value.',
  });
}
