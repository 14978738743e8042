/** What can go wrong when a person asks something of an alarm. */
import { CodedError } from '../../errors.ts';

export type AlarmErrorCode =
  /** There is no such alarm (any more). */
  | 'NOT_FOUND'
  /** The state of the alarm has no room for what is asked, e.g. resetting one whose cause stands. */
  | 'ALARM_STATE'
  | 'SHELVE_TOO_LONG'
  /** Hiding an alarm has to be in the ledger first, and cannot be written there. */
  | 'ALARM_UNRECORDED';

export class AlarmError extends CodedError<AlarmErrorCode> {}
