/**
 * Modbus tells nothing about what there is, so a person names a range and sees what lies in it, as every type it
 * could be. A range is written `holding:40+20`: the area, the first address, how many. One request reads it.
 */
import type { BrowseEntry, BrowsePage, PageRequest, Step, TagBrowser } from './browse.ts';
import { fromRegisters, parseModbusTag, toRegisters, type ModbusTag, type WordOrder } from './modbus-tag.ts';
import { PlcError } from './plc-error.ts';
import type { Reading } from './transport.ts';

const REQUEST_TIMEOUT_MS = 3000;
/** Registers of one request (Modbus Application Protocol V1.1b3, 6.3), less one for a last 32-bit value. */
const MAX_RANGE = 124;
const ADDRESSES = 65_536;
const RANGE = /^(coil|discrete|holding|input):(\d{1,5})\+(\d{1,3})$/;
const FORMATS = ['uint16', 'int16', 'uint32', 'int32', 'float32'] as const;

interface ModbusRange {
  area: string;
  start: number;
  count: number;
}

export class ModbusBrowser implements TagBrowser {
  readonly #read: (run: readonly ModbusTag[], timeoutMs: number) => Promise<Reading[]>;
  readonly #wordOrder: WordOrder;

  /** @param read what lies side by side, in one request */
  constructor(
    read: (run: readonly ModbusTag[], timeoutMs: number) => Promise<Reading[]>,
    wordOrder: WordOrder,
  ) {
    this.#read = read;
    this.#wordOrder = wordOrder;
  }

  /** Of a range its addresses, of an address what it could be. Throws `PLC_TAG_INVALID` for anything else. */
  async children(node: string | undefined, { from, limit, signal }: PageRequest): Promise<BrowsePage> {
    if (node === undefined) return { entries: [], total: 0, isCut: false };
    signal.throwIfAborted();
    const isRange = RANGE.test(node);
    const entries = isRange ? await this.#addresses(rangeOf(node)) : await this.#meanings(node);
    return { entries: entries.slice(from, from + limit), total: entries.length, isCut: false };
  }

  steps(nodes: readonly (string | undefined)[]): Promise<Step[][]> {
    return Promise.resolve(nodes.map(() => []));
  }

  entries(tags: readonly string[], signal: AbortSignal): Promise<BrowseEntry[]> {
    return Promise.all(
      tags.map(async (tag) => {
        signal.throwIfAborted();
        const [reading] = await this.#read([parseModbusTag(tag)], REQUEST_TIMEOUT_MS);
        return entryOf(tag, tag, reading, false);
      }),
    );
  }

  async #addresses({ area, start, count }: ModbusRange): Promise<BrowseEntry[]> {
    const tags = Array.from({ length: count }, (_, index) => `${area}:${start + index}`);
    const readings = await this.#read(tags.map(parseModbusTag), REQUEST_TIMEOUT_MS);
    return tags.map((tag, index) => entryOf(tag, tag, readings[index], !isBit(area)));
  }

  /** The 32-bit types need the register after it, which the PLC may not have. */
  async #meanings(tag: string): Promise<BrowseEntry[]> {
    const { area, address } = parseModbusTag(tag);
    if (isBit(area)) return [];
    const pair = [parseModbusTag(`${area}:${address}`), parseModbusTag(`${area}:${address + 1}`)];
    const [first, second] = await this.#read(
      address + 1 < ADDRESSES ? pair : pair.slice(0, 1),
      REQUEST_TIMEOUT_MS,
    ).catch(async () => this.#read(pair.slice(0, 1), REQUEST_TIMEOUT_MS));
    const words = [first, second].flatMap((reading) =>
      reading === undefined ? [] : toRegisters(Number(reading.value), { registers: 1 } as ModbusTag, 'big'),
    );
    return FORMATS.flatMap((format) => {
      const text = `${area}:${address}:${format}`;
      const parsed = parseModbusTag(text);
      if (words.length < parsed.registers || first === undefined) return [];
      const value = fromRegisters(words.slice(0, parsed.registers), parsed, this.#wordOrder);
      return [entryOf(text, format, { ...first, value }, false)];
    });
  }
}

/** Throws `PLC_TAG_INVALID`. */
function rangeOf(text: string): ModbusRange {
  const [, area = '', first, many] = RANGE.exec(text) ?? [];
  const [start, count] = [Number(first), Number(many)];
  if (area !== '' && count >= 1 && count <= MAX_RANGE && start + count <= ADDRESSES)
    return { area, start, count };
  throw new PlcError('PLC_TAG_INVALID', `${text} is not a range of Modbus`, {
    hint: `Give a first address from 0 to 65535 and at most ${MAX_RANGE} addresses.`,
  });
}

function isBit(area: string): boolean {
  return area === 'coil' || area === 'discrete';
}

function entryOf(tag: string, name: string, reading: Reading | undefined, hasChildren: boolean): BrowseEntry {
  const { dataType, writable } = parseModbusTag(tag);
  return {
    id: tag,
    name,
    kind: 'variable',
    hasChildren,
    dataType,
    tagType: dataType,
    access: { read: true, write: writable },
    ...(reading === undefined ? {} : { reading }),
  };
}
