/** What a message measured: a number, a list of numbers, or either by the name of its sensor; and when. */
import { CodedError } from '../../lib/errors.ts';
import type { Config } from './config.ts';

export type Samples = Record<string, number | number[]>;

class SampleError extends CodedError<'SAMPLE_INVALID'> {}

/** A list longer than this belongs into a file. */
const MOST_IN_LIST = 65_536;

function invalid(message: string, hint: string): SampleError {
  return new SampleError('SAMPLE_INVALID', message, { hint });
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  // JSON throws for a bigint, and has no text for a function or a symbol.
  const hasText = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const text = typeof value === 'string' ? `“${value}”` : hasText ? String(value) : 'nothing to measure';
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Text that looks like a number is refused as well: whoever sends it sends “n/a” one day. */
function checked(name: string, value: unknown): number | number[] {
  const list: unknown[] = Array.isArray(value)
    ? value
    : ArrayBuffer.isView(value) && !(value instanceof DataView)
      ? Array.from(value as unknown as ArrayLike<unknown>)
      : [value];
  if (list.length > MOST_IN_LIST) {
    throw invalid(`${name} has ${list.length} samples in one message`, `Send at most ${MOST_IN_LIST}.`);
  }
  const at = list.findIndex((sample) => typeof sample !== 'number' || !Number.isFinite(sample));
  if (list.length === 0 || at >= 0) {
    const wrong = list[at];
    throw invalid(
      `${name} is ${list.length === 0 ? 'an empty list' : `${shown(wrong)} (${typeof wrong})`}, not a number`,
      'Send numbers; leave out what was not measured: the window reports the gap.',
    );
  }
  return list.length === 1 ? (list[0] as number) : (list as number[]);
}

/**
 * A number or a list belongs to the sensor that `topic` names, or to the only one there is. Of an object the
 * sensors are taken, and what else it holds is left alone.
 *
 * @throws SampleError `SAMPLE_INVALID`
 */
export function samplesOf(payload: unknown, topic: unknown, channels: readonly string[]): Samples {
  const isPlain = typeof payload === 'object' && payload !== null && !ArrayBuffer.isView(payload);
  if (isPlain && !Array.isArray(payload)) {
    const entries = Object.entries(payload).filter(([name]) => channels.includes(name));
    if (entries.length > 0) {
      return Object.fromEntries(entries.map(([name, value]) => [name, checked(name, value)]));
    }
    throw invalid(
      `msg.payload holds none of the sensors ${channels.join(', ')}`,
      'Name the sensors in the dialog as the message names them.',
    );
  }
  const [only] = channels;
  const name = typeof topic === 'string' && channels.includes(topic) ? topic : undefined;
  const channel = name ?? (channels.length === 1 ? only : undefined);
  if (channel === undefined) {
    throw invalid(
      `msg.topic is ${shown(topic)}, which is none of the sensors ${channels.join(', ')}`,
      'Send the name of the sensor as msg.topic, or an object of sensors as msg.payload.',
    );
  }
  return { [channel]: checked(channel, payload) };
}

/**
 * Milliseconds of the first sample; undefined where samples are counted. A time is a number of
 * milliseconds, a Date, or text as ISO 8601 has it.
 *
 * @throws SampleError `SAMPLE_INVALID`
 */
export function timeOf(
  samples: Samples,
  stamp: unknown,
  { clock, stampAt, timeProperty, window }: Config,
  nowMs: number,
): number | undefined {
  if (clock === 'rate') return undefined;
  const isText = typeof stamp === 'string' && /^\d{4}-\d{2}-\d{2}T/.test(stamp);
  const given = isText ? Date.parse(stamp) : stamp instanceof Date ? stamp.getTime() : stamp;
  const timeMs = clock === 'arrival' ? nowMs : given;
  if (typeof timeMs !== 'number' || !Number.isFinite(timeMs)) {
    throw invalid(
      `msg.${timeProperty} is ${shown(stamp)}, not a time`,
      'Send milliseconds or an ISO 8601 text, or let the dialog count samples at a fixed rate.',
    );
  }
  const longest = Math.max(
    ...Object.values(samples).map((value) => (Array.isArray(value) ? value.length : 1)),
  );
  const isLast = stampAt === 'last' || clock === 'arrival';
  const { sourceHz } = window;
  return isLast && longest > 1 && sourceHz !== undefined
    ? timeMs - ((longest - 1) * 1000) / sourceHz
    : timeMs;
}
