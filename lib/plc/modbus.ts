/**
 * Modbus TCP through modbus-serial. The library does not reconnect, and a request in flight when the
 * socket closes only times out (both measured on 8.0.25), so the link is ours: a client that has
 * failed once is thrown away, and a new one is made with backoff.
 */
import { once } from 'node:events';
import { Socket } from 'node:net';
import type modbusSerial from 'modbus-serial';
import { Backoff } from '../backoff.ts';
import { asCodedError } from '../errors.ts';
import { fromRegisters, parseModbusTag, toRegisters, type ModbusTag, type WordOrder } from './modbus-tag.ts';
import { PlcError } from './plc-error.ts';
import type { TagType, TagValue } from './tag-type.ts';
import {
  linkDown,
  LinkNotice,
  RECONNECT_BACKOFF,
  readInTurn,
  withDeadline,
  writeInTurn,
  type LinkState,
  type Reading,
  type TagDescription,
  type TagWrite,
  type Transport,
  type WriteAnswer,
} from './transport.ts';

type ModbusClient = InstanceType<typeof modbusSerial.default>;

const CONNECT_TIMEOUT_MS = 3000;

export interface ModbusOptions {
  host: string;
  port: number;
  unit: number;
  wordOrder?: WordOrder;
  backoff?: Backoff;
}

const ignore = (): void => undefined;

async function newClient(): Promise<ModbusClient> {
  try {
    const library = await import('modbus-serial');
    return new library.default.default();
  } catch (error) {
    throw new PlcError('PLC_LIBRARY_MISSING', 'Modbus needs the library modbus-serial', {
      hint: 'In the Node-RED user folder: npm install modbus-serial',
      cause: error,
    });
  }
}

