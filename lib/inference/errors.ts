/** What can go wrong between a frame and its prediction, by stable code. */
import { CodedError } from '../errors.ts';

export type InferenceErrorCode =
  // the model file
  /** There is no folder of models. */
  | 'MODEL_FOLDER_MISSING'
  /** No file of this name lies in the folder of models. */
  | 'MODEL_NOT_FOUND'
  /** The path leads out of the folder of models. */
  | 'MODEL_NOT_ALLOWED'
  /** The file is larger than is opened. */
  | 'MODEL_TOO_LARGE'
  /** The file is no ONNX model, or one that cannot be run. */
  | 'MODEL_INVALID'
  /** The file is not the one that its digest names. */
  | 'MODEL_DIGEST_MISMATCH'
  /** The graph is written for an opset that is not run here. */
  | 'MODEL_OPSET_UNSUPPORTED'
  /** The graph holds an operator that is not on the list of those allowed, e.g. a loop. */
  | 'MODEL_OPERATOR_REFUSED'
  /** The graph keeps weights in files beside it that its bundle does not list. */
  | 'MODEL_EXTERNAL_DATA'
  /** The graph holds, or would make, a tensor larger than is allowed. */
  | 'MODEL_TENSOR_TOO_LARGE'
  /** The input of the graph is no picture of a known layout. */
  | 'MODEL_INPUT_UNSUPPORTED'
  /** The recipe asks for an alignment that the model has not learned. */
  | 'ALIGN_INVALID'
  /** What the graph answers cannot be read as the task that was chosen. */
  | 'MODEL_OUTPUT_UNSUPPORTED'
  /** Opening the model took longer than is waited for. */
  | 'MODEL_LOAD_TIMEOUT'
  /** The model was closed while this was under way. */
  | 'MODEL_CLOSED'
  /** The model answers its own golden pictures otherwise than its bundle says, on this machine. */
  | 'MODEL_GOLDEN_MISMATCH'
  // the bundle around it
  /** The manifest of the bundle is missing, or is not as the schema has it. */
  | 'BUNDLE_INVALID'
  /** The bundle is larger, or has more files, than is opened. */
  | 'BUNDLE_TOO_LARGE'
  /** The configuration of the node says otherwise than the bundle. */
  | 'BUNDLE_CONTRADICTED'
  | 'BUNDLE_EXISTS'
  // the execution provider
  | 'PROVIDER_UNKNOWN'
  | 'PROVIDER_UNAVAILABLE'
  // the host
  /** The process in which models run could not be started. */
  | 'HOST_UNAVAILABLE'
  /** The process in which models run crashed three times in ten minutes: it is not started again by itself. */
  | 'HOST_TRIPPED'
  /** The process in which models run was closed. */
  | 'HOST_CLOSED'
  /** The process in which models run said what it should not. */
  | 'PROTOCOL_VIOLATED'
  // the regions a detector found
  | 'OBJECTS_MISSING'
  | 'OBJECTS_INVALID'
  // one run
  /** A newer frame took the place of this one. */
  | 'FRAME_DROPPED'
  /** More pictures wait than the queue holds. */
  | 'QUEUE_FULL'
  /** The run crashed or took too long: there is no result for this part. */
  | 'NO_RESULT'
  /** The runtime could not run the graph on this picture. */
  | 'RUN_FAILED'
  | 'CROP_INVALID'
  | 'OUTPUT_TOO_LARGE'
  /** The graph answered with numbers that are none (NaN or infinite). */
  | 'SCORE_NOT_FINITE';

export class InferenceError extends CodedError<InferenceErrorCode> {}
