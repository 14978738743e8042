/**
 * Odoo 19 and later over JSON-2 (odoo.com/documentation/19.0, "External JSON-2 API"): a corrective
 * `maintenance.request`. A custom field of type Char holds the external id (Odoo Studio: `x_…`); each call is a
 * transaction of its own, so nothing in Odoo itself refuses a second request with the same one.
 */
import type { Picture, TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import { listAt, requireNumber, ticketNumber, valueAt, type Http } from '../http.ts';
import { bySeverity, escapeMarkup, fileName, linesOf, titleOf } from '../wording.ts';

export interface OdooOptions {
  /** Needed where one server holds several databases; empty for the only one. */
  database: string;
  externalIdField: string;
  /** Number of the `maintenance.equipment`; empty for none. */
  equipmentId: string;
  /** Number of the `maintenance.team`; empty for Odoo's default. */
  teamId: string;
}

const MODEL = 'maintenance.request';
const PRIORITY = { minor: '1', major: '2', critical: '3' } as const;

export class OdooTickets implements TicketClient {
  readonly #http: Http;
  readonly #options: OdooOptions;

  constructor(http: Http, options: OdooOptions) {
    this.#http = http;
    this.#options = options;
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const domain = [[this.#options.externalIdField, '=', externalId]];
    const found = await this.#call(MODEL, 'search_read', { domain, fields: ['id'], limit: 1 }, signal);
    return ticketNumber(valueAt(found, 0, 'id'));
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const { externalIdField, equipmentId, teamId } = this.#options;
    const values = {
      name: titleOf(event),
      description: `<p>${linesOf(event).map(escapeMarkup).join('<br>')}</p>`,
      maintenance_type: 'corrective',
      priority: bySeverity(event.severity, PRIORITY),
      ...(equipmentId === '' ? {} : { equipment_id: Number(equipmentId) }),
      ...(teamId === '' ? {} : { maintenance_team_id: Number(teamId) }),
      [externalIdField]: event.id,
    };
    const created = await this.#call(MODEL, 'create', { vals_list: [values] }, signal);
    return requireNumber(valueAt(created, 0));
  }

  async attach(ticketId: string, picture: Picture, signal: AbortSignal): Promise<void> {
    const name = fileName(picture);
    const to = { res_model: MODEL, res_id: Number(ticketId), name };
    const domain = Object.entries(to).map(([field, value]) => [field, '=', value]);
    const there = await this.#call(
      'ir.attachment',
      'search_read',
      { domain, fields: ['id'], limit: 1 },
      signal,
    );
    if (listAt(there).length > 0) return;
    const datas = Buffer.from(picture.bytes).toString('base64');
    const values = { ...to, datas, mimetype: picture.mediaType };
    await this.#call('ir.attachment', 'create', { vals_list: [values] }, signal);
  }

  /** A request has a closing date once its stage counts as done; one that was given up is archived. */
  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const domain = [['id', 'in', ticketIds.map(Number)]];
    const fields = ['id', 'stage_id', 'close_date', 'archive'];
    const rows = await this.#call(MODEL, 'search_read', { domain, fields }, signal);
    return new Map(
      listAt(rows).map((row) => {
        const over = typeof valueAt(row, 'close_date') === 'string' || valueAt(row, 'archive') === true;
        const stage = valueAt(row, 'stage_id', 1);
        return [
          String(valueAt(row, 'id')),
          { state: over ? 'closed' : 'open', said: typeof stage === 'string' ? stage : '' },
        ];
      }),
    );
  }

  close(): void {
    this.#http.close();
  }

  #call(model: string, method: string, json: object, signal: AbortSignal): Promise<unknown> {
    const { database } = this.#options;
    const headers: Record<string, string> = database === '' ? {} : { 'x-odoo-database': database };
    return this.#http.json({ method: 'POST', path: `json/2/${model}/${method}`, headers, json }, signal);
  }
}
