/**
 * What is subscribed at one OPC UA server, whatever becomes of the link: one subscription for each
 * interval, shared by all its tags.
 *
 * The library restores subscriptions after a reconnection, but a value that has not changed meanwhile is
 * not told again, and nothing survives a client that was thrown away. So every time the link comes up all
 * tags are subscribed anew, each beginning with its present value, and what the library had restored is
 * deleted. What came and went while there was no link is not made up for.
 */
import type { ClientMonitoredItem, ClientSession, ClientSubscription } from 'node-opcua-client';
import { asCodedError } from '../errors.ts';
import { nodeIdOf, readingOf } from './opcua-reading.ts';
import { PlcError } from './plc-error.ts';
import { withDeadline, type SeenListener } from './transport.ts';

type Library = Pick<
  typeof import('node-opcua-client'),
  'AttributeIds' | 'TimestampsToReturn' | 'coerceNodeId'
>;

/** Changes the server keeps of a tag between two publications; the oldest is dropped. */
const QUEUE_SIZE = 10;
/** How often the server speaks up when nothing changes, and how long it keeps a subscription nobody fetches from. */
const KEEP_ALIVE_MS = 5000;
const LIFETIME_MS = 30_000;
const DELETE_TIMEOUT_MS = 3000;

interface Watched {
  tag: string;
  intervalMs: number;
  listener: SeenListener;
}

/** One period in which the link was up. */
interface Period {
  library: Library;
  session: ClientSession;
  namespaces: readonly string[] | undefined;
  subscriptions: Map<number, Promise<ClientSubscription>>;
  items: Map<Watched, Promise<ClientMonitoredItem>>;
}

export class OpcUaSubscriptions {
  readonly #watched = new Set<Watched>();
  #period: Period | undefined;
  /** The session of the period before, which the library may have restored. */
  #before: Period | undefined;

  /** Tells from now on, or from when the link is up; returns the way to stop, which ends in time. */
  add(tag: string, intervalMs: number, listener: SeenListener): () => Promise<void> {
    const watched: Watched = { tag, intervalMs, listener };
    this.#watched.add(watched);
    if (this.#period !== undefined) this.#install(this.#period, watched);
    return () => this.#remove(watched);
  }

  /** The link is up: with a new session, or with the one there was. Safe to say again. */
  attach({ library, session, namespaces }: Pick<Period, 'library' | 'session' | 'namespaces'>): void {
    if (this.#period !== undefined) return;
    const before = this.#before;
    this.#before = undefined;
    if (before?.session === session) {
      for (const subscription of before.subscriptions.values()) void deleteQuietly(subscription);
    }
    const period = { library, session, namespaces, subscriptions: new Map(), items: new Map() };
    this.#period = period;
    for (const watched of this.#watched) this.#install(period, watched);
  }

  /** The link is down: what the present period still says belongs to nobody. */
  detach(): void {
    this.#before = this.#period ?? this.#before;
    this.#period = undefined;
  }

  #install(period: Period, watched: Watched): void {
    const { tag, listener } = watched;
    const tell = (seen: () => ReturnType<typeof readingOf>): void => {
      if (period !== this.#period || !this.#watched.has(watched)) return;
      let said: Parameters<typeof listener>[0];
      try {
        said = seen();
      } catch (error) {
        said = asCodedError(error);
      }
      listener(said);
    };
    const item = this.#monitor(period, watched);
    period.items.set(watched, item);
    item.then(
      (monitored) => monitored.on('changed', (dataValue) => tell(() => readingOf(tag, dataValue))),
      (error: unknown) =>
        tell(() => {
          throw error instanceof PlcError
            ? error
            : new PlcError('PLC_READ_FAILED', `subscribe ${tag}: ${asCodedError(error).message}`, {
                cause: error,
              });
        }),
    );
  }

  async #monitor(period: Period, { tag, intervalMs }: Watched): Promise<ClientMonitoredItem> {
    const { library } = period;
    const nodeId = nodeIdOf(period, tag);
    const subscription = await this.#subscription(period, intervalMs);
    const item = await subscription.monitor(
      { nodeId, attributeId: library.AttributeIds.Value },
      { samplingInterval: intervalMs / 2, queueSize: QUEUE_SIZE, discardOldest: true },
      library.TimestampsToReturn.Both,
    );
    if (item.statusCode.isGoodish()) return item;
    throw new PlcError('PLC_TAG_UNUSABLE', `${tag}: ${item.statusCode.name}`, {
      hint: 'Check the node id against the PLC.',
    });
  }

  #subscription(period: Period, intervalMs: number): Promise<ClientSubscription> {
    const { session, subscriptions } = period;
    const known = subscriptions.get(intervalMs);
    if (known !== undefined) return known;
    const keepAliveCount = Math.ceil(KEEP_ALIVE_MS / intervalMs);
    const made = session.createSubscription2({
      requestedPublishingInterval: intervalMs,
      requestedMaxKeepAliveCount: keepAliveCount,
      // At least three times the other (OPC 10000-4, 5.14.2).
      requestedLifetimeCount: Math.max(3 * keepAliveCount, Math.ceil(LIFETIME_MS / intervalMs)),
      publishingEnabled: true,
    });
    subscriptions.set(intervalMs, made);
    made.then(
      (subscription) => {
        // What the library held until the link was back was asked for in another period.
        if (period !== this.#period) void deleteQuietly(made);
        subscription.on('terminated', () => {
          // Deleted by the server, not by us: a client that stood still for too long.
          if (period !== this.#period || subscriptions.get(intervalMs) !== made) return;
          this.detach();
          this.attach(period);
        });
      },
      () => subscriptions.delete(intervalMs),
    );
    return made;
  }

  async #remove(watched: Watched): Promise<void> {
    this.#watched.delete(watched);
    const period = this.#period;
    const item = period?.items.get(watched);
    if (period === undefined || item === undefined) return;
    period.items.delete(watched);
    const { intervalMs } = watched;
    const isLast = ![...period.items.keys()].some((other) => other.intervalMs === intervalMs);
    const subscription = period.subscriptions.get(intervalMs);
    if (isLast && subscription !== undefined) {
      // Before anything is awaited: who comes now gets a subscription of its own.
      period.subscriptions.delete(intervalMs);
      await deleteQuietly(subscription);
    } else await deleteQuietly(item);
  }
}

/** The link may go while it is asked for; the server then forgets it by itself. */
async function deleteQuietly(thing: Promise<{ terminate(): Promise<void> }>): Promise<void> {
  const deleted = thing.then((made) => made.terminate());
  await withDeadline(deleted, DELETE_TIMEOUT_MS, 'unsubscribe').catch(() => undefined);
}
