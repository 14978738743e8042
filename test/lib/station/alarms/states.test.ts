import assert from 'node:assert/strict';
import {
  ALARM_EVENTS,
  NORMAL,
  transition,
  type AlarmEvent,
  type Standing,
} from '../../../../lib/station/alarms/states.ts';

/** One event after the other, from normal. */
function after(...events: AlarmEvent[]): Standing {
  return events.reduce((standing, event) => transition(standing, event, false), NORMAL);
}

/** Every situation an alarm can be in. */
const situations = {
  normal: NORMAL,
  unacknowledged: after('raise'),
  acknowledged: after('raise', 'acknowledge'),
  returned: after('raise', 'clear'),
  latched: after('raise', 'lose'),
  'latched, seen': after('raise', 'acknowledge', 'lose'),
  'shelved, stands': after('raise', 'shelve'),
  'shelved, held': after('raise', 'lose', 'shelve'),
  'shelved, gone': after('raise', 'shelve', 'clear'),
  'suppressed, stands': after('raise', 'suppress'),
  'suppressed, held': after('raise', 'suppress', 'lose'),
  'suppressed, gone': after('raise', 'suppress', 'clear'),
  'out, stands': after('raise', 'remove-from-service'),
  'out, held': after('raise', 'lose', 'remove-from-service'),
  'out, gone': after('raise', 'remove-from-service', 'clear'),
} satisfies Record<string, Standing>;

type Situation = keyof typeof situations;
/** `clear` where a person has to reset the alarm, too. */
type Event = AlarmEvent | 'clear, latching';

const EVENTS: readonly Event[] = [...ALARM_EVENTS, 'clear, latching'];

/** Read a row as: in this situation, each event ends so; what is not named changes nothing. */
const table: Record<Situation, Partial<Record<Event, Situation>>> = {
  normal: {
    raise: 'unacknowledged',
    confirm: 'unacknowledged',
    shelve: 'shelved, gone',
    'remove-from-service': 'out, gone',
  },
  unacknowledged: {
    clear: 'returned',
    'clear, latching': 'latched',
    lose: 'latched',
    acknowledge: 'acknowledged',
    shelve: 'shelved, stands',
    suppress: 'suppressed, stands',
    'remove-from-service': 'out, stands',
  },
  acknowledged: {
    clear: 'normal',
    'clear, latching': 'latched, seen',
    lose: 'latched, seen',
    shelve: 'shelved, stands',
    suppress: 'suppressed, stands',
    'remove-from-service': 'out, stands',
  },
  returned: {
    raise: 'unacknowledged',
    confirm: 'unacknowledged',
    acknowledge: 'normal',
    shelve: 'shelved, gone',
    'remove-from-service': 'out, gone',
  },
  latched: {
    raise: 'unacknowledged',
    confirm: 'unacknowledged',
    clear: 'returned',
    acknowledge: 'latched, seen',
    reset: 'returned',
    shelve: 'shelved, held',
    'remove-from-service': 'out, held',
  },
  'latched, seen': {
    raise: 'unacknowledged',
    confirm: 'acknowledged',
    clear: 'normal',
    reset: 'normal',
    shelve: 'shelved, held',
    'remove-from-service': 'out, held',
  },
  'shelved, stands': {
    clear: 'shelved, gone',
    'clear, latching': 'shelved, held',
    lose: 'shelved, held',
    unshelve: 'unacknowledged',
    'remove-from-service': 'out, stands',
  },
  'shelved, held': {
    raise: 'shelved, stands',
    confirm: 'shelved, stands',
    clear: 'shelved, gone',
    reset: 'shelved, gone',
    unshelve: 'latched',
    'remove-from-service': 'out, held',
  },
  'shelved, gone': {
    raise: 'shelved, stands',
    confirm: 'shelved, stands',
    unshelve: 'normal',
    'remove-from-service': 'out, gone',
  },
  'suppressed, stands': {
    clear: 'suppressed, gone',
    'clear, latching': 'suppressed, held',
    lose: 'suppressed, held',
    unsuppress: 'unacknowledged',
    shelve: 'shelved, stands',
    'remove-from-service': 'out, stands',
  },
  'suppressed, held': {
    raise: 'suppressed, stands',
    confirm: 'suppressed, stands',
    clear: 'suppressed, gone',
    reset: 'suppressed, gone',
    unsuppress: 'latched',
    shelve: 'shelved, held',
    'remove-from-service': 'out, held',
  },
  'suppressed, gone': {
    raise: 'suppressed, stands',
    confirm: 'suppressed, stands',
    unsuppress: 'normal',
    shelve: 'shelved, gone',
    'remove-from-service': 'out, gone',
  },
  'out, stands': {
    clear: 'out, gone',
    'clear, latching': 'out, held',
    lose: 'out, held',
    'return-to-service': 'unacknowledged',
  },
  'out, held': {
    raise: 'out, stands',
    confirm: 'out, stands',
    clear: 'out, gone',
    reset: 'out, gone',
    'return-to-service': 'latched',
  },
  'out, gone': {
    raise: 'out, stands',
    confirm: 'out, stands',
    'return-to-service': 'normal',
  },
};

describe('the states of an alarm', () => {
  const names = Object.keys(situations) as Situation[];

  for (const situation of names) {
    it(`go where the table says from ${situation}`, () => {
      for (const event of EVENTS) {
        const isLatching = event === 'clear, latching';
        const next = transition(situations[situation], isLatching ? 'clear' : event, isLatching);
        const end = table[situation][event] ?? situation;
        assert.deepEqual(next, situations[end], `${event} → ${end}`);
        if (end === situation) assert.equal(next, situations[situation], `${event} changes nothing`);
      }
    });
  }

  it('are all entered and left', () => {
    const reached = new Set(Object.values(table).flatMap((row) => Object.values(row)));
    assert.deepEqual([...reached].sort(), [...names].sort());
    for (const situation of names) assert.ok(Object.keys(table[situation]).length > 0, situation);
  });

  it('lead back to normal only by a person, or with the cause gone that a person has seen', () => {
    for (const [situation, row] of Object.entries(table)) {
      for (const [event, end] of Object.entries(row)) {
        if (end !== 'normal') continue;
        const isSeen = ['acknowledged', 'latched, seen'].includes(situation) && event === 'clear';
        const isPersons = ['acknowledge', 'reset', 'unshelve', 'return-to-service'].includes(event);
        assert.ok(isSeen || isPersons || event === 'unsuppress', `${situation} ${event}`);
      }
    }
  });
});
