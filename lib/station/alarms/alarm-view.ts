/** How people see the alarms of a station: what is so now, the most urgent first. */
import type { Alarm } from './alarm.ts';
import { definitionOf, PRIORITIES, shelveMinutes } from './catalogue.ts';
import { HOURLY_BUDGET } from './flood.ts';
import { isHidden, type AlarmState } from './states.ts';
import type { AlarmSummary, AlarmView } from './types.ts';

const NEEDS_EYES: readonly AlarmState[] = ['unacknowledged', 'returned', 'latched'];
const STATE_ORDER: readonly AlarmState[] = [
  ...(['unacknowledged', 'latched', 'returned', 'acknowledged', 'latched-acknowledged'] as const),
  ...(['suppressed', 'shelved', 'out-of-service', 'normal'] as const),
];

/** `nowMs` and `floodSinceMs`: monotonic; null while there is no flood. */
export function alarmView(alarm: Alarm, nowMs: number, floodSinceMs: number | null): AlarmView {
  const { key, code, source, message, standing, isDoubtful, count, acknowledged, hidden, toldAt } = alarm;
  const { priority } = definitionOf(code);
  return {
    ...{ key, code, priority, state: standing.state, message, count },
    active: isDoubtful ? null : standing.condition === 'active',
    source: { id: source.id, name: source.name },
    raisedAt: iso(alarm.raisedAt),
    changedAt: iso(alarm.changedAt),
    acknowledged: acknowledged === null ? null : { actor: acknowledged.actor, at: iso(acknowledged.at) },
    hidden:
      hidden === null
        ? null
        : {
            ...{ actor: hidden.actor, reason: hidden.reason, at: iso(hidden.at) },
            leftMs: hidden.until === null ? null : Math.max(0, hidden.until - nowMs),
          },
    // What is critical is never put together with anything.
    inFlood: floodSinceMs !== null && toldAt !== null && toldAt >= floodSinceMs && priority !== 'critical',
    shelveMinutes: shelveMinutes(code),
  };
}

export function byUrgency(one: AlarmView, other: AlarmView): number {
  return (
    Number(isHidden(one.state)) - Number(isHidden(other.state)) ||
    PRIORITIES.indexOf(one.priority) - PRIORITIES.indexOf(other.priority) ||
    STATE_ORDER.indexOf(one.state) - STATE_ORDER.indexOf(other.state) ||
    Date.parse(other.raisedAt) - Date.parse(one.raisedAt)
  );
}

/** `views`: the most urgent first. */
export function alarmSummary(views: readonly AlarmView[], lastHour: number): AlarmSummary {
  const shown = views.filter(({ state }) => !isHidden(state));
  return {
    unacknowledged: shown.filter(({ state }) => NEEDS_EYES.includes(state)).length,
    active: shown.filter(({ active }) => active !== false).length,
    shelved: views.filter(({ state }) => state === 'shelved' || state === 'out-of-service').length,
    worst: shown[0]?.priority ?? null,
    inFlood: shown.filter(({ inFlood }) => inFlood).length,
    ...{ lastHour, hourlyBudget: HOURLY_BUDGET },
  };
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
