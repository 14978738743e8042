/** What can go wrong between a frame and its prediction, by stable code. */
import { CodedError } from '../errors.ts';

export type InferenceErrorCode =
  // the model file
  | 'MODEL_FOLDER_MISSING'
  | 'MODEL_NOT_FOUND'
  | 'MODEL_NOT_ALLOWED'
  | 'MODEL_TOO_LARGE'
  | 'MODEL_INVALID'
  | 'MODEL_DIGEST_MISMATCH'
  | 'MODEL_OPSET_UNSUPPORTED'
  | 'MODEL_OPERATOR_REFUSED'
  | 'MODEL_EXTERNAL_DATA'
  | 'MODEL_TENSOR_TOO_LARGE'
  | 'MODEL_INPUT_UNSUPPORTED'
  | 'ALIGN_INVALID'
  | 'MODEL_OUTPUT_UNSUPPORTED'
  | 'MODEL_LOAD_TIMEOUT'
  | 'MODEL_CLOSED'
  | 'MODEL_GOLDEN_MISMATCH'
  // the bundle around it
  | 'BUNDLE_INVALID'
  | 'BUNDLE_TOO_LARGE'
  | 'BUNDLE_CONTRADICTED'
  | 'BUNDLE_EXISTS'
  // the execution provider
  | 'PROVIDER_UNKNOWN'
  | 'PROVIDER_UNAVAILABLE'
  // the host
  | 'HOST_UNAVAILABLE'
  | 'HOST_TRIPPED'
  | 'HOST_CLOSED'
  | 'PROTOCOL_VIOLATED'
  // the regions a detector found
  | 'OBJECTS_MISSING'
  | 'OBJECTS_INVALID'
  // one run
  | 'FRAME_DROPPED'
  | 'QUEUE_FULL'
  | 'NO_RESULT'
  | 'RUN_FAILED'
  | 'CROP_INVALID'
  | 'OUTPUT_TOO_LARGE'
  | 'SCORE_NOT_FINITE';

export class InferenceError extends CodedError<InferenceErrorCode> {}
