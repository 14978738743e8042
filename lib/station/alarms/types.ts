/** What raises an alarm says, and what people see of it. */
import type { AlarmCode, AlarmPriority } from './catalogue.ts';
import type { AlarmState } from './states.ts';

/** Where the cause is: a node of the flow, an endpoint. */
export interface AlarmSource {
  /** Of the node in Node-RED, where it is one: people are led to it. */
  id: string;
  name: string;
  /** Id of what it depends on, e.g. of the endpoint of an output: an alarm of that may explain this one. */
  within?: string;
}

export interface AlarmReport {
  code: AlarmCode;
  /** What is so, in one sentence, for the operator; what the catalogue says of the code is not repeated. */
  message: string;
  /** The station itself unless told. */
  source?: AlarmSource;
}

export interface AlarmView {
  /** Stands for the same code of the same source, before and after a restart. */
  key: string;
  code: AlarmCode;
  priority: AlarmPriority;
  state: AlarmState;
  /** Whether the cause stands; null where that is not known since a restart. */
  active: boolean | null;
  source: Omit<AlarmSource, 'within'>;
  message: string;
  /** When it last came, and when the state last changed; ISO 8601 in UTC, for people. */
  raisedAt: string;
  changedAt: string;
  /** How often it came since it was last normal. */
  count: number;
  /** Who has seen it; null while nobody has. */
  acknowledged: { actor: string; at: string } | null;
  /** Who has put it aside, or which alarm explains it; null where it is shown. */
  hidden: { actor: string; reason: string; at: string; leftMs: number | null } | null;
  /** Part of a flood: shown with the flood, not beside it. */
  inFlood: boolean;
  /** The longest it may be shelved for. */
  shelveMinutes: number;
}

export interface AlarmSummary {
  /** That a person still has to see, hidden ones left out. */
  unacknowledged: number;
  /** Whose cause stands, hidden ones left out. */
  active: number;
  /** Put aside by a person: shelved or out of service. */
  shelved: number;
  /** Of those that are shown; null where there is none. */
  worst: AlarmPriority | null;
  /** How many alarms are shown as one because they came too fast; 0 while there is no flood. */
  inFlood: number;
  /** How many came within the last hour, and how many a person can manage. */
  lastHour: number;
  hourlyBudget: number;
}
