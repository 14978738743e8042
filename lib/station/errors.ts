/** What can go wrong when a person or a node asks something of a station. */
import { CodedError } from '../errors.ts';

export type StationErrorCode =
  'ARM_REFUSED' | 'TOLERANCE_OUT_OF_BOUNDS' | 'RELEASE_FAILED' | 'JOURNAL_UNAVAILABLE' | 'NOT_FOUND';

export class StationError extends CodedError<StationErrorCode> {}
