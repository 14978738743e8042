/**
 * A PLC or gateway behind an MQTT broker: a command is published once and counts as written only when the
 * device itself acknowledges it; the broker's PUBACK says no more than that the broker has it. Reading is
 * the last state the device has published, which goes stale.
 *
 * The library would keep what is unacknowledged and send it again after a reconnection. So a client is used
 * for one connection only: when that is lost, or a command gets no answer in time, the socket is reset and
 * the client is thrown away with everything it holds.
 */
import { connect as dial, Socket } from 'node:net';
import type { IPublishPacket, MqttClient } from 'mqtt';
import { ulid } from 'ulid';
import { Backoff } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import { ackOf, answerOf, stateOf, topicOf, type MqttAck, type MqttCommand } from './mqtt-protocol.ts';
import {
  clientOptions,
  CONNECT_TIMEOUT_MS,
  explained,
  loadLibrary,
  type MqttPlcOptions,
} from './mqtt-sign-in.ts';
import { MqttStates } from './mqtt-states.ts';
import { PlcError } from './plc-error.ts';
import type { TagType, TagValue } from './tag-type.ts';
import {
  askToLeave,
  linkDown,
  LinkNotice,
  readInTurn,
  RECONNECT_BACKOFF,
  withDeadline,
  writeInTurn,
  type LinkState,
  type Reading,
  type SeenListener,
  type TagDescription,
  type TagWrite,
  type Transport,
  type WriteAnswer,
  type WriteGuard,
} from './transport.ts';

export type { MqttPlcOptions } from './mqtt-sign-in.ts';

const DESCRIBE_TIMEOUT_MS = 5000;
/** Commands that may wait for their answer; what comes beyond is refused at once. */
const MAX_IN_FLIGHT = 32;

/** What carries the bytes of a client: with TLS, the socket under it. */
const SOCKETS = new WeakMap<MqttClient, MqttClient['stream']>();
const ignored = (): void => undefined;

interface Connection {
  client: MqttClient;
  /** Commands without an answer yet, by their id. */
  waiting: Map<string, { settle: (ack: MqttAck) => void; fail: (error: Error) => void }>;
}

