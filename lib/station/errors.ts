/** What can go wrong when a person or a node asks something of a station. */
import { CodedError } from '../errors.ts';

export type StationErrorCode =
  | 'ARM_REFUSED'
  /** Two persons have to agree, and this is the first one again. */
  | 'SAME_PERSON'
  /** It keeps tripping: no reset before a wait has ended. */
  | 'LOCKED_OUT'
  /** What tripped it can be seen still to be there. */
  | 'CAUSE_PERSISTS'
  | 'TOLERANCE_OUT_OF_BOUNDS'
  | 'RELEASE_FAILED'
  | 'JOURNAL_UNAVAILABLE'
  | 'NOT_FOUND'
  | 'IDEMPOTENCY_KEY_INVALID'
  /** The key stands for another request. */
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'COMMAND_UNDER_WAY';

export class StationError extends CodedError<StationErrorCode> {}
