/**
 * OPC UA through node-opcua-client: one session per endpoint, shared by all its users.
 *
 * node-opcua 2.186 holds a request issued while the link is down and runs it after the reconnect,
 * minutes later if need be (measured: a write came back Good after 61 s). So a write leaves only
 * when the channel is valid and no reconnection is under way, it is raced with our own deadline,
 * and when that expires the socket is reset and the client disconnected: neither what the kernel
 * still holds nor what the library holds can arrive later. A new client follows with backoff.
 */
import type { ClientSecureChannelLayer, ClientSession, OPCUAClient } from 'node-opcua-client';
import { Backoff } from '../backoff.ts';
import { asCodedError } from '../errors.ts';
import { OpcUaBrowser } from './browse-opcua.ts';
import type { TagBrowser } from './browse.ts';
import {
  clientOptions,
  explained,
  identityOf,
  loadLibrary,
  NEED_A_PERSON,
  type Library,
  type OpcUaOptions,
} from './opcua-sign-in.ts';
import { answerOf, GOOD } from './opcua-answer.ts';
import { endClient, endSession, isUp, resetSocket, type Connection } from './opcua-connection.ts';
import { describe, nodeIdOf, readingOf } from './opcua-reading.ts';
import { OpcUaSubscriptions } from './opcua-subscriptions.ts';
import { lost, PlcError } from './plc-error.ts';
import type { TagType, TagValue } from './tag-type.ts';
import {
  askToLeave,
  countdown,
  linkDown,
  LinkNotice,
  RECONNECT_BACKOFF,
  withDeadline,
  type LinkState,
  type Reading,
  type SeenListener,
  type TagDescription,
  type TagWrite,
  type Transport,
  type WriteAnswer,
  type WriteGuard,
} from './transport.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 2000;
const DESCRIBE_TIMEOUT_MS = 5000;

