/**
 * How a tag of an S7 PLC is written, as engineers do: `DB1,REAL4`, `DB1,X0.1`, `DB1.DBX0.1`, `M0.1`,
 * `MW12`, `QB4`, also with E and A for I and Q; and how its value lies in bytes (big-endian).
 */
import { PlcError } from './plc-error.ts';
import type { TagType, TagValue } from './tag-type.ts';

/** Bytes of the value, and the type it has for us. The last column is a short form after an area or a `DB`. */
const FORMATS = {
  X: { dataType: 'Boolean', bytes: 1 },
  BYTE: { dataType: 'Byte', bytes: 1 },
  USINT: { dataType: 'Byte', bytes: 1 },
  SINT: { dataType: 'SByte', bytes: 1 },
  WORD: { dataType: 'UInt16', bytes: 2 },
  UINT: { dataType: 'UInt16', bytes: 2 },
  INT: { dataType: 'Int16', bytes: 2 },
  DWORD: { dataType: 'UInt32', bytes: 4 },
  UDINT: { dataType: 'UInt32', bytes: 4 },
  DINT: { dataType: 'Int32', bytes: 4 },
  REAL: { dataType: 'Float', bytes: 4 },
  LREAL: { dataType: 'Double', bytes: 8 },
} as const satisfies Record<string, { dataType: TagType; bytes: number }>;
type Format = keyof typeof FORMATS;

const SHORT_FORMATS: Record<string, Format> = {
  '': 'X',
  B: 'BYTE',
  W: 'WORD',
  D: 'DWORD',
  I: 'INT',
  DI: 'DINT',
  R: 'REAL',
};

/** Area codes of the protocol. E and A are German for I and Q. */
const AREAS: Record<string, { code: number; writable: boolean }> = {
  I: { code: 0x81, writable: false },
  E: { code: 0x81, writable: false },
  Q: { code: 0x82, writable: true },
  A: { code: 0x82, writable: true },
  M: { code: 0x83, writable: true },
};
const DATA_BLOCK = 0x84;

export interface S7Tag {
  area: number;
  /** Number of the data block, 0 for every other area. */
  block: number;
  offset: number;
  /** 0 for everything but a bit. */
  bit: number;
  dataType: TagType;
  bytes: number;
  writable: boolean;
}

/** `DB1,REAL4`, `DB1.DBD4`, `DB1,X0.1`. */
const IN_BLOCK = /^DB(\d{1,5})[,.](?:DB)?([A-Z]*?)(\d{1,5})(?:\.([0-7]))?$/;
/** `MW12`, `M0.1`, `QB4`, `M,REAL4`. */
const IN_AREA = /^([IEQAM]),?([A-Z]*?)(\d{1,5})(?:\.([0-7]))?$/;

/** Throws `PLC_TAG_INVALID`. */
export function parseS7Tag(tag: string): S7Tag {
  const text = tag.replace(/\s/g, '').toUpperCase();
  const block = IN_BLOCK.exec(text);
  const parts = block ?? IN_AREA.exec(text);
  const [, place = '', formatText = '', offset = '', bit] = parts ?? [];
  const format = formatOf(formatText);
  const area = block ? { code: DATA_BLOCK, writable: true } : AREAS[place];
  const isBit = format === 'X';
  if (
    area === undefined ||
    format === undefined ||
    isBit !== (bit !== undefined) ||
    (block !== null && !(Number(place) >= 1 && Number(place) <= 65_535)) ||
    Number(offset) > 65_535
  ) {
    throw new PlcError('PLC_TAG_INVALID', `${tag} is not an S7 tag`, {
      hint: 'Write DB1,REAL4 or DB1,X0.1 or DB1,INT2 or M0.1 or MW12; a bit needs its number from 0 to 7.',
    });
  }
  return {
    area: area.code,
    block: block ? Number(place) : 0,
    offset: Number(offset),
    bit: Number(bit ?? 0),
    ...FORMATS[format],
    writable: area.writable,
  };
}

function formatOf(text: string): Format | undefined {
  return SHORT_FORMATS[text] ?? (Object.keys(FORMATS) as Format[]).find((known) => known === text);
}

/** The bytes of a value, which must fit its type. A bit is one byte, 0 or 1. */
export function toS7Bytes(value: TagValue, { dataType, bytes }: S7Tag): Buffer {
  const buffer = Buffer.alloc(bytes);
  const number = Number(value);
  if (dataType === 'Float') buffer.writeFloatBE(number);
  else if (dataType === 'Double') buffer.writeDoubleBE(number);
  else if (dataType === 'SByte' || dataType === 'Int16' || dataType === 'Int32')
    buffer.writeIntBE(number, 0, bytes);
  else buffer.writeUIntBE(number, 0, bytes);
  return buffer;
}

/** The value in as many bytes as the tag has; of a bit, the byte in which it lies. */
export function fromS7Bytes(buffer: Buffer, { dataType, bytes, bit }: S7Tag): TagValue {
  switch (dataType) {
    case 'Boolean':
      return (buffer.readUInt8() & (1 << bit)) !== 0;
    case 'Float':
      return buffer.readFloatBE();
    case 'Double':
      return buffer.readDoubleBE();
    case 'SByte':
    case 'Int16':
    case 'Int32':
      return buffer.readIntBE(0, bytes);
    default:
      return buffer.readUIntBE(0, bytes);
  }
}
