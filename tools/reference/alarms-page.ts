// The page docs/reference/alarms.md: a heading an alarm, so that each can be linked to, the most urgent first.
import {
  CATALOGUE,
  definitionOf,
  OFF_DELAY_MS,
  PRIORITIES,
  shelveMinutes,
  type AlarmCode,
} from '../../lib/station/alarms/catalogue.ts';

function duration(minutes: number): string {
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
}

function behaviour(code: AlarmCode): string {
  const { kind, isLatching, onDelayMs = 0, offDelayMs = OFF_DELAY_MS, explains = {} } = definitionOf(code);
  const hides = Object.keys(explains).map((other) => `[${other}](#${other.toLowerCase()})`);
  return [
    kind === 'event' ? 'has happened and is over; stays until somebody has seen it' : undefined,
    isLatching === true ? 'stays until somebody resets it' : undefined,
    onDelayMs > 0 ? `told of after ${onDelayMs / 1000} s` : undefined,
    kind === 'state' && offDelayMs > 0 ? `gone after ${offDelayMs / 1000} s without its cause` : undefined,
    `shelved for at most ${duration(shelveMinutes(code))}`,
    hides.length > 0 ? `hides ${hides.join(', ')}` : undefined,
  ]
    .filter((text) => text !== undefined)
    .join('; ');
}

function section(code: AlarmCode): string[] {
  const { title, priority, cause, consequence, action } = definitionOf(code);
  return [
    `### ${code}`,
    '',
    `**${title}** (${priority})`,
    '',
    `- Cause: ${cause}`,
    `- When nobody does anything: ${consequence}`,
    `- What to do: ${action}`,
    `- Behaviour: ${behaviour(code)}.`,
    '',
  ];
}

export function alarmsPage(): string {
  const codes = Object.keys(CATALOGUE) as AlarmCode[];
  return [
    '# Alarms',
    '',
    'Every alarm of a station: what it means and what to do. How the list behaves is in the guide to',
    '[alarms](../guide/alarms.md). This page is written by `npm run reference` from the catalogue in',
    '`lib/station/alarms/catalogue.ts`.',
    '',
    ...PRIORITIES.flatMap((priority) => {
      const some = codes.filter((code) => definitionOf(code).priority === priority);
      return some.length === 0 ? [] : [`## Priority ${priority}`, '', ...some.flatMap(section)];
    }),
  ].join('\n');
}
