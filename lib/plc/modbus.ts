/**
 * Modbus through modbus-serial, as Modbus TCP or as RTU frames through a serial gateway. The library does
 * not reconnect, and a request in flight when the socket closes only times out (both measured on
 * 8.0.25), so the link is ours. RTU frames carry no number: only one at a time keeps answers apart.
 */
import type { Socket } from 'node:net';
import type modbusSerial from 'modbus-serial';
import type { Backoff } from '../backoff.ts';
import { asCodedError } from '../errors.ts';
import { ModbusBrowser } from './browse-modbus.ts';
import type { TagBrowser } from './browse.ts';
import {
  fromRegisters,
  parseModbusTag,
  runsOf,
  toRegisters,
  type ModbusTag,
  type WordOrder,
} from './modbus-tag.ts';
import { PlcError } from './plc-error.ts';
import type { TagType, TagValue } from './tag-type.ts';
import { TcpLink } from './tcp-link.ts';
import {
  countdown,
  type LinkState,
  type Reading,
  type TagDescription,
  type TagWrite,
  type Transport,
  type WriteAnswer,
  type WriteGuard,
} from './transport.ts';

type ModbusClient = InstanceType<typeof modbusSerial.default>;

/** `tcp`: Modbus TCP. `rtu`: frames of the serial line with their checksum, sent through TCP by a serial gateway. */
type ModbusFraming = 'tcp' | 'rtu';

export interface ModbusOptions {
  host: string;
  port: number;
  unit: number;
  framing?: ModbusFraming;
  wordOrder?: WordOrder;
  backoff?: Backoff;
}

/** Registers of one request (Modbus Application Protocol V1.1b3, 6.3 and 6.12). */
const MAX_READ = 125;
const MAX_WRITTEN = 123;

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

async function clientOn(
  socket: Socket,
  { port, unit, framing = 'tcp' }: ModbusOptions,
): Promise<ModbusClient> {
  const client = await newClient();
  client.on('error', ignore);
  // What the library calls Telnet is plain RTU through TCP; its linkTcpRTUBuffered sends the header of Modbus TCP (8.0.25).
  if (framing === 'rtu') await client.linkTelnet(socket, {});
  else await client.linkTCP(socket, { port });
  client.setID(unit);
  return client;
}

export class ModbusTransport implements Transport {
  readonly #wordOrder: WordOrder;
  readonly #link: TcpLink<ModbusClient>;

  constructor(options: ModbusOptions) {
    const { host, port, backoff, wordOrder = 'big' } = options;
    this.#wordOrder = wordOrder;
    this.#link = new TcpLink({
      host,
      port,
      backoff,
      greet: (socket) => clientOn(socket, options),
      isAnswer: (error) => exceptionOf(error) !== undefined,
    });
  }

  open(): void {
    this.#link.open();
  }

  close(): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }

  linkUp(): boolean {
    return this.#link.isUp();
  }

  link(): LinkState {
    return this.#link.notice.link;
  }

  onLink(listener: (link: LinkState) => void): () => void {
    return this.#link.notice.add(listener);
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
    const [reading] = await this.#readRun([parseModbusTag(tag)], `read ${tag}`, timeoutMs);
    if (reading === undefined) throw new PlcError('PLC_READ_FAILED', `read ${tag}: no value`);
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

  /** Neighbours are read in one request. */
  async readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]> {
    const readings: Reading[] = [];
    const leftMs = countdown(timeoutMs);
    for (const run of runsOf(tags.map(parseModbusTag), MAX_READ))
      readings.push(...(await this.#readRun(run, `read ${tags.join(', ')}`, leftMs())));
    return readings;
  }

  /** Neighbouring registers are written in one request, which a PLC takes as a whole; all others in turn. */
  async writeAll(writes: readonly TagWrite[], timeoutMs: number, guard?: WriteGuard): Promise<WriteAnswer> {
    const parsed = writes.map(({ tag, ...rest }) => ({
      ...rest,
      ...parseModbusTag(tag),
      asked: rest.dataType,
    }));
    const leftMs = countdown(timeoutMs);
    for (const run of runsOf(parsed, MAX_WRITTEN)) {
      const answer = await this.#writeRun(run, leftMs(), guard);
      if (answer.result !== 'good') return answer;
    }
    return { result: 'good', status: 'Good' };
  }

  browser(): TagBrowser {
    const request = (run: readonly ModbusTag[], timeoutMs: number): Promise<Reading[]> =>
      this.#readRun(run, 'read a range', timeoutMs);
    return new ModbusBrowser(request, this.#wordOrder);
  }

  async #readRun(run: readonly ModbusTag[], what: string, timeoutMs: number): Promise<Reading[]> {
    try {
      const data = await this.#link.request(what, timeoutMs, (client) => readRequest(client, run));
      const from = run[0]?.address ?? 0;
      return run.map((tag) => {
        const at = tag.address - from;
        const value =
          tag.registers === 0
            ? data[at] === true
            : fromRegisters((data as number[]).slice(at, at + tag.registers), tag, this.#wordOrder);
        return { value, good: true, status: 'Good', sourceAt: null };
      });
    } catch (error) {
      const exception = exceptionOf(error);
      if (exception === undefined) throw error;
      throw new PlcError('PLC_READ_FAILED', `${what}: ${exception}`, { cause: error });
    }
  }

  async #writeRun(
    run: readonly (ModbusTag & { value: TagValue; asked: TagType })[],
    timeoutMs: number,
    guard: WriteGuard | undefined,
  ): Promise<WriteAnswer> {
    const [first] = run;
    for (const { writable, dataType, asked } of run) {
      if (!writable) return { result: 'refused', status: 'read-only area' };
      if (dataType !== asked) return { result: 'refused', status: `not a ${asked}` };
    }
    if (first === undefined) return { result: 'good', status: 'Good' };
    const { area, address, value } = first;
    try {
      const send = (client: ModbusClient): Promise<unknown> => {
        if (area === 'coil') return client.writeCoil(address, value === true);
        const words = run.flatMap((tag) => toRegisters(Number(tag.value), tag, this.#wordOrder));
        return words.length === 1
          ? client.writeRegister(address, words[0] ?? 0)
          : client.writeRegisters(address, words);
      };
      await this.#link.request(`write ${area}:${address}`, timeoutMs, send, guard);
      return { result: 'good', status: 'Good' };
    } catch (error) {
      const exception = exceptionOf(error);
      if (exception === undefined) throw error;
      // 1 to 3 (function, address, value) are answered before anything is done; the rest may come after.
      const { modbusCode } = error as { modbusCode: number };
      return { result: modbusCode <= 3 ? 'refused' : 'doubtful', status: exception };
    }
  }
}

async function readRequest(client: ModbusClient, run: readonly ModbusTag[]): Promise<unknown[]> {
  const [first] = run;
  const last = run.at(-1);
  if (first === undefined || last === undefined) return [];
  const length = last.address + Math.max(1, last.registers) - first.address;
  switch (first.area) {
    case 'coil':
      return (await client.readCoils(first.address, length)).data;
    case 'discrete':
      return (await client.readDiscreteInputs(first.address, length)).data;
    case 'holding':
      return (await client.readHoldingRegisters(first.address, length)).data;
    case 'input':
      return (await client.readInputRegisters(first.address, length)).data;
  }
}

/** The text of a Modbus exception response, or undefined for any other error. */
function exceptionOf(error: unknown): string | undefined {
  const { modbusCode, message } = error as { modbusCode?: unknown; message?: unknown };
  return typeof modbusCode === 'number' ? String(message) : undefined;
}
