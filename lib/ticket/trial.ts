/** What came of trying out an MES, as something a person can act on. */
import type { Observed } from './exchange.ts';
import { TicketError } from './ticket-error.ts';

export type Finding =
  /** Answers, and understands the look-up. */
  | 'ok'
  /** Answers, but nothing is found at the place of the look-up. */
  | 'noLookUp'
  | 'host'
  | 'name'
  | 'refused'
  /** The certificate is not trusted, is for another name, or is out of date. */
  | 'tls'
  | 'tlsName'
  | 'tlsExpired'
  | 'unreachable'
  | 'timeout'
  | 'signIn'
  | 'notFound'
  | 'redirect'
  | 'busy'
  | 'rejected'
  | 'answer'
  | 'settings';

const NO_LOOK_UP: ReadonlySet<number> = new Set([404, 405, 501]);
const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_UNTRUSTED',
]);

/** Of a connection that did not come about, by the code of Node.js or OpenSSL. */
function ofConnection(code: string): Finding {
  if (UNTRUSTED.has(code)) return 'tls';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'tlsName';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'tlsExpired';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'name';
  return code === 'ECONNREFUSED' ? 'refused' : 'unreachable';
}

function ofStatus(status = 0): Finding {
  if (status >= 300 && status < 400) return 'redirect';
  return status === 404 || status === 405 ? 'notFound' : 'rejected';
}

/** @param error what the trial ended in; undefined for a success */
export function findingOf(error: unknown, exchanges: readonly Observed[]): Finding {
  if (error === undefined) return NO_LOOK_UP.has(exchanges.at(-1)?.status ?? 200) ? 'noLookUp' : 'ok';
  if (!(error instanceof TicketError)) return 'settings';
  switch (error.code) {
    case 'MES_HOST_FORBIDDEN':
      return 'host';
    case 'MES_UNREACHABLE':
      return ofConnection((error.cause as { code?: string } | undefined)?.code ?? '');
    case 'MES_TIMEOUT':
      return 'timeout';
    case 'MES_AUTH':
      return 'signIn';
    case 'MES_BUSY':
      return 'busy';
    case 'MES_REJECTED':
      return ofStatus(error.status);
    case 'MES_BAD_ANSWER':
      return 'answer';
    default:
      return 'settings';
  }
}
