/**
 * Atlas CMMS (github.com/Grashjs/cmms, controllers of its API): a request, which a person approves, or a work order
 * at once. It has no field for the id of another system and no idempotency: the id stands in the description and is
 * searched for there.
 */
import type { TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import {
  assertSuccess,
  listAt,
  parsedJson,
  requireNumber,
  ticketNumber,
  valueAt,
  type Http,
} from '../http.ts';
import { bySeverity, linesOf, titleOf } from '../wording.ts';

export interface AtlasOptions {
  kind: 'requests' | 'work-orders';
  /** Number of the asset; empty for none. */
  assetId: string;
}

const PRIORITY = { minor: 'LOW', major: 'MEDIUM', critical: 'HIGH' } as const;
const NOT_FOUND = 404;

export class AtlasTickets implements TicketClient {
  readonly #http: Http;
  readonly #options: AtlasOptions;

  constructor(http: Http, options: AtlasOptions) {
    this.#http = http;
    this.#options = options;
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const json = {
      filterFields: [{ field: 'description', operation: 'cn', value: externalId }],
      pageNum: 0,
      pageSize: 1,
    };
    const found = await this.#http.json(
      { method: 'POST', path: `${this.#options.kind}/search`, json },
      signal,
    );
    const own = listAt(found, 'content').find((ticket) => {
      const description = valueAt(ticket, 'description');
      return typeof description === 'string' && description.includes(externalId);
    });
    return ticketNumber(valueAt(own, 'id'));
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const { kind, assetId } = this.#options;
    const json = {
      title: titleOf(event),
      description: linesOf(event).join('\n'),
      priority: bySeverity(event.severity, PRIORITY),
      ...(assetId === '' ? {} : { asset: { id: Number(assetId) } }),
    };
    return requireNumber(valueAt(await this.#http.json({ method: 'POST', path: kind, json }, signal), 'id'));
  }

  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const states = new Map<string, TicketState>();
    for (const id of ticketIds) {
      const path = `${this.#options.kind}/${encodeURIComponent(id)}`;
      const answer = await this.#http.send({ method: 'GET', path }, signal);
      if (answer.status === NOT_FOUND) continue;
      assertSuccess(answer);
      states.set(id, stateOf(parsedJson(answer.body)));
    }
    return states;
  }

  close(): void {
    this.#http.close();
  }
}

/** A request is over when it was cancelled or the work order made of it is complete. */
function stateOf(ticket: unknown): TicketState {
  if (valueAt(ticket, 'cancelled') === true) return { state: 'closed', said: 'CANCELLED' };
  const status = valueAt(ticket, 'status') ?? valueAt(ticket, 'workOrder', 'status');
  const said = typeof status === 'string' ? status : 'PENDING';
  return { state: said === 'COMPLETE' ? 'closed' : 'open', said };
}
