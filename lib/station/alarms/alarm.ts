/** One alarm as the list keeps it, what an event makes of it, and the plain JSON it is kept as over a restart. */
import { definitionOf, isAlarmCode, shelveMinutes, type AlarmCode } from './catalogue.ts';
import { isHidden, NORMAL, transition, type AlarmEvent, type Standing } from './states.ts';
import type { AlarmSource } from './types.ts';

const MINUTE_MS = 60_000;

export interface Alarm {
  readonly key: string;
  readonly code: AlarmCode;
  source: AlarmSource;
  message: string;
  standing: Standing;
  /** Nobody has seen the cause since a restart. */
  isDoubtful: boolean;
  count: number;
  /** How many of those the ledger does not know yet. */
  unrecorded: number;
  /** Milliseconds since 1970. */
  raisedAt: number;
  changedAt: number;
  acknowledged: { actor: string; at: number } | null;
  /** `until`: monotonic. */
  hidden: { actor: string; reason: string; at: number; until: number | null } | null;
  /** What happens once it has been so for long enough; monotonic. */
  due: { event: 'raise' | 'clear'; at: number } | null;
  /** When a person was last told of it; monotonic. */
  toldAt: number | null;
}

export interface KeptAlarm {
  key: string;
  code: AlarmCode;
  source: AlarmSource;
  message: string;
  state: Standing['state'];
  condition: Standing['condition'];
  count: number;
  raisedAt: number;
  changedAt: number;
  acknowledged: Alarm['acknowledged'];
  /** `until`: wall time. */
  hidden: Alarm['hidden'];
}

export function keyOf(code: AlarmCode, sourceId: string): string {
  return `${code}:${sourceId}`;
}

/** One that nothing has happened to yet. @param at milliseconds since 1970 */
export function newAlarm(code: AlarmCode, source: AlarmSource, at: number): Alarm {
  return {
    ...{ key: keyOf(code, source.id), code, source, message: '', standing: NORMAL },
    ...{ isDoubtful: false, count: 0, unrecorded: 0, raisedAt: at, changedAt: at },
    ...{ acknowledged: null, hidden: null, due: null, toldAt: null },
  };
}

/** Makes it what an event has brought it to; `at` in milliseconds since 1970. */
export function takeOn(
  alarm: Alarm,
  next: Standing,
  { event, actor, at }: { event: AlarmEvent; actor: string; at: number },
): void {
  alarm.standing = next;
  alarm.changedAt = at;
  if (event === 'raise' || event === 'confirm' || event === 'clear') alarm.due = null;
  if (next.condition !== 'held') alarm.isDoubtful = false;
  if (event === 'raise') Object.assign(alarm, { count: alarm.count + 1, raisedAt: at });
  if (event === 'acknowledge') alarm.acknowledged = { actor, at };
  else if (next.state === 'unacknowledged') alarm.acknowledged = null;
  if (!isHidden(next.state)) alarm.hidden = null;
}

export function keptAlarm(alarm: Alarm, nowMs: number, wallNowMs: number): KeptAlarm {
  const { key, code, source, message, standing, count, raisedAt, changedAt, acknowledged, hidden } = alarm;
  const until = hidden === null || hidden.until === null ? null : wallNowMs + (hidden.until - nowMs);
  return {
    ...{ key, code, source, message, ...standing, count, raisedAt, changedAt, acknowledged },
    hidden: hidden === null ? null : { ...hidden, until },
  };
}

/** A clock that went back never lets an alarm be shelved for longer than it may be. */
export function restoredAlarm(kept: KeptAlarm, nowMs: number, wallNowMs: number): Alarm {
  const { state, condition, hidden, ...rest } = kept;
  const until =
    hidden === null || hidden.until === null
      ? null
      : nowMs + Math.min(hidden.until - wallNowMs, shelveMinutes(kept.code) * MINUTE_MS);
  return {
    ...rest,
    standing: { state, condition },
    hidden: hidden === null ? null : { ...hidden, until },
    ...{ isDoubtful: false, unrecorded: 0, due: null, toldAt: null },
  };
}

/** A kept alarm as it is now, below what has happened `since`. Who raised it may be gone: that is doubt. */
export function afterRestart(alarm: Alarm, since: Alarm | undefined): Alarm {
  const { isLatching = false } = definitionOf(alarm.code);
  const { condition } = alarm.standing;
  alarm.isDoubtful = condition === 'active' || (condition === 'held' && !isLatching);
  alarm.standing = transition(alarm.standing, 'lose', isLatching);
  if (since === undefined) return alarm;
  const { message, source } = since;
  // Said to stand, though not for long enough for somebody who does not know of it yet.
  const isWaiting = since.due?.event === 'raise';
  if (since.standing.condition !== 'active' && !isWaiting) return alarm;
  const due = isWaiting ? null : since.due;
  const standing = transition(alarm.standing, condition === 'active' ? 'confirm' : 'raise', isLatching);
  return Object.assign(alarm, { message, source, due, standing, isDoubtful: false });
}

/** What can be read of what was kept. */
export function readKeptAlarms(kept: unknown): KeptAlarm[] {
  const { alarms } = (typeof kept === 'object' && kept !== null ? kept : {}) as { alarms?: unknown };
  return Array.isArray(alarms) ? alarms.filter(isKept) : [];
}

const CONDITIONS: readonly unknown[] = ['gone', 'active', 'held'];
const STATES: readonly unknown[] = [
  ...['unacknowledged', 'acknowledged', 'returned', 'latched', 'latched-acknowledged'],
  ...['shelved', 'suppressed', 'out-of-service'],
];

function isKept(value: unknown): value is KeptAlarm {
  const alarm = fieldsOf(value);
  const source = fieldsOf(alarm['source']);
  return (
    isAlarmCode(alarm['code']) &&
    typeof source['id'] === 'string' &&
    typeof source['name'] === 'string' &&
    alarm['key'] === keyOf(alarm['code'], source['id']) &&
    typeof alarm['message'] === 'string' &&
    STATES.includes(alarm['state']) &&
    CONDITIONS.includes(alarm['condition']) &&
    [alarm['count'], alarm['raisedAt'], alarm['changedAt']].every(Number.isFinite) &&
    isBy(alarm['acknowledged']) &&
    isBy(alarm['hidden']) &&
    (alarm['hidden'] === null || isHiding(alarm['hidden'], alarm['state']))
  );
}

function isBy(value: unknown): boolean {
  if (value === null) return true;
  const { actor, at } = fieldsOf(value);
  return typeof actor === 'string' && Number.isFinite(at);
}

function isHiding(value: unknown, state: unknown): boolean {
  const { reason, until } = fieldsOf(value);
  const ends = until === null || Number.isFinite(until);
  return typeof reason === 'string' && ends && isHidden(state as Standing['state']);
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
