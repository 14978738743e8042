/**
 * One MES as the nodes of a flow share it: however many send tickets of a station to it, one
 * delivery pumps that station's outbox, from the first node that joins until the last has left.
 */
import type { OutboxEntry, OutboxRecord } from '../journal/types.ts';
import { Breaker } from './breaker.ts';
import type { TicketClient } from './client.ts';
import { Delivery, type DeliveryOptions, type Listener } from './delivery.ts';
import type { TicketBody } from './outcome.ts';
import { Follower, type FollowerOptions } from './follower.ts';
import type { TicketNews } from './hook.ts';

/** What the streams of an endpoint's tickets begin with. */
export function addressOf(endpoint: string): string {
  return `mes:${endpoint}:`;
}

export interface TicketEntry extends Omit<OutboxEntry, 'body'> {
  body: TicketBody;
}

export interface Membership {
  /** Resolves when the entry is durable; `accepted` is false for a key that is known. */
  accept(entry: TicketEntry): Promise<{ accepted: boolean; record: OutboxRecord }>;
  /** Resolves when nothing of this station is under way, if this was the last node. */
  leave(): Promise<void>;
}

/** What a station's journal does for its tickets. */
export type StationJournal = DeliveryOptions['journal'] & FollowerOptions['journal'];

interface Shared {
  delivery: Delivery;
  follower: Follower;
  members: number;
}

export class MesEndpoint {
  readonly #id: string;
  readonly #client: () => TicketClient;
  readonly #pollMs: number;
  readonly #breaker: Breaker;
  readonly #deliveries = new Map<string, Shared>();

  /**
   * `client` may throw a TicketError; who joins gets it.
   * @param options.pollMs how often the MES is asked what has become of tickets; 0: never
   * @param options.perSecond how many tickets a second go out after it was away; 0: as many as it takes
   */
  constructor(
    id: string,
    client: () => TicketClient,
    { pollMs = 0, perSecond = 0 }: { pollMs?: number; perSecond?: number } = {},
  ) {
    this.#id = id;
    this.#client = client;
    this.#pollMs = pollMs;
    this.#breaker = new Breaker({ perSecond });
  }

  /** Delivery starts at once, with what waits from earlier runs. */
  join(station: { id: string; journal: StationJournal }, node: string, listener: Listener): Membership {
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
        await shared.follower.close();
        await shared.delivery.close();
      },
    };
  }

  /** Whether tickets of this station are delivered here. */
  serves(station: string): boolean {
    return this.#deliveries.has(station);
  }

  /** Somebody has put a ticket of this station back. */
  wake(station: string): void {
    this.#deliveries.get(station)?.delivery.wake();
  }

  /** The MES says by itself what has become of a ticket; false when it is none of ours, or no news. */
  async heard({ state, ...ticket }: TicketNews): Promise<boolean> {
    for (const { follower } of this.#deliveries.values()) {
      if (await follower.heard(ticket, state)) return true;
    }
    return false;
  }

  #open(journal: StationJournal): Shared {
    const tickets = this.#client();
    // The journal is the station's own, so its entries for this MES are told by the MES alone.
    const streamPrefix = addressOf(this.#id);
    const delivery = new Delivery({ journal, streamPrefix, tickets, breaker: this.#breaker });
    const follower = new Follower({
      journal,
      streamPrefix,
      tickets,
      everyMs: this.#pollMs,
      breaker: this.#breaker,
      tell: (change) => delivery.tell(change),
      follows: (following) => delivery.follows(following),
    });
    return { delivery, follower, members: 0 };
  }
}
