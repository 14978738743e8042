/** What can go wrong between a station and its MES, and whether trying again can help. */
import { CodedError } from '../errors.ts';

export type TicketErrorCode =
  | 'MES_URL_INVALID'
  /** A link-local or metadata address: nothing of a plant lives there. */
  | 'MES_HOST_FORBIDDEN'
  | 'MES_UNREACHABLE'
  | 'MES_TIMEOUT'
  /** 408, 425, 429 or 5xx, or a conflict that is not settled yet. */
  | 'MES_BUSY'
  /** Any other status that is not a success. */
  | 'MES_REJECTED'
  /** A success without the ticket's number, or an answer beyond all bounds. */
  | 'MES_BAD_ANSWER'
  | 'PART_MISSING';

const PASSING: ReadonlySet<TicketErrorCode> = new Set(['MES_UNREACHABLE', 'MES_TIMEOUT', 'MES_BUSY']);

export class TicketError extends CodedError<TicketErrorCode> {
  /** What the MES asked for in `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(
    code: TicketErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }

  /** True when the same request may succeed later. */
  get passing(): boolean {
    return PASSING.has(this.code);
  }
}
