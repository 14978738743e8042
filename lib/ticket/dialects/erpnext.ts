/**
 * ERPNext over Frappe's REST API (docs.frappe.io/framework, "REST API"): a Non Conformance, or a Quality
 * Inspection that waits as a draft. Both need a custom field of type Data that is unique and holds the external id:
 * Frappe refuses a second one with 409.
 */
import type { Picture, TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import {
  assertSuccess,
  listAt,
  parsedJson,
  requireNumber,
  textAt,
  ticketNumber,
  valueAt,
  type Http,
} from '../http.ts';
import { multipart } from '../multipart.ts';
import { TicketError } from '../ticket-error.ts';
import { escapeMarkup, fileName, linesOf, titleOf } from '../wording.ts';

type ErpNextDocument = 'Non Conformance' | 'Quality Inspection';

export interface ErpNextOptions {
  document: ErpNextDocument;
  /** Name of the custom field. */
  externalIdField: string;
  /** A Non Conformance belongs to a Quality Procedure. */
  procedure: string;
  /** A Quality Inspection is about an item, the material's definition unless given, and done by a user. */
  itemCode: string;
  inspectedBy: string;
}

const CONFLICT = 409;
/** Frappe shows the subject in lists and keeps 140 characters. */
const MAX_SUBJECT = 140;

export class ErpNextTickets implements TicketClient {
  readonly #http: Http;
  readonly #options: ErpNextOptions;
  readonly #resource: string;

  constructor(http: Http, options: ErpNextOptions) {
    this.#http = http;
    this.#options = options;
    this.#resource = `api/resource/${encodeURIComponent(options.document)}`;
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#list([[this.#options.externalIdField, '=', externalId]], ['name'], 1, signal);
    return ticketNumber(valueAt(found, 0, 'name'));
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const json = { ...this.#fields(event), [this.#options.externalIdField]: event.id };
    const answer = await this.#http.send({ method: 'POST', path: this.#resource, json }, signal);
    if (answer.status === CONFLICT) {
      const known = await this.find(event.id, signal);
      if (known !== undefined) return known;
    }
    assertSuccess(answer);
    return requireNumber(valueAt(parsedJson(answer.body), 'data', 'name'));
  }

  async attach(ticketId: string, picture: Picture, signal: AbortSignal): Promise<void> {
    const name = fileName(picture);
    const filters = [
      ['attached_to_doctype', '=', this.#options.document],
      ['attached_to_name', '=', ticketId],
      ['file_name', '=', name],
    ];
    const query = new URLSearchParams({ filters: JSON.stringify(filters), limit_page_length: '1' });
    const there = await this.#http.json({ method: 'GET', path: `api/resource/File?${query}` }, signal);
    if (listAt(there, 'data').length > 0) return;
    const { contentType, body } = multipart(
      { is_private: '1', doctype: this.#options.document, docname: ticketId },
      { name: 'file', fileName: name, mediaType: picture.mediaType, bytes: picture.bytes },
    );
    const headers = { 'content-type': contentType };
    await this.#http.json({ method: 'POST', path: 'api/method/upload_file', headers, body }, signal);
  }

  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const fields = ['name', 'status', 'docstatus'];
    const rows = await this.#list([['name', 'in', ticketIds]], fields, ticketIds.length, signal);
    return new Map(rows.map((row) => [String(valueAt(row, 'name')), this.#stateOf(row)]));
  }

  close(): void {
    this.#http.close();
  }

  /** A Non Conformance is over when it is no longer open, an inspection when it was submitted or cancelled. */
  #stateOf(row: unknown): TicketState {
    const status = textAt(row, 'status');
    const open =
      this.#options.document === 'Non Conformance' ? status === 'Open' : valueAt(row, 'docstatus') === 0;
    return { state: open ? 'open' : 'closed', said: status };
  }

  async #list(
    filters: readonly unknown[],
    fields: readonly string[],
    limit: number,
    signal: AbortSignal,
  ): Promise<unknown[]> {
    const query = new URLSearchParams({
      filters: JSON.stringify(filters),
      fields: JSON.stringify(fields),
      limit_page_length: String(limit),
    });
    return listAt(
      await this.#http.json({ method: 'GET', path: `${this.#resource}?${query}` }, signal),
      'data',
    );
  }

  #fields(event: QualityEvent): Record<string, unknown> {
    const { document, procedure, itemCode, inspectedBy } = this.#options;
    const details = linesOf(event);
    if (document === 'Non Conformance') {
      return {
        subject: titleOf(event, MAX_SUBJECT),
        procedure,
        status: 'Open',
        details: `<p>${details.map(escapeMarkup).join('<br>')}</p>`,
      };
    }
    const item = itemCode === '' ? event.material.definition : itemCode;
    if (item === '') {
      throw new TicketError('MES_TEMPLATE_FAILED', 'nobody says which item was inspected', {
        hint: 'Give the item of the endpoint, or the material of the ticket node.',
      });
    }
    return {
      inspection_type: 'In Process',
      status: event.verdict?.decision === 'accept' ? 'Accepted' : 'Rejected',
      item_code: item,
      sample_size: 1,
      inspected_by: inspectedBy,
      report_date: event.occurredAt.slice(0, 10),
      ...(event.material.lot === '' ? {} : { batch_no: event.material.lot }),
      ...(event.material.serial === '' ? {} : { item_serial_no: event.material.serial }),
      remarks: details.join('\n'),
    };
  }
}
