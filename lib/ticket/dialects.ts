/** The systems tickets can go to: which fields each needs, how one signs in, and who speaks to it. */
import type { TicketClient } from './client.ts';
import { AtlasTickets } from './dialects/atlas.ts';
import { B2mmlTickets } from './dialects/b2mml.ts';
import { ErpNextTickets } from './dialects/erpnext.ts';
import { JiraTickets } from './dialects/jira.ts';
import { OdooTickets } from './dialects/odoo.ts';
import { SapTickets } from './dialects/sap.ts';
import { ServiceNowTickets } from './dialects/servicenow.ts';
import { TemplateTickets, type Compile } from './dialects/template.ts';
import { mesUrl, type ExchangerOptions } from './exchange.ts';
import { Http, type Authentication } from './http.ts';
import { RestTickets } from './rest.ts';
import { TicketError } from './ticket-error.ts';

export const DIALECTS = [
  'rest',
  'template',
  'erpnext',
  'odoo',
  'atlas',
  'servicenow',
  'jira',
  'sap',
  'b2mml',
] as const;
export type Dialect = (typeof DIALECTS)[number];

/** Fields of all dialects, as their owner typed them; a dialect reads its own. */
export type DialectFields = Readonly<Record<string, string>>;

export interface TicketsOptions extends ExchangerOptions {
  dialect: Dialect;
  baseUrl: string;
  authentication: Authentication;
  fields: DialectFields;
  /** Reads the expressions of the template. */
  compile: Compile;
}

/** An MES that was too slow for its answer may open the ticket all the same: it is given as long again, and this at least. */
const COMMITS_WITHIN_MS = 5000;

/** @throws TicketError `MES_URL_INVALID`, `MES_HOST_FORBIDDEN` or `MES_SETTING_INVALID` */
export function ticketsOf(options: TicketsOptions): TicketClient {
  const commitsWithinMs = Math.max(COMMITS_WITHIN_MS, options.timeoutMs);
  return Object.assign(inDialect(options), { commitsWithinMs });
}

function inDialect(options: TicketsOptions): TicketClient {
  const { dialect, baseUrl, authentication, fields, compile, ...exchange } = options;
  const optional = (name: string): string => (fields[name] ?? '').trim();
  const required = (name: string): string => {
    const value = optional(name);
    if (value !== '') return value;
    throw new TicketError('MES_SETTING_INVALID', `${name} is missing`, {
      hint: 'Open the endpoint, fill the field and deploy.',
    });
  };
  const either = <Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice =>
    choices.find((choice) => choice === optional(name)) ?? choices[0];
  const number = (name: string): string => {
    const value = optional(name);
    if (value === '' || /^\d+$/.test(value)) return value;
    throw new TicketError('MES_SETTING_INVALID', `${name} is not a whole number`);
  };
  const url = mesUrl(baseUrl, dialect === 'rest' ? optional('ticketsPath') : '', exchange.hosts);
  const http = (): Http => new Http({ ...exchange, baseUrl: url, authentication });

  switch (dialect) {
    case 'rest':
      return new RestTickets({ ...exchange, ticketsUrl: url, authentication });
    case 'template': {
      const method = either('method', ['POST', 'PUT', 'PATCH']);
      const template = {
        method,
        path: optional('ticketsPath'),
        contentType: optional('contentType') || 'application/json',
        body: required('body'),
        number: required('number'),
        findPath: optional('findPath'),
        findNumber: optional('findPath') === '' ? '' : required('findNumber'),
        statePath: optional('statePath'),
        state: optional('statePath') === '' ? '' : required('state'),
      };
      return new TemplateTickets(http(), template, compile);
    }
    case 'erpnext': {
      const document = either('document', ['Non Conformance', 'Quality Inspection']);
      const inspection = document === 'Quality Inspection';
      return new ErpNextTickets(http(), {
        document,
        externalIdField: required('externalIdField'),
        procedure: inspection ? '' : required('procedure'),
        itemCode: optional('itemCode'),
        inspectedBy: inspection ? required('inspectedBy') : '',
      });
    }
    case 'odoo':
      return new OdooTickets(http(), {
        database: optional('database'),
        externalIdField: required('externalIdField'),
        equipmentId: number('equipmentId'),
        teamId: number('teamId'),
      });
    case 'atlas':
      return new AtlasTickets(http(), {
        kind: either('kind', ['requests', 'work-orders']),
        assetId: number('assetId'),
      });
    case 'servicenow':
      return new ServiceNowTickets(http(), { table: optional('table') || 'incident' });
    case 'jira':
      return new JiraTickets(http(), {
        projectKey: required('projectKey'),
        issueType: required('issueType'),
      });
    case 'sap':
      return new SapTickets(http(), {
        notificationType: required('notificationType'),
        technicalObject: optional('technicalObject'),
        technicalObjectKind: either('technicalObjectKind', ['EAMS_EQUI', 'EAMS_FL']),
        externalIdField: optional('externalIdField') || 'NotificationText',
      });
    case 'b2mml':
      return new B2mmlTickets(http(), {
        path: optional('ticketsPath'),
        senderId: optional('senderId') || 'Jidoka',
      });
  }
}
