/**
 * How a Modbus tag is written (`coil:12`, `holding:40`, `holding:40:float32`) and how its value lies
 * in registers. Addresses count from 0, as on the wire.
 */
import { PlcError } from './plc-error.ts';
import type { TagType, TagValue } from './tag-type.ts';

/** Order of the two registers of a 32-bit value: `big` = ABCD, `little` = CDAB. */
export type WordOrder = 'big' | 'little';

const AREAS = ['coil', 'discrete', 'holding', 'input'] as const;
type Area = (typeof AREAS)[number];

const FORMATS = {
  int16: { dataType: 'Int16', registers: 1 },
  uint16: { dataType: 'UInt16', registers: 1 },
  int32: { dataType: 'Int32', registers: 2 },
  uint32: { dataType: 'UInt32', registers: 2 },
  float32: { dataType: 'Float', registers: 2 },
} as const satisfies Record<string, { dataType: TagType; registers: 1 | 2 }>;
type Format = keyof typeof FORMATS;

export interface ModbusTag {
  area: Area;
  address: number;
  dataType: TagType;
  registers: 0 | 1 | 2;
  writable: boolean;
}

/** Throws `PLC_TAG_INVALID`. */
export function parseModbusTag(tag: string): ModbusTag {
  const [areaText = '', addressText = '', formatText, ...rest] = tag.trim().toLowerCase().split(':');
  const area = AREAS.find((known) => known === areaText);
  const address = /^\d+$/.test(addressText) ? Number(addressText) : NaN;
  const bits = area === 'coil' || area === 'discrete';
  const format = formatOf(formatText ?? 'uint16');
  if (
    area === undefined ||
    !(address <= 65_535) ||
    rest.length > 0 ||
    format === undefined ||
    (bits && formatText)
  ) {
    throw new PlcError('PLC_TAG_INVALID', `${tag} is not a Modbus tag`, {
      hint: 'Write coil:12, holding:40, holding:40:float32, discrete:3 or input:7; addresses count from 0.',
    });
  }
  const writable = area === 'coil' || area === 'holding';
  if (bits) return { area, address, dataType: 'Boolean', registers: 0, writable };
  return { area, address, ...FORMATS[format], writable };
}

function formatOf(text: string): Format | undefined {
  return (Object.keys(FORMATS) as Format[]).find((known) => known === text);
}

/**
 * Cuts a list of tags into runs of registers that follow each other without a gap, so that each run is
 * one request of at most `most` registers. Bits stay by themselves: each is a request of its own.
 */
export function runsOf<Tag extends ModbusTag>(tags: readonly Tag[], most: number): Tag[][] {
  const runs: Tag[][] = [];
  for (const tag of tags) {
    const run = runs.at(-1);
    const [first, last] = [run?.[0], run?.at(-1)];
    const follows =
      first !== undefined &&
      last !== undefined &&
      tag.registers > 0 &&
      last.area === tag.area &&
      last.address + last.registers === tag.address &&
      tag.address + tag.registers - first.address <= most;
    if (follows) run?.push(tag);
    else runs.push([tag]);
  }
  return runs;
}

/** The registers that hold a value, which must fit its type. */
export function toRegisters(value: number, { dataType, registers }: ModbusTag, order: WordOrder): number[] {
  const bytes = Buffer.alloc(4);
  if (registers === 1) return [value < 0 ? value + 65_536 : value];
  if (dataType === 'Float') bytes.writeFloatBE(value);
  else if (dataType === 'Int32') bytes.writeInt32BE(value);
  else bytes.writeUInt32BE(value);
  const words = [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
  return order === 'big' ? words : words.reverse();
}

/** The value in registers as they were read. */
export function fromRegisters(
  words: readonly number[],
  { dataType, registers }: ModbusTag,
  order: WordOrder,
): TagValue {
  const [first = 0, second = 0] = order === 'big' || registers === 1 ? words : [...words].reverse();
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(first, 0);
  bytes.writeUInt16BE(second, 2);
  switch (dataType) {
    case 'Int16':
      return bytes.readInt16BE(0);
    case 'Int32':
      return bytes.readInt32BE(0);
    case 'UInt32':
      return bytes.readUInt32BE(0);
    case 'Float':
      return bytes.readFloatBE(0);
    default:
      return bytes.readUInt16BE(0);
  }
}
