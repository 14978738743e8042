/**
 * SAP S/4HANA's maintenance notification over OData V2 (api.sap.com, API_MAINTNOTIFICATION). A change needs the
 * token that a read hands out, and the cookies it came with; both end without notice, so one refusal for that reason
 * is answered with a new token. The external id stands in the short text, unless a field of the customer's own
 * (`YY1_…`) is given for it.
 */
import type { TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import type { Answer } from '../exchange.ts';
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
import { bySeverity, linesOf, titleOf } from '../wording.ts';

export interface SapOptions {
  /** `M1`, `M2`, … or one of the plant's own. */
  notificationType: string;
  /** Of the equipment or functional location; empty for none. */
  technicalObject: string;
  technicalObjectKind: 'EAMS_EQUI' | 'EAMS_FL';
  /** `NotificationText`, or the field that was added for it. */
  externalIdField: string;
}

const ENTITY = 'MaintenanceNotification';
const SHORT_TEXT = 'NotificationText';
/** What the short text holds. */
const MAX_TEXT = 40;
const PRIORITY = { minor: '3', major: '2', critical: '1' } as const;
/** Phases of a notification: 4 completed, 5 marked for deletion. */
const OVER: ReadonlySet<string> = new Set(['4', '5']);
const FORBIDDEN = 403;

/** A string in a filter: a quote is doubled (OData V2, "URI conventions", literals). */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export class SapTickets implements TicketClient {
  readonly #http: Http;
  readonly #options: SapOptions;
  #session: Record<string, string> | undefined;

  constructor(http: Http, options: SapOptions) {
    this.#http = http;
    this.#options = options;
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const filter = `${this.#options.externalIdField} eq ${literal(this.#idText(externalId))}`;
    const found = await this.#read({ filter, select: ENTITY, top: 1 }, signal);
    return ticketNumber(valueAt(found, 0, ENTITY));
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const { notificationType, technicalObject, technicalObjectKind, externalIdField } = this.#options;
    const json = {
      NotificationType: notificationType,
      [SHORT_TEXT]: titleOf(event, MAX_TEXT),
      MaintNotifLongTextForEdit: [titleOf(event), ...linesOf(event)].join('\n'),
      MaintPriority: bySeverity(event.severity, PRIORITY),
      ...(technicalObject === ''
        ? {}
        : { TechnicalObject: technicalObject, TechObjIsEquipOrFuncnlLoc: technicalObjectKind }),
      [externalIdField]: this.#idText(event.id),
    };
    const answer = await this.#change(json, signal);
    assertSuccess(answer);
    return requireNumber(valueAt(parsedJson(answer.body), 'd', ENTITY));
  }

  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const filter = ticketIds.map((id) => `${ENTITY} eq ${literal(id)}`).join(' or ');
    const select = `${ENTITY},NotifProcessingPhase,NotifProcessingPhaseDesc`;
    const rows = await this.#read({ filter, select, top: ticketIds.length }, signal);
    return new Map(
      rows.map((row) => {
        const phase = textAt(row, 'NotifProcessingPhase');
        const words = valueAt(row, 'NotifProcessingPhaseDesc');
        const said = typeof words === 'string' && words !== '' ? words : phase;
        return [String(valueAt(row, ENTITY)), { state: OVER.has(phase) ? 'closed' : 'open', said }];
      }),
    );
  }

  close(): void {
    this.#http.close();
  }

  /** As it stands in its field: the short text of people begins with what it is. */
  #idText(externalId: string): string {
    return this.#options.externalIdField === SHORT_TEXT ? `Jidoka ${externalId}` : externalId;
  }

  async #read(
    { filter, select, top }: { filter: string; select: string; top: number },
    signal: AbortSignal,
  ): Promise<unknown[]> {
    const query = new URLSearchParams({
      $filter: filter,
      $select: select,
      $top: String(top),
      $format: 'json',
    });
    return listAt(
      await this.#http.json({ method: 'GET', path: `${ENTITY}?${query}` }, signal),
      'd',
      'results',
    );
  }

  async #change(json: object, signal: AbortSignal): Promise<Answer> {
    const send = async (): Promise<Answer> => {
      this.#session ??= await this.#openSession(signal);
      return this.#http.send({ method: 'POST', path: ENTITY, headers: this.#session, json }, signal);
    };
    const answer = await send();
    const asked = answer.headers['x-csrf-token'];
    if (answer.status !== FORBIDDEN || String(asked).toLowerCase() !== 'required') return answer;
    this.#session = undefined;
    return send();
  }

  async #openSession(signal: AbortSignal): Promise<Record<string, string>> {
    const path = `${ENTITY}?${new URLSearchParams({ $top: '0', $format: 'json' })}`;
    const answer = await this.#http.send(
      { method: 'GET', path, headers: { 'x-csrf-token': 'fetch' } },
      signal,
    );
    assertSuccess(answer);
    const token = answer.headers['x-csrf-token'];
    const cookies = (answer.headers['set-cookie'] ?? []).map((cookie) => cookie.split(';')[0]);
    return {
      ...(typeof token === 'string' ? { 'x-csrf-token': token } : {}),
      ...(cookies.length === 0 ? {} : { cookie: cookies.join('; ') }),
    };
  }
}
