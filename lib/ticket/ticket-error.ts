/** What can go wrong between a station and its MES, and whether trying again can help. */
import { CodedError } from '../errors.ts';

export type TicketErrorCode =
  | 'MES_URL_INVALID'
  /** A link-local or metadata address, or a host the owner has not listed. */
  | 'MES_HOST_FORBIDDEN'
  /** A field of the dialect is missing, or a template that cannot be read. */
  | 'MES_SETTING_INVALID'
  | 'MES_UNREACHABLE'
  | 'MES_TIMEOUT'
  /** 408, 425, 429 or 5xx, or a conflict that is not settled yet. */
  | 'MES_BUSY'
  /** 401 or 403: it waits until somebody gives other credentials or permissions. */
  | 'MES_AUTH'
  /** Any other status that is not a success. */
  | 'MES_REJECTED'
  /** A success without the ticket's number, or an answer beyond all bounds. */
  | 'MES_BAD_ANSWER'
  /** A template that fails for this ticket, takes too long or makes nothing that can be sent. */
  | 'MES_TEMPLATE_FAILED'
  /** A message of a webhook that is not signed, not signed as it should be, too old or seen before. */
  | 'HOOK_REFUSED'
  /** News of a ticket that this station has not seen opened yet. */
  | 'TICKET_WAITING'
  | 'PART_MISSING';

const PASSING: ReadonlySet<TicketErrorCode> = new Set([
  'MES_UNREACHABLE',
  'MES_TIMEOUT',
  'MES_BUSY',
  'MES_AUTH',
]);

interface TicketErrorOptions {
  hint?: string;
  cause?: unknown;
  retryAfterMs?: number;
  status?: number;
  unsent?: boolean;
}

export class TicketError extends CodedError<TicketErrorCode> {
  /** What the MES asked for in `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number;
  /** The HTTP status of the answer, where there was one. */
  readonly status: number | undefined;

  /** The request cannot have reached the MES. */
  readonly unsent: boolean;

  constructor(code: TicketErrorCode, message: string, options: TicketErrorOptions = {}) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs ?? 0;
    this.status = options.status;
    this.unsent = options.unsent ?? false;
  }

  /** True when the MES let us in and said something: it works, and the credentials are right. */
  get answered(): boolean {
    if (this.code === 'MES_AUTH') return false;
    return this.status !== undefined || this.code === 'MES_REJECTED' || this.code === 'MES_BAD_ANSWER';
  }

  /** True when the same request may succeed later. */
  get passing(): boolean {
    return PASSING.has(this.code);
  }
}
