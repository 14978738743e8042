/** What can go wrong with a taught model, by code. */
import { CodedError } from '../errors.ts';

export type AnomalyErrorCode =
  | 'BACKBONE_UNSUPPORTED'
  | 'CANDIDATE_MISSING'
  | 'MODEL_MISSING'
  | 'MODEL_INVALID'
  | 'MODEL_DIGEST_MISMATCH'
  | 'MODEL_NAME_INVALID'
  | 'MODELS_UNWRITABLE'
  | 'FOLDER_UNREADABLE'
  | 'LEARN_NOTHING'
  | 'LEARN_WITHOUT_PARTS'
  | 'LESSON_MISSING'
  | 'LESSON_NOT_NOW'
  | 'PART_MISSING'
  | 'PART_INVALID'
  | 'PART_DIGEST_MISMATCH'
  | 'PARTS_FULL'
  | 'TEACH_BUSY'
  | 'TEACH_TOO_FEW'
  | 'TEACH_CANCELLED'
  | 'TEACH_SUSPENDED'
  | 'TEACH_FAILED'
  | 'SCORE_MAP_INVALID';

export class AnomalyError extends CodedError<AnomalyErrorCode> {}
