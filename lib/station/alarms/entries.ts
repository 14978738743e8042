/** What the ledger is told of an alarm. */
import type { Alarm } from './alarm.ts';
import { definitionOf } from './catalogue.ts';
import type { AlarmEvent } from './states.ts';

/** Types of ledger records; restarts are no news. */
export const RECORDED: Readonly<Partial<Record<AlarmEvent, string>>> = {
  raise: 'alarm.raised',
  clear: 'alarm.cleared',
  acknowledge: 'alarm.acknowledged',
  reset: 'alarm.reset',
  unshelve: 'alarm.unshelved',
  suppress: 'alarm.suppressed',
  unsuppress: 'alarm.unsuppressed',
  'return-to-service': 'alarm.in-service',
};

export function detailOf({ key, code, source, message, count }: Alarm): Record<string, unknown> {
  const { priority } = definitionOf(code);
  return { key, code, priority, source: source.name, sourceId: source.id, message, count };
}
