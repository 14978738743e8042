/** What can go wrong with measured series, by code. */
import { CodedError } from '../errors.ts';

export type SeriesErrorCode =
  | 'WINDOW_INVALID'
  | 'SAMPLE_INVALID'
  | 'SAMPLE_OUT_OF_ORDER'
  | 'FEATURE_UNSUITED'
  | 'FEATURES_INVALID'
  | 'FEATURE_MISSING'
  | 'FEATURE_UNKNOWN'
  | 'SCORE_NOT_FINITE'
  | 'SERIES_UNREADABLE'
  | 'SERIES_TOO_SHORT'
  | 'SERIES_CONSTANT'
  | 'SERIES_LIBRARY_MISSING'
  | 'MODEL_MISSING'
  | 'MODEL_INVALID'
  | 'MODEL_DIGEST_MISMATCH'
  | 'LESSON_TOO_LARGE'
  | 'TEACH_CANCELLED'
  | 'TEACH_FAILED';

export class SeriesError extends CodedError<SeriesErrorCode> {}
