/** What is said between Jidoka and a PLC or gateway that talks MQTT (docs/guide/plc-mqtt.md). */
import { PlcError } from './plc-error.ts';
import type { Range, TagType, TagValue } from './tag-type.ts';
import { TAG_TYPES } from './tag-type.ts';
import type { WriteAnswer } from './transport.ts';

export interface MqttCommand {
  /** Made once; the device carries out each id at most once. */
  id: string;
  tag: string;
  value: TagValue;
  /** Milliseconds after `sentAt` in which the device may still begin. */
  ttlMs: number;
  /** ISO 8601 in UTC. */
  sentAt: string;
}

/** What a device publishes, retained, on the state topic of a tag. */
export interface MqttState {
  value: TagValue;
  type: TagType;
  writable: boolean;
  range: Range | undefined;
  good: boolean;
  /** When the value was looked at, milliseconds since 1970; undefined where the device has no clock. */
  at: number | undefined;
}

export interface MqttAck {
  id: string;
  result: number;
  applied: TagValue | undefined;
}

const TAG_PLACE = '{tag}';
/** Levels of a topic, without the wildcards and the zero that MQTT 3.1.1 (4.7) forbids in a name. */
const TAG = /^[^+#\0/\s][^+#\0\s]{0,199}$/;
const PLAIN = new Set(['boolean', 'number', 'string']);

/** Throws `PLC_TAG_INVALID` for a tag that cannot be a part of a topic. */
export function topicOf(template: string, tag: string): string {
  if (!TAG.test(tag)) {
    throw new PlcError('PLC_TAG_INVALID', `${tag} cannot be part of a topic`, {
      hint: 'Write it as in the topic of the device, e.g. torque or press/torque; no +, # or blanks.',
    });
  }
  return template.replace(TAG_PLACE, () => tag);
}

/** Undefined for what is no state of the protocol: nothing is made up in its place. */
export function stateOf(payload: Buffer): MqttState | undefined {
  const body = parse(payload);
  const value = body?.['value'];
  if (body === undefined || !isPlain(value)) return undefined;
  const { type, min, max, at } = body;
  const said = TAG_TYPES.find((known) => known === type);
  if (type !== undefined && said === undefined) return undefined;
  const time = typeof at === 'string' ? Date.parse(at) : NaN;
  return {
    value,
    type: said ?? ({ boolean: 'Boolean', number: 'Double', string: 'String' } as const)[kindOf(value)],
    writable: body['writable'] !== false,
    range: typeof min === 'number' && typeof max === 'number' && min < max ? { min, max } : undefined,
    good: body['good'] !== false,
    at: Number.isNaN(time) ? undefined : time,
  };
}

export function ackOf(payload: Buffer): MqttAck | undefined {
  const { id, result, applied } = parse(payload) ?? {};
  if (typeof id !== 'string' || typeof result !== 'number') return undefined;
  return { id, result, applied: isPlain(applied) ? applied : undefined };
}

/** The numbers are those of the command block. A duplicate has been carried out, and its first answer was lost. */
export function answerOf({ result, applied }: MqttAck, requested: TagValue, type: TagType): WriteAnswer {
  switch (result) {
    case 1:
      if (applied === undefined) return { result: 'pending', status: 'accepted' };
      if (isSame(requested, applied, type)) return { result: 'good', status: 'accepted' };
      return { result: 'clamped', status: 'accepted', applied };
    case 2:
      return { result: 'refused', status: 'out of range' };
    case 3:
      return { result: 'refused', status: 'interlock' };
    case 4:
      return { result: 'refused', status: 'stale' };
    case 6:
      return { result: 'refused', status: 'not armed' };
    case 7:
      return { result: 'refused', status: 'manual' };
    default:
      return { result: 'doubtful', status: result === 5 ? 'duplicate' : `result ${result}` };
  }
}

/** A device that does not tell its type may well hold 32 bits; the exact value is judged when it is read back. */
function isSame(requested: TagValue, applied: TagValue, type: TagType): boolean {
  if ((type !== 'Float' && type !== 'Double') || typeof requested !== 'number') return requested === applied;
  return typeof applied === 'number' && Math.fround(requested) === Math.fround(applied);
}

function parse(payload: Buffer): Record<string, unknown> | undefined {
  try {
    const body: unknown = JSON.parse(payload.toString('utf8'));
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isPlain(value: unknown): value is TagValue {
  return PLAIN.has(typeof value);
}

function kindOf(value: TagValue): 'boolean' | 'number' | 'string' {
  return typeof value as 'boolean' | 'number' | 'string';
}
