/** What can be wrong with a gate or with what is asked of it. */
import { CodedError } from '../errors.ts';

export type GateErrorCode =
  | 'BUDGET_INVALID'
  | 'TOLERANCE_OUT_OF_BOUNDS'
  | 'NOT_CALIBRATED'
  /** A rule that is set up so that it could never or would always fire. */
  | 'RULE_INVALID';

export class GateError extends CodedError<GateErrorCode> {}
