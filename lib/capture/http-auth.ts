/**
 * Answers to an HTTP camera that asks who we are: Basic (RFC 7617) and Digest (RFC 7616, with MD5
 * for older cameras and SHA-256). Digest never sends the password; Basic does, so it is only used
 * where the camera asks for nothing better.
 */
import { createHash, randomBytes } from 'node:crypto';

export interface Credentials {
  user: string;
  password: string;
}

interface DigestChallenge {
  scheme: 'digest';
  realm: string;
  nonce: string;
  opaque: string | undefined;
  algorithm: 'MD5' | 'SHA-256';
  session: boolean;
  /** False for cameras of RFC 2069 that do not know `qop`. */
  qop: boolean;
}

export type Challenge = DigestChallenge | { scheme: 'basic' };

/** The best challenge of a WWW-Authenticate header that we can answer. */
export function parseChallenge(header: string): Challenge | undefined {
  const challenges = header.split(/,?\s*(?=\b(?:Basic|Digest)\s)/i).filter((text) => text.trim() !== '');
  const digests = challenges.flatMap((text) => parseDigest(text) ?? []);
  return (
    digests.find(({ algorithm }) => algorithm === 'SHA-256') ??
    digests[0] ??
    (challenges.some((text) => /^\s*Basic\b/i.test(text)) ? { scheme: 'basic' } : undefined)
  );
}

function parseDigest(text: string): DigestChallenge | undefined {
  if (!/^\s*Digest\s/i.test(text)) return undefined;
  const fields = new Map<string, string>();
  for (const [, name = '', quoted, plain] of text.matchAll(/([a-z]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))/gi)) {
    fields.set(name.toLowerCase(), quoted ?? plain ?? '');
  }
  const nonce = fields.get('nonce');
  const match = /^(MD5|SHA-256)(-sess)?$/i.exec(fields.get('algorithm') ?? 'MD5');
  const qop = fields.get('qop');
  if (nonce === undefined || match === null) return undefined;
  if (qop !== undefined && !/\bauth\b/.test(qop.replace('auth-int', ''))) return undefined;
  return {
    scheme: 'digest',
    realm: fields.get('realm') ?? '',
    nonce,
    opaque: fields.get('opaque'),
    algorithm: match[1]?.toUpperCase() === 'SHA-256' ? 'SHA-256' : 'MD5',
    session: match[2] !== undefined,
    qop: qop !== undefined,
  };
}

export interface AuthorizedRequest {
  method: string;
  /** Path and query as sent in the request line. */
  uri: string;
  /** How often this nonce has been used, from 1. */
  count: number;
  clientNonce?: string;
}

/** The Authorization header for one request. */
export function authorization(challenge: Challenge, who: Credentials, request: AuthorizedRequest): string {
  if (challenge.scheme === 'basic') {
    return `Basic ${Buffer.from(`${who.user}:${who.password}`).toString('base64')}`;
  }
  const { realm, nonce, opaque, algorithm, session, qop } = challenge;
  const { method, uri, count, clientNonce = randomBytes(12).toString('hex') } = request;
  const hash = (text: string): string =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex');
  const secret = hash(`${who.user}:${realm}:${who.password}`);
  const ha1 = session ? hash(`${secret}:${nonce}:${clientNonce}`) : secret;
  const ha2 = hash(`${method}:${uri}`);
  const nc = count.toString(16).padStart(8, '0');
  const response = qop
    ? hash(`${ha1}:${nonce}:${nc}:${clientNonce}:auth:${ha2}`)
    : hash(`${ha1}:${nonce}:${ha2}`);
  const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
  return [
    `Digest username=${quote(who.user)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(uri)}`,
    `algorithm=${algorithm}${session ? '-sess' : ''}`,
    ...(qop ? ['qop=auth', `nc=${nc}`] : []),
    ...(qop || session ? [`cnonce=${quote(clientNonce)}`] : []),
    `response=${quote(response)}`,
    ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
  ].join(', ');
}
