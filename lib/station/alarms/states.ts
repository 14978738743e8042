/**
 * The states of one alarm, as ISA-18.2-2016 and IEC 62682:2014 draw them (letters of their figure in brackets).
 * Pure: what was so, and what happens, give what is so.
 *
 * | state                  |     | what it means                                                          |
 * | ---------------------- | --- | ---------------------------------------------------------------------- |
 * | `normal`               | (A) | nothing to see                                                         |
 * | `unacknowledged`       | (B) | the cause stands and nobody has said that they have seen it            |
 * | `acknowledged`         | (C) | the cause stands, somebody has seen it                                 |
 * | `returned`             | (D) | the cause is gone, and nobody has seen that it was there               |
 * | `latched`              | (E) | the cause is gone or nobody knows; a person has to look and to reset   |
 * | `latched-acknowledged` | (F) | the same, seen                                                         |
 * | `shelved`              | (G) | a person has put it aside for a time                                   |
 * | `suppressed`           | (H) | hidden by design: another alarm says why it is so                      |
 * | `out-of-service`       | (I) | a person has taken it out for maintenance, until it is put back        |
 */

/** What an operator sees. */
type ShownState =
  'normal' | 'unacknowledged' | 'acknowledged' | 'returned' | 'latched' | 'latched-acknowledged';
type HiddenState = 'shelved' | 'suppressed' | 'out-of-service';
export type AlarmState = ShownState | HiddenState;

/** `held`: the cause is no longer seen, and only a person may say that it is gone. */
type Condition = 'gone' | 'active' | 'held';

export interface Standing {
  readonly state: AlarmState;
  /** Goes on while the alarm is hidden. */
  readonly condition: Condition;
}

export const ALARM_EVENTS = [
  'raise',
  /** The same cause is seen still to stand, after a restart. */
  'confirm',
  'clear',
  /** Nobody sees the cause any more who could say that it is gone: the node or the process has ended. */
  'lose',
  'acknowledge',
  'reset',
  'shelve',
  'unshelve',
  'suppress',
  'unsuppress',
  'remove-from-service',
  'return-to-service',
] as const;
export type AlarmEvent = (typeof ALARM_EVENTS)[number];

export const NORMAL: Standing = { state: 'normal', condition: 'gone' };

const CONDITION: Readonly<Record<ShownState, Condition>> = {
  normal: 'gone',
  unacknowledged: 'active',
  acknowledged: 'active',
  returned: 'gone',
  latched: 'held',
  'latched-acknowledged': 'held',
};

type Step = ShownState | { latching: ShownState; otherwise: ShownState };

/** What is not named leaves the alarm as it is. */
const SHOWN: Readonly<Record<ShownState, Readonly<Partial<Record<AlarmEvent, Step>>>>> = {
  normal: { raise: 'unacknowledged', confirm: 'unacknowledged' },
  unacknowledged: {
    clear: { latching: 'latched', otherwise: 'returned' },
    lose: 'latched',
    acknowledge: 'acknowledged',
  },
  acknowledged: {
    clear: { latching: 'latched-acknowledged', otherwise: 'normal' },
    lose: 'latched-acknowledged',
    acknowledge: 'acknowledged',
  },
  returned: { raise: 'unacknowledged', confirm: 'unacknowledged', acknowledge: 'normal' },
  latched: {
    raise: 'unacknowledged',
    confirm: 'unacknowledged',
    clear: { latching: 'latched', otherwise: 'returned' },
    acknowledge: 'latched-acknowledged',
    reset: 'returned',
  },
  'latched-acknowledged': {
    raise: 'unacknowledged',
    confirm: 'acknowledged',
    clear: { latching: 'latched-acknowledged', otherwise: 'normal' },
    reset: 'normal',
  },
};

/** What is hidden comes back as if it had just happened: whoever looks has not seen it. */
const SHOWN_AGAIN: Readonly<Record<Condition, ShownState>> = {
  gone: 'normal',
  active: 'unacknowledged',
  held: 'latched',
};

const HIDES: Readonly<Record<HiddenState, { by: AlarmEvent; ends: AlarmEvent }>> = {
  shelved: { by: 'shelve', ends: 'unshelve' },
  suppressed: { by: 'suppress', ends: 'unsuppress' },
  'out-of-service': { by: 'remove-from-service', ends: 'return-to-service' },
};
/** What hides more hides what is hidden less. */
const HIDDEN: readonly HiddenState[] = ['suppressed', 'shelved', 'out-of-service'];

/** The same object comes back when nothing changed. */
export function transition(before: Standing, event: AlarmEvent, isLatching: boolean): Standing {
  const hides = HIDDEN.find((state) => HIDES[state].by === event);
  if (hides !== undefined) return hidden(before, hides);
  return isHidden(before.state)
    ? whileHidden(before, before.state, event, isLatching)
    : shown(before, before.state, event, isLatching);
}

export function isHidden(state: AlarmState): state is HiddenState {
  return (HIDDEN as readonly AlarmState[]).includes(state);
}

/** Only what stands can be explained by something else that does. */
function hidden(before: Standing, by: HiddenState): Standing {
  const { state, condition } = before;
  if (by === 'suppressed' && (condition !== 'active' || isHidden(state))) return before;
  if (isHidden(state) && HIDDEN.indexOf(by) <= HIDDEN.indexOf(state)) return before;
  return { state: by, condition };
}

function shown(before: Standing, state: ShownState, event: AlarmEvent, isLatching: boolean): Standing {
  const step = SHOWN[state][event];
  if (step === undefined) return before;
  const next = typeof step === 'string' ? step : step[isLatching ? 'latching' : 'otherwise'];
  return next === state ? before : { state: next, condition: CONDITION[next] };
}

function whileHidden(before: Standing, state: HiddenState, event: AlarmEvent, isLatching: boolean): Standing {
  if (event === HIDES[state].ends) {
    return { state: SHOWN_AGAIN[before.condition], condition: before.condition };
  }
  const condition = conditionAfter(before.condition, event, isLatching);
  return condition === before.condition ? before : { state, condition };
}

function conditionAfter(before: Condition, event: AlarmEvent, isLatching: boolean): Condition {
  switch (event) {
    case 'raise':
    case 'confirm':
      return 'active';
    case 'clear':
      if (before === 'gone') return before;
      return isLatching ? 'held' : 'gone';
    case 'lose':
      return before === 'active' ? 'held' : before;
    case 'reset':
      return before === 'held' ? 'gone' : before;
    default:
      return before;
  }
}
