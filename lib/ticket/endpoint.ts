/**
 * One MES as the nodes of a flow share it: however many send tickets of a station to it, one
 * delivery pumps that station's outbox, from the first node that joins until the last has left.
 */
import type { OutboxEntry, OutboxRecord } from '../journal/types.ts';
import type { TicketClient } from './client.ts';
import { Delivery, type DeliveryOptions, type Listener, type TicketBody } from './delivery.ts';

export interface TicketEntry extends Omit<OutboxEntry, 'body'> {
  body: TicketBody;
}

export interface Membership {
  /** Resolves when the entry is durable; `accepted` is false for a key that is known. */
  accept(entry: TicketEntry): Promise<{ accepted: boolean; record: OutboxRecord }>;
  /** Resolves when nothing of this station is under way, if this was the last node. */
  leave(): Promise<void>;
}

interface Shared {
  delivery: Delivery;
  members: number;
}

export class MesEndpoint {
  readonly #id: string;
  readonly #client: () => TicketClient;
  readonly #deliveries = new Map<string, Shared>();

  /** `client` may throw a TicketError; who joins gets it. */
  constructor(id: string, client: () => TicketClient) {
    this.#id = id;
    this.#client = client;
  }

  /** Delivery starts at once, with what waits from earlier runs. */
  join(
    station: { id: string; journal: DeliveryOptions['journal'] },
    node: string,
    listener: Listener,
  ): Membership {
    const shared = this.#deliveries.get(station.id) ?? this.#open(station.journal);
    this.#deliveries.set(station.id, shared);
    shared.members += 1;
    const forget = shared.delivery.join(node, listener);
    return {
      accept: (entry) => shared.delivery.accept(entry),
      leave: async () => {
        forget();
        shared.members -= 1;
        if (shared.members > 0) return;
        this.#deliveries.delete(station.id);
        await shared.delivery.close();
      },
    };
  }

  #open(journal: DeliveryOptions['journal']): Shared {
    const tickets = this.#client();
    // The journal is the station's own, so its entries for this MES are told by the MES alone.
    return { delivery: new Delivery({ journal, streamPrefix: `mes:${this.#id}:`, tickets }), members: 0 };
  }
}