export class MqttTransport implements Transport {
  readonly #options: MqttPlcOptions;
  readonly #backoff: Backoff;
  readonly #clock: Clock;
  readonly #notice = new LinkNotice();
  readonly #states: MqttStates;
  #connection: Connection | undefined;
  #connecting: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: MqttPlcOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? new Backoff(RECONNECT_BACKOFF);
    this.#clock = options.clock ?? systemClock;
    this.#states = new MqttStates({ staleMs: options.staleMs, clock: this.#clock });
  }

  open(): void {
    void this.#connect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const client = this.#connection?.client ?? this.#connecting;
    this.#drop(new PlcError('PLC_LINK_LOST', 'the endpoint was closed'));
    await (client === undefined ? undefined : gone(client));
    this.#notice.set({ state: 'closed' });
  }

  linkUp(): boolean {
    return this.#connection?.client.connected === true;
  }

  link(): LinkState {
    return this.#notice.link;
  }

  onLink(listener: (link: LinkState) => void): () => void {
    return this.#notice.add(listener);
  }

  async describe(tag: string): Promise<TagDescription> {
    try {
      const { type, writable, range } = await this.#fresh(tag, DESCRIBE_TIMEOUT_MS);
      return { dataType: type, writable, ...(range === undefined ? {} : { range }) };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'PLC_TIMEOUT') throw error;
      throw new PlcError('PLC_TAG_UNUSABLE', `${tag}: the device has published no state of it`, {
        hint: `The device must publish ${topicOf(this.#options.stateTopic, tag)}, retained.`,
      });
    }
  }

  async read(tag: string, timeoutMs: number): Promise<Reading> {
    await this.#fresh(tag, timeoutMs);
    return this.#states.reading(topicOf(this.#options.stateTopic, tag));
  }

  readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]> {
    return readInTurn(this, tags, timeoutMs);
  }

  async write(
    tag: string,
    value: TagValue,
    dataType: TagType,
    timeoutMs: number,
    guard?: WriteGuard,
  ): Promise<WriteAnswer> {
    const topic = topicOf(this.#options.commandTopic, tag);
    const known = this.#states.get(topicOf(this.#options.stateTopic, tag));
    if (known?.writable === false) return { result: 'refused', status: 'read-only tag' };
    if (known !== undefined && known.type !== dataType)
      return { result: 'refused', status: `not a ${dataType}` };
    // From here to the socket nothing is awaited.
    const connection = this.#up();
    const { client, waiting } = connection;
    if (waiting.size >= MAX_IN_FLIGHT) {
      throw new PlcError('PLC_LINK_DOWN', `${waiting.size} commands wait for their answer`, {
        hint: 'Nothing was sent. Check that the device answers on the ack topic.',
      });
    }
    askToLeave(guard, `write ${tag}`);
    const sentAt = new Date(this.#clock.wallNow()).toISOString();
    const ttlMs = Math.max(1, Math.floor(Math.min(timeoutMs, guard?.leftMs() ?? timeoutMs)));
    const command: MqttCommand = { id: ulid(), tag, value, ttlMs, sentAt };
    const acknowledged = new Promise<MqttAck>((settle, fail) => waiting.set(command.id, { settle, fail }));
    client.publish(topic, JSON.stringify(command), {
      qos: 1,
      // Whole seconds is all the protocol has; the device goes by the ttlMs in the body.
      ...(this.#options.version === '5'
        ? { properties: { messageExpiryInterval: Math.max(1, Math.ceil(ttlMs / 1000)) } }
        : {}),
    });
    try {
      const ack = await withDeadline(acknowledged, timeoutMs, `write ${tag}`, () => {
        waiting.delete(command.id);
        this.#fail(client, new PlcError('PLC_LINK_LOST', `write ${tag}: no answer of the device`));
      });
      return answerOf(ack, value, dataType);
    } finally {
      waiting.delete(command.id);
    }
  }

  writeAll(writes: readonly TagWrite[], timeoutMs: number, guard?: WriteGuard): Promise<WriteAnswer> {
    return writeInTurn(this, writes, timeoutMs, guard);
  }

  subscribe(tag: string, _intervalMs: number, listener: SeenListener): Promise<() => Promise<void>> {
    try {
      const topic = topicOf(this.#options.stateTopic, tag);
      const leave = this.#states.listen(topic, listener);
      if (this.#connection !== undefined) this.#ask(this.#connection.client, topic);
      return Promise.resolve(() => {
        if (leave()) this.#connection?.client.unsubscribe(topic, ignored);
        return Promise.resolve();
      });
    } catch (error) {
      return Promise.reject(asCodedError(error));
    }
  }

  #up(): Connection {
    const connection = this.#connection;
    if (connection?.client.connected !== true) throw linkDown(this.#options.url);
    return connection;
  }

  /**
   * What the broker holds of a tag now. It is asked each time: to subscribe again brings the retained state
   * again (MQTT 3.1.1, 3.8.4), and shows that the broker still answers.
   */
  #fresh(tag: string, timeoutMs: number): ReturnType<MqttStates['next']> {
    const topic = topicOf(this.#options.stateTopic, tag);
    const { client } = this.#up();
    const next = this.#states.next(topic);
    this.#ask(client, topic);
    return withDeadline(next, timeoutMs, `read ${tag}`);
  }

  #ask(client: MqttClient, topic: string): void {
    client.subscribe(topic, { qos: 1 }, (error) => {
      if (error === null || client !== this.#connection?.client) return;
      this.#states.refuse(topic, new PlcError('PLC_READ_FAILED', `${topic}: ${error.message}`));
    });
  }

  async #connect(): Promise<void> {
    this.#notice.set({ state: 'connecting' });
    let client: MqttClient | undefined;
    try {
      const { connect } = await loadLibrary();
      const options = await clientOptions(this.#options);
      if (this.#isClosed()) return;
      // The library would make it itself, and a socket inside TLS cannot be reset.
      const socket = options.protocol === 'mqtts' ? dial(options.port, options.host) : undefined;
      const made = connect(socket === undefined ? options : Object.assign(options, { socket }));
      SOCKETS.set(made, socket ?? made.stream);
      client = made;
      this.#connecting = made;
      let failed: (error: Error) => void = () => undefined;
      const failure = new Promise<never>((_resolve, reject) => (failed = reject));
      failure.catch(() => undefined);
      made.on('error', failed);
      made.on('close', () => failed(new PlcError('PLC_LINK_LOST', `${this.#options.url} closed the link`)));
      // Without it Nagle and delayed ACK make 42 ms of every acknowledgement (0.2 ms with it).
      const carrier = SOCKETS.get(made);
      if (carrier instanceof Socket) carrier.setNoDelay(true);
      made.on('message', (topic, payload, packet) => this.#take(topic, payload, packet));
      const ready = new Promise<void>((resolve, reject) => {
        made.once('connect', () => {
          made.subscribe(this.#options.ackTopic, { qos: 1 }, (error) =>
            error === null ? resolve() : reject(error),
          );
        });
      });
      await withDeadline(Promise.race([ready, failure]), CONNECT_TIMEOUT_MS, 'connect to the broker');
      this.#connecting = undefined;
      if (this.#isClosed()) {
        reset(made);
        return;
      }
      failure.catch((error: unknown) => this.#fail(made, asCodedError(error)));
      this.#connection = { client: made, waiting: new Map() };
      this.#backoff.reset();
      this.#states.begin();
      this.#notice.set({ state: 'up' });
      for (const topic of this.#states.topics()) this.#ask(made, topic);
    } catch (error) {
      this.#connecting = undefined;
      if (client !== undefined) reset(client);
      this.#retry(explained(error, this.#options));
    }
  }

  #take(topic: string, payload: Buffer, { retain }: IPublishPacket): void {
    if (topic === this.#options.ackTopic) {
      const ack = ackOf(payload);
      if (ack !== undefined) this.#connection?.waiting.get(ack.id)?.settle(ack);
      return;
    }
    const state = stateOf(payload);
    if (state !== undefined) this.#states.take(topic, state, retain);
  }

  /** A call, because the compiler does not know that it may change while something is awaited. */
  #isClosed(): boolean {
    return this.#closed;
  }

  #fail(client: MqttClient, error: Error): void {
    if (client !== this.#connection?.client) return;
    this.#drop(error);
    this.#retry(error);
  }

  /** Throws the client away with what it holds, and lets whoever waits for an answer hear of it. */
  #drop(error: Error): void {
    const [connection, connecting] = [this.#connection, this.#connecting];
    this.#connection = undefined;
    this.#connecting = undefined;
    this.#states.end();
    const lost =
      error instanceof PlcError ? error : new PlcError('PLC_LINK_LOST', error.message, { cause: error });
    for (const { fail } of connection?.waiting.values() ?? []) fail(lost);
    for (const client of [connection?.client, connecting]) if (client !== undefined) reset(client);
  }

  #retry(error: Error & { code?: unknown }): void {
    if (this.#closed) return;
    const needsPerson = ['PLC_LIBRARY_MISSING', 'PLC_SIGN_IN', 'PLC_CERTIFICATE'].includes(
      String(error.code),
    );
    this.#notice.set({ state: needsPerson ? 'failed' : 'connecting', error });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.nextMs());
    this.#timer.unref();
  }
}

/** A plain close leaves what the broker has not acknowledged with the kernel, which sends it when the cable is back. */
function reset(client: MqttClient): void {
  client.on('error', ignored);
  const socket = SOCKETS.get(client);
  if (socket instanceof Socket) socket.resetAndDestroy();
  client.end(true);
}

async function gone({ stream }: MqttClient): Promise<void> {
  if (stream.closed) return;
  await new Promise<void>((resolve) => stream.once('close', () => resolve()));
}
