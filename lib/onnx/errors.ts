/** What can go wrong when an ONNX file is read, changed or quantised, by stable code. */
import { CodedError } from '../errors.ts';

export type OnnxErrorCode =
  /** The bytes are no ONNX model. */
  | 'ONNX_INVALID'
  /** More parts than a model has. */
  | 'ONNX_TOO_LARGE'
  /** Nothing in the graph can be computed in integers. */
  | 'QUANTIZE_NOTHING'
  /** An operator whose meaning changed between opsets, in a form that cannot be carried over. */
  | 'QUANTIZE_OPSET_UNSUPPORTED'
  /** Not one picture of bytes as input. */
  | 'QUANTIZE_INPUT_UNSUPPORTED'
  /** A node to be left out that is not there. */
  | 'QUANTIZE_NODE_UNKNOWN'
  /** No pictures, or pictures on which the graph gives no finite numbers. */
  | 'CALIBRATION_FAILED';

export class OnnxError extends CodedError<OnnxErrorCode> {}