export class OpcUaTransport implements Transport {
  readonly #options: OpcUaOptions;
  readonly #backoff: Backoff;
  readonly #notice = new LinkNotice();
  readonly #subscriptions = new OpcUaSubscriptions();
  #connection: Connection | undefined;
  /** The client that is being connected, so that `close` can end it. */
  #connecting: OPCUAClient | undefined;
  #attempt: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: OpcUaOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? new Backoff(RECONNECT_BACKOFF);
  }

  open(): void {
    this.#attempt = this.#connect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const connection = this.#connection;
    this.#connection = undefined;
    this.#subscriptions.detach();
    const abandoned = this.#connecting === undefined ? undefined : endClient(this.#connecting);
    const ended = Promise.allSettled([abandoned, endSession(connection), this.#attempt]);
    await withDeadline(ended, CLOSE_TIMEOUT_MS, 'close').catch(() => undefined);
    this.#notice.set({ state: 'closed' });
  }

  linkUp(): boolean {
    const connection = this.#connection;
    return connection !== undefined && isUp(connection);
  }

  link(): LinkState {
    return this.#notice.link;
  }

  onLink(listener: (link: LinkState) => void): () => void {
    return this.#notice.add(listener);
  }

  describe(tag: string): Promise<TagDescription> {
    const connection = this.#connection;
    if (connection === undefined || !isUp(connection))
      return Promise.reject(linkDown(this.#options.endpointUrl));
    let description = connection.descriptions.get(tag);
    if (description === undefined) {
      description = withDeadline(describe(connection, tag), DESCRIBE_TIMEOUT_MS, `describe ${tag}`);
      connection.descriptions.set(tag, description);
      // A failure may be the link's; the next command asks again.
      description.catch(() => connection.descriptions.delete(tag));
    }
    return description;
  }

  async read(tag: string, timeoutMs: number): Promise<Reading> {
    const [reading] = await this.readAll([tag], timeoutMs);
    if (reading === undefined) throw new PlcError('PLC_READ_FAILED', `read ${tag}: no answer`);
    return reading;
  }

  write(
    tag: string,
    value: TagValue,
    dataType: TagType,
    timeoutMs: number,
    guard?: WriteGuard,
  ): Promise<WriteAnswer> {
    return this.writeAll([{ tag, value, dataType }], timeoutMs, guard);
  }

  /** One Read of the whole list. */
  async readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]> {
    const connection = this.#up();
    const { library, session } = connection;
    if (tags.length === 0) return [];
    const attributeId = library.AttributeIds.Value;
    const what = `read ${tags.join(', ')}`;
    const nodes = tags.map((tag) => ({ nodeId: nodeIdOf(connection, tag), attributeId }));
    const values = await withDeadline(session.read(nodes), timeoutMs, what).catch((error: unknown) => {
      throw error instanceof PlcError ? error : lost(what, error);
    });
    return values.map((value, index) => readingOf(tags[index] ?? '', value));
  }

  /**
   * One Write of all but the last, then one of the last: a server may take the items of one Write in any
   * order (OPC 10000-4, 5.11.4), and the last is what tells the PLC that the block is complete.
   */
  async writeAll(writes: readonly TagWrite[], timeoutMs: number, guard?: WriteGuard): Promise<WriteAnswer> {
    if (writes.length === 0) return { result: 'good', status: 'Good' };
    const leftMs = countdown(timeoutMs);
    const others = writes.slice(0, -1);
    if (others.length > 0) {
      const answer = await this.#writeTogether(others, leftMs(), guard);
      if (answer.result !== 'good') return answer;
    }
    return this.#writeTogether(writes.slice(-1), leftMs(), guard);
  }

  /** One Write; the first answer that is not good stands for all. */
  async #writeTogether(
    writes: readonly TagWrite[],
    timeoutMs: number,
    guard: WriteGuard | undefined,
  ): Promise<WriteAnswer> {
    // From here to the socket nothing is awaited.
    const connection = this.#up();
    const { library, session } = connection;
    const what = `write ${writes.map(({ tag }) => tag).join(', ')}`;
    const nodes = writes.map(({ tag, value, dataType }) => ({
      nodeId: nodeIdOf(connection, tag),
      attributeId: library.AttributeIds.Value,
      value: { value: { dataType: library.DataType[dataType], value } },
    }));
    askToLeave(guard, what);
    const statusCodes = await withDeadline(session.write(nodes), timeoutMs, what, () =>
      this.#replace(connection, new PlcError('PLC_TIMEOUT', `${what}: no answer`)),
    ).catch((error: unknown) => {
      throw error instanceof PlcError ? error : lost(what, error);
    });
    const worst = statusCodes.find(({ value }) => value !== GOOD);
    return worst === undefined ? { result: 'good', status: 'Good' } : answerOf(worst);
  }

  /** In one subscription with every other tag of this interval; the server samples twice as often as it tells. */
  subscribe(tag: string, intervalMs: number, listener: SeenListener): Promise<() => Promise<void>> {
    return Promise.resolve(this.#subscriptions.add(tag, intervalMs, listener));
  }

  browser(): TagBrowser {
    return new OpcUaBrowser(() => this.#up());
  }

  /** A call, because the compiler does not know that it may change while something is awaited. */
  #isClosed(): boolean {
    return this.#closed;
  }

  #up(): Connection {
    const connection = this.#connection;
    if (connection === undefined || !isUp(connection)) throw linkDown(this.#options.endpointUrl);
    return connection;
  }

  async #connect(): Promise<void> {
    this.#notice.set({ state: 'connecting' });
    try {
      const library = await loadLibrary();
      if (this.#isClosed()) return;
      const client = library.OPCUAClient.create(await clientOptions(library, this.#options));
      this.#connecting = client;
      const connection = await withDeadline(
        this.#openSession(library, client),
        CONNECT_TIMEOUT_MS,
        `connect to ${this.#options.endpointUrl}`,
        () => void endClient(client).catch(() => undefined),
      );
      this.#connecting = undefined;
      if (this.#isClosed()) {
        await endSession(connection);
        return;
      }
      this.#watch(connection);
      this.#connection = connection;
      this.#backoff.reset();
      this.#linked(connection);
    } catch (error) {
      const client = this.#connecting;
      this.#connecting = undefined;
      if (client !== undefined) await endClient(client).catch(() => undefined);
      this.#retry(explained(asCodedError(error), this.#options));
    }
  }

  async #openSession(library: Library, client: OPCUAClient): Promise<Connection> {
    let channel: ClientSecureChannelLayer | undefined;
    client.on('secure_channel_created', (created) => {
      channel = created;
    });
    await client.connect(this.#options.endpointUrl);
    const session = await client.createSession(identityOf(library, this.#options));
    const namespaces = await namespacesOf(session);
    return { library, client, session, namespaces, channel: () => channel, descriptions: new Map() };
  }

  #watch(connection: Connection): void {
    const { client, session } = connection;
    const check = (): void => {
      if (connection !== this.#connection) return;
      // A server that was restarted may describe its tags differently.
      connection.descriptions.clear();
      connection.namespaces = undefined;
      if (isUp(connection)) void this.#relink(connection);
      else {
        this.#subscriptions.detach();
        this.#notice.set({ state: 'connecting', error: lost(this.#options.endpointUrl) });
      }
    };
    client.on('connection_lost', check);
    client.on('start_reconnection', check);
    client.on('after_reconnection', check);
    client.on('connection_reestablished', check);
    client.on('close', () => this.#replace(connection, lost(this.#options.endpointUrl)));
    session.on('keepalive_failure', check);
    session.on('session_restored', check);
    session.on('session_closed', () => {
      this.#replace(connection, lost(this.#options.endpointUrl));
    });
  }

  #linked(connection: Connection): void {
    this.#notice.set({ state: 'up' });
    this.#subscriptions.attach(connection);
  }

  /** A server that was restarted may have given its namespaces other numbers. */
  async #relink(connection: Connection): Promise<void> {
    const namespaces = await namespacesOf(connection.session);
    if (connection !== this.#connection || !isUp(connection)) return;
    connection.namespaces = namespaces;
    this.#linked(connection);
  }

  /** Throws the client away, with everything it holds, and makes a new one. */
  #replace(connection: Connection, error: Error): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.#subscriptions.detach();
    resetSocket(connection);
    endClient(connection.client).catch(() => undefined);
    this.#retry(error);
  }

  #retry(error: Error): void {
    if (this.#closed) return;
    const needsPerson = NEED_A_PERSON.has(asCodedError(error).code);
    this.#notice.set({ state: needsPerson ? 'failed' : 'connecting', error });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#attempt = this.#connect();
    }, this.#backoff.nextMs());
    this.#timer.unref();
  }
}

/** A server that does not tell its namespaces has none that can be named. */
function namespacesOf(session: ClientSession): Promise<readonly string[]> {
  return withDeadline(session.readNamespaceArray(), DESCRIBE_TIMEOUT_MS, 'read the namespaces').catch(
    () => [],
  );
}
