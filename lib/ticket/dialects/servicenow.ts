/**
 * ServiceNow's Table API (servicenow.com/docs, "Table API", "Attachment API"): a record of the incident table or
 * another one that extends task. `correlation_id` is there for the id of another system.
 */
import type { Picture, TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import { listAt, requireNumber, textAt, ticketNumber, valueAt, type Http } from '../http.ts';
import { TicketError } from '../ticket-error.ts';
import { bySeverity, fileName, linesOf, titleOf } from '../wording.ts';

export interface ServiceNowOptions {
  /** `incident`, or a table that extends task. */
  table: string;
}

/** Impact and urgency, 1 is the highest: ServiceNow works out the priority from both. */
const URGENCY = { minor: '3', major: '2', critical: '1' } as const;
/** What `short_description` holds. */
const MAX_TITLE = 160;

export class ServiceNowTickets implements TicketClient {
  readonly #http: Http;
  readonly #table: string;
  readonly #path: string;

  constructor(http: Http, { table }: ServiceNowOptions) {
    this.#http = http;
    this.#table = table;
    this.#path = `api/now/table/${encodeURIComponent(table)}`;
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const [own] = await this.#query(`correlation_id=${externalId}`, 'number', 1, signal);
    return ticketNumber(valueAt(own, 'number'));
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const urgency = bySeverity(event.severity, URGENCY);
    const json = {
      short_description: titleOf(event, MAX_TITLE),
      description: linesOf(event).join('\n'),
      impact: urgency,
      urgency,
      correlation_id: event.id,
      correlation_display: 'Jidoka',
    };
    const path = `${this.#path}?sysparm_fields=number`;
    const created = await this.#http.json({ method: 'POST', path, json }, signal);
    return requireNumber(valueAt(created, 'result', 'number'));
  }

  async attach(ticketId: string, picture: Picture, signal: AbortSignal): Promise<void> {
    const [own] = await this.#query(`number=${ticketId}`, 'sys_id', 1, signal);
    const record = ticketNumber(valueAt(own, 'sys_id'));
    if (record === undefined) throw new TicketError('MES_REJECTED', `the MES no longer knows ${ticketId}`);
    const name = fileName(picture);
    const asked = new URLSearchParams({
      sysparm_query: `table_sys_id=${record}^file_name=${name}`,
      sysparm_limit: '1',
    });
    const there = await this.#http.json({ method: 'GET', path: `api/now/attachment?${asked}` }, signal);
    if (listAt(there, 'result').length > 0) return;
    const to = new URLSearchParams({ table_name: this.#table, table_sys_id: record, file_name: name });
    const headers = { 'content-type': picture.mediaType };
    await this.#http.json(
      { method: 'POST', path: `api/now/attachment/file?${to}`, headers, body: picture.bytes },
      signal,
    );
  }

  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const rows = await this.#query(
      `numberIN${ticketIds.join(',')}`,
      'number,state,active',
      ticketIds.length,
      signal,
    );
    return new Map(
      rows.map((row) => [
        String(valueAt(row, 'number')),
        {
          state: String(valueAt(row, 'active')) === 'false' ? 'closed' : 'open',
          said: textAt(row, 'state'),
        },
      ]),
    );
  }

  close(): void {
    this.#http.close();
  }

  async #query(query: string, fields: string, limit: number, signal: AbortSignal): Promise<unknown[]> {
    const asked = new URLSearchParams({
      sysparm_query: query,
      sysparm_fields: fields,
      sysparm_display_value: 'true',
      sysparm_limit: String(limit),
    });
    const answer = await this.#http.json({ method: 'GET', path: `${this.#path}?${asked}` }, signal);
    return listAt(answer, 'result');
  }
}
