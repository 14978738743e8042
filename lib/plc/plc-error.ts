/** What can go wrong between the gateway and a PLC. */
import { asCodedError, CodedError } from '../errors.ts';

export type PlcErrorCode =
  /** The protocol's library is not installed. */
  | 'PLC_LIBRARY_MISSING'
  /** Nothing was sent: there is no link. */
  | 'PLC_LINK_DOWN'
  /** Held back by its sender right before it would have left: nothing on which the PLC acts was sent. */
  | 'PLC_WITHHELD'
  /** Sent, and no answer came within the deadline: the effect is not known. */
  | 'PLC_TIMEOUT'
  /** Sent, and the link broke before the answer: the effect is not known. */
  | 'PLC_LINK_LOST'
  /** The server's certificate is not trusted, or ours is not by the server. */
  | 'PLC_CERTIFICATE'
  /** The server does not know the user or the password. */
  | 'PLC_SIGN_IN'
  /** The tag is not written as this protocol writes tags. */
  | 'PLC_TAG_INVALID'
  /** The PLC does not know the tag, or its type is none we write. */
  | 'PLC_TAG_UNUSABLE'
  /** The PLC answered a read with an error. */
  | 'PLC_READ_FAILED'
  /** The PLC itself marks the value as doubtful, or it is no number. */
  | 'PLC_NOT_GOOD'
  /** What halted the line could not be released. */
  | 'PLC_RELEASE_FAILED';

export class PlcError extends CodedError<PlcErrorCode> {}

/** Something was under way when the link broke. */
export function lost(what: string, cause?: unknown): PlcError {
  const detail = cause === undefined ? 'the link was lost' : asCodedError(cause).message;
  return new PlcError('PLC_LINK_LOST', `${what}: ${detail}`, cause === undefined ? {} : { cause });
}
