/** What the dialog of mes-endpoint saved, as typed values. */
import type { AllowedHosts } from '../../lib/ticket/hosts.ts';
import { DIALECTS, type Dialect, type DialectFields } from '../../lib/ticket/dialects.ts';
import type { Authentication } from '../../lib/ticket/http.ts';
import { ConfigError, type ConfigReader, type Migration } from '../runtime/config.ts';

const MINUTE_MS = 60_000;

/** How one signs in; `keypair` is Frappe's `Authorization: token <key>:<secret>`. */
const SIGN_IN = ['none', 'bearer', 'basic', 'keypair', 'header'] as const;

const FIELDS = [
  'ticketsPath',
  'method',
  'contentType',
  'body',
  'number',
  'findPath',
  'findNumber',
  'statePath',
  'state',
  'document',
  'externalIdField',
  'procedure',
  'itemCode',
  'inspectedBy',
  'database',
  'equipmentId',
  'teamId',
  'kind',
  'assetId',
  'table',
  'projectKey',
  'issueType',
  'notificationType',
  'technicalObject',
  'technicalObjectKind',
  'senderId',
] as const;

export interface Config {
  dialect: Dialect;
  baseUrl: string;
  authentication: (typeof SIGN_IN)[number];
  headerName: string;
  timeoutMs: number;
  /** As typed; empty for the public certificates. */
  caFile: string;
  pollMs: number;
  /** Tickets a second after the MES was away. */
  perSecond: number;
  fields: DialectFields;
}

/** Version 1 knew plain REST alone, and asked nothing after a ticket was there. */
export const MIGRATIONS: readonly Migration[] = [
  (raw) => ({ ...raw, dialect: 'rest', pollMinutes: 0, version: 2 }),
];

export function normalise(config: ConfigReader): Config {
  const dialect = config.choice('dialect', DIALECTS, 'rest');
  const fields = Object.fromEntries(FIELDS.map((field) => [field, config.text(field, '')]));
  return {
    dialect,
    baseUrl: config.text('baseUrl'),
    authentication: config.choice('authentication', SIGN_IN, 'none'),
    headerName: config.text('headerName', 'X-API-Key'),
    timeoutMs: config.number('timeoutSeconds', { fallback: 10, min: 0.1, max: 300 }) * 1000,
    caFile: config.text('caFile', ''),
    pollMs: config.number('pollMinutes', { fallback: 5, min: 0, max: 1440 }) * MINUTE_MS,
    perSecond: config.number('drainPerSecond', { fallback: 20, min: 0.1, max: 1000 }),
    fields:
      dialect === 'rest' ? { ...fields, ticketsPath: config.text('ticketsPath', '/api/tickets') } : fields,
  };
}

/** An HTTP field name (RFC 9110 §5.6.2). */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export function authenticationOf(
  { authentication, headerName }: Pick<Config, 'authentication' | 'headerName'>,
  { token = '', user = '', password = '' }: Readonly<Record<string, string | undefined>>,
): Authentication {
  switch (authentication) {
    case 'none':
      return { type: 'none' };
    case 'bearer':
      return { type: 'bearer', token };
    case 'basic':
      return { type: 'basic', user, password };
    case 'keypair':
      return { type: 'header', name: 'Authorization', value: `token ${user}:${password}` };
    case 'header':
      if (!HEADER_NAME.test(headerName)) throw new ConfigError('headerName', 'is not the name of a header');
      return { type: 'header', name: headerName, value: token };
  }
}

/** `jidokaAllowedHosts` of settings.js; undefined where the owner has made no list. */
export function listedHosts(settings: object): ConstructorParameters<typeof AllowedHosts>[0] {
  const listed = (settings as Record<string, unknown>)['jidokaAllowedHosts'];
  if (listed === undefined) return undefined;
  if (Array.isArray(listed) && listed.every((host) => typeof host === 'string')) return listed;
  throw new ConfigError('jidokaAllowedHosts', 'in settings.js is not a list of host names');
}
