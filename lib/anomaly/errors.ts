/** What can go wrong with a taught model, by code. */
import { CodedError } from '../errors.ts';

export type AnomalyErrorCode =
  | 'BACKBONE_UNSUPPORTED'
  | 'MODEL_MISSING'
  | 'MODEL_INVALID'
  | 'MODEL_DIGEST_MISMATCH'
  | 'MODEL_NAME_INVALID'
  | 'FOLDER_UNREADABLE'
  | 'TEACH_TOO_FEW'
  | 'TEACH_CANCELLED'
  | 'TEACH_FAILED'
  | 'SCORE_MAP_INVALID';

export class AnomalyError extends CodedError<AnomalyErrorCode> {}
