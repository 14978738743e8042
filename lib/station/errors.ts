/** What can go wrong when a person or a node asks something of a station. */
import { CodedError } from '../errors.ts';

export type StationErrorCode =
  /** The station is not armed: why is in the message. */
  | 'ARM_REFUSED'
  /** Two persons have to agree, and this is the first one again. */
  | 'SAME_PERSON'
  /** It keeps tripping: no reset before a wait has ended. */
  | 'LOCKED_OUT'
  /** What tripped it can be seen still to be there. */
  | 'CAUSE_PERSISTS'
  /** The limit asked for lies outside of the bounds of the gate. */
  | 'TOLERANCE_OUT_OF_BOUNDS'
  /** What the station had halted could not be let go again. */
  | 'RELEASE_FAILED'
  /** The record of the station cannot be written, so it does not act. */
  | 'JOURNAL_UNAVAILABLE'
  /** There is no such station, part, command or output. */
  | 'NOT_FOUND'
  /** The header Idempotency-Key is missing or is not 1 to 128 printable characters. */
  | 'IDEMPOTENCY_KEY_INVALID'
  /** The key stands for another request. */
  | 'IDEMPOTENCY_KEY_REUSED'
  /** The command this key stands for is under way. */
  | 'COMMAND_UNDER_WAY';

export class StationError extends CodedError<StationErrorCode> {}
