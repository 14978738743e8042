/** What can go wrong when drift is watched. */
import { CodedError } from '../errors.ts';

export class DriftError extends CodedError<
  'DRIFT_BASELINE_TOO_SMALL' | 'DRIFT_BASELINE_FAILED' | 'DRIFT_EMBEDDING_INVALID'
> {}
