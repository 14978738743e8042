/** What a server says of a write, as the rest of the package knows it. */
import type { StatusCode } from 'node-opcua-client';
import type { WriteAnswer } from './transport.ts';

export const GOOD = 0;
const GOOD_CLAMPED = 0x0030_0000;
/** Service results with which a server says that it has not written. Any other error leaves the effect open. */
const REFUSALS = new Set([
  'BadTypeMismatch',
  'BadOutOfRange',
  'BadNotWritable',
  'BadWriteNotSupported',
  'BadUserAccessDenied',
  'BadNodeIdUnknown',
  'BadNodeIdInvalid',
  'BadAttributeIdInvalid',
  'BadIndexRangeInvalid',
  'BadIndexRangeNoData',
  'BadNotSupported',
  'BadNotImplemented',
  'BadInvalidState',
  'BadInvalidArgument',
  'BadLocked',
]);

export function answerOf(statusCode: StatusCode): WriteAnswer {
  const status = statusCode.name;
  if (statusCode.value === GOOD_CLAMPED) return { result: 'clamped', status };
  if (statusCode.isGoodish()) return { result: 'pending', status };
  return { result: REFUSALS.has(status) ? 'refused' : 'doubtful', status };
}
