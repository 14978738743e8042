/** Which alarm says why another one is there: one cause, one alarm. */
import type { Alarm } from './alarm.ts';
import { definitionOf } from './catalogue.ts';

/** One that people can see and whose cause stands. */
export function explainerOf({ code, source }: Alarm, alarms: Iterable<Alarm>): Alarm | undefined {
  return [...alarms].find((other) => {
    const { state } = other.standing;
    if (state !== 'unacknowledged' && state !== 'acknowledged') return false;
    const scope = definitionOf(other.code).explains?.[code];
    if (scope === 'station') return true;
    return scope === 'source' && (other.source.id === source.id || other.source.id === source.within);
  });
}