export class ModbusTransport implements Transport {
  readonly #host: string;
  readonly #port: number;
  readonly #unit: number;
  readonly #wordOrder: WordOrder;
  readonly #backoff: Backoff;
  readonly #notice = new LinkNotice();
  #client: ModbusClient | undefined;
  #socket: Socket | undefined;
  /** Rejects when the present client has failed, so that what is in flight fails with it. */
  #lost: { promise: Promise<never>; reject: (error: Error) => void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({
    host,
    port,
    unit,
    wordOrder = 'big',
    backoff = new Backoff(RECONNECT_BACKOFF),
  }: ModbusOptions) {
    this.#host = host;
    this.#port = port;
    this.#unit = unit;
    this.#wordOrder = wordOrder;
    this.#backoff = backoff;
  }

  open(): void {
    void this.#connect();
  }

  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop(new PlcError('PLC_LINK_LOST', 'the endpoint was closed'));
    this.#notice.set({ state: 'closed' });
    return Promise.resolve();
  }

  linkUp(): boolean {
    return this.#client?.isOpen === true;
  }

  link(): LinkState {
    return this.#notice.link;
  }

  onLink(listener: (link: LinkState) => void): () => void {
    return this.#notice.add(listener);
  }

  describe(tag: string): Promise<TagDescription> {
    try {
      const { dataType, writable } = parseModbusTag(tag);
      return Promise.resolve({ dataType, writable });
    } catch (error) {
      return Promise.reject(asCodedError(error));
    }
  }

  async read(tag: string, timeoutMs: number): Promise<Reading> {
    const parsed = parseModbusTag(tag);
    try {
      const data = await this.#request(`read ${tag}`, timeoutMs, (client) => readRequest(client, parsed));
      const value =
        parsed.registers === 0 ? data[0] === true : fromRegisters(data as number[], parsed, this.#wordOrder);
      return { value, good: true, status: 'Good', sourceAt: null };
    } catch (error) {
      const exception = exceptionOf(error);
      if (exception === undefined) throw error;
      throw new PlcError('PLC_READ_FAILED', `read ${tag}: ${exception}`, { cause: error });
    }
  }

  async write(tag: string, value: TagValue, dataType: TagType, timeoutMs: number): Promise<WriteAnswer> {
    const parsed = parseModbusTag(tag);
    if (!parsed.writable) return { result: 'refused', status: 'read-only area' };
    if (parsed.dataType !== dataType) return { result: 'refused', status: `not a ${dataType}` };
    try {
      await this.#request<unknown>(`write ${tag}`, timeoutMs, (client) =>
        writeRequest(client, parsed, value, this.#wordOrder),
      );
      return { result: 'good', status: 'Good' };
    } catch (error) {
      const exception = exceptionOf(error);
      if (exception === undefined) throw error;
      // 1 to 3 (function, address, value) are answered before anything is done; the rest may come after.
      const { modbusCode } = error as { modbusCode: number };
      return { result: modbusCode <= 3 ? 'refused' : 'doubtful', status: exception };
    }
  }

  readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]> {
    return readInTurn(this, tags, timeoutMs);
  }

  writeAll(writes: readonly TagWrite[], timeoutMs: number): Promise<WriteAnswer> {
    return writeInTurn(this, writes, timeoutMs);
  }

  async #request<Result>(
    what: string,
    timeoutMs: number,
    send: (client: ModbusClient) => Promise<Result>,
  ): Promise<Result> {
    const [client, lost] = [this.#client, this.#lost];
    if (client?.isOpen !== true || lost === undefined) throw linkDown(this.#name);
    const answer = send(client);
    try {
      return await withDeadline(Promise.race([answer, lost.promise]), timeoutMs, what, () =>
        // An answer that comes after this could be taken for that of a later request.
        this.#fail(client, new PlcError('PLC_LINK_LOST', `${what}: no answer`)),
      );
    } catch (error) {
      answer.catch(() => undefined);
      if (error instanceof PlcError || exceptionOf(error) !== undefined) throw error;
      const lostError = new PlcError('PLC_LINK_LOST', `${what}: ${asCodedError(error).message}`, {
        cause: error,
      });
      this.#fail(client, lostError);
      throw lostError;
    }
  }

  get #name(): string {
    return `${this.#host}:${this.#port}`;
  }

  /** A call, because the compiler does not know that it may change while something is awaited. */
  #isClosed(): boolean {
    return this.#closed;
  }

  async #connect(): Promise<void> {
    this.#notice.set({ state: 'connecting' });
    const socket = new Socket();
    // Its own, because the library tells nobody of a link that was reset (8.0.25): only the socket's close does.
    socket.on('error', ignore);
    try {
      const client = await newClient();
      socket.setNoDelay();
      const connected = once(socket, 'connect');
      socket.connect(this.#port, this.#host);
      await withDeadline(connected, CONNECT_TIMEOUT_MS, `connect to ${this.#name}`);
      await client.linkTCP(socket, { port: this.#port });
      client.setID(this.#unit);
      client.on('error', ignore);
      if (this.#isClosed()) {
        socket.destroy();
        return;
      }
      socket.on('close', () => {
        this.#fail(client, new PlcError('PLC_LINK_LOST', `${this.#name} closed the link`));
      });
      let reject: (error: Error) => void = ignore;
      const promise = new Promise<never>((_resolve, rejectLost) => {
        reject = rejectLost;
      });
      promise.catch(() => undefined);
      this.#client = client;
      this.#socket = socket;
      this.#lost = { promise, reject };
      this.#backoff.reset();
      this.#notice.set({ state: 'up' });
    } catch (error) {
      socket.destroy();
      this.#retry(asCodedError(error));
    }
  }

  /** The client in use has failed: whatever is in flight fails, and a new link is made. */
  #fail(client: ModbusClient, error: Error): void {
    if (client !== this.#client) return;
    this.#drop(error);
    this.#retry(error);
  }

  #drop(error: Error): void {
    const [client, socket, lost] = [this.#client, this.#socket, this.#lost];
    this.#client = undefined;
    this.#socket = undefined;
    this.#lost = undefined;
    lost?.reject(
      error instanceof PlcError ? error : new PlcError('PLC_LINK_LOST', error.message, { cause: error }),
    );
    // A plain close leaves what the PLC has not acknowledged with the kernel, which sends it when the cable is back.
    socket?.resetAndDestroy();
    client?.destroy(ignore);
  }

  #retry(error: Error): void {
    if (this.#closed) return;
    this.#notice.set(
      (error as { code?: unknown }).code === 'PLC_LIBRARY_MISSING'
        ? { state: 'failed', error }
        : { state: 'connecting', error },
    );
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.nextMs());
    this.#timer.unref();
  }
}

async function readRequest(
  client: ModbusClient,
  { area, address, registers }: ModbusTag,
): Promise<unknown[]> {
  switch (area) {
    case 'coil':
      return (await client.readCoils(address, 1)).data;
    case 'discrete':
      return (await client.readDiscreteInputs(address, 1)).data;
    case 'holding':
      return (await client.readHoldingRegisters(address, registers)).data;
    case 'input':
      return (await client.readInputRegisters(address, registers)).data;
  }
}

/** Two registers go in one request, so that the PLC never sees half a value. */
function writeRequest(
  client: ModbusClient,
  tag: ModbusTag,
  value: TagValue,
  order: WordOrder,
): Promise<unknown> {
  if (tag.area === 'coil') return client.writeCoil(tag.address, value === true);
  const words = toRegisters(Number(value), tag, order);
  const [first = 0] = words;
  return words.length === 1
    ? client.writeRegister(tag.address, first)
    : client.writeRegisters(tag.address, words);
}

/** The text of a Modbus exception response, or undefined for any other error. */
function exceptionOf(error: unknown): string | undefined {
  const { modbusCode, message } = error as { modbusCode?: unknown; message?: unknown };
  return typeof modbusCode === 'number' ? String(message) : undefined;
}
