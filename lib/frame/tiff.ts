/**
 * What the header of a TIFF says of its first picture, and where that picture's bytes end. Further
 * pages are not looked at: decoding takes the first as well. Never throws, whatever the bytes are.
 *
 * Source: Adobe, "TIFF Revision 6.0", 1992: section 2 (structure), 8 (baseline fields), 15 (tiles),
 * 19 (SampleFormat). Both byte orders. BigTIFF (files above 4 GB) is none of ours.
 */

export interface TiffHeader {
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** Of the first channel. */
  bitsPerSample: number;
  /** 1 unsigned, 2 signed, 3 floating point. */
  sampleFormat: number;
  /** One channel, transparency aside. */
  isGray: boolean;
  /** Offset behind the last byte that belongs to the picture; undefined when some of them are missing. */
  end: number | undefined;
}

const WIDTH = 256;
const HEIGHT = 257;
const BITS_PER_SAMPLE = 258;
const PHOTOMETRIC_INTERPRETATION = 262;
const STRIP_OFFSETS = 273;
const STRIP_BYTE_COUNTS = 279;
const TILE_OFFSETS = 324;
const TILE_BYTE_COUNTS = 325;
const SAMPLE_FORMAT = 339;

/** Bytes of one value by the number of its type, BYTE (1) to DOUBLE (12). */
const VALUE_BYTES: readonly number[] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];
const SHORT = 3;
const LONG = 4;

const ENTRY_BYTES = 12;
const INLINE_BYTES = 4;

/** Strips or tiles; a strip for each row, in planes, of the largest pictures stays below. */
const MAX_PIECES = 131_072;

/** One field of the directory: its values lie together at `offset`. */
interface Field {
  type: number;
  count: number;
  offset: number;
  /** Behind the values. */
  end: number;
}

interface Reader {
  length: number;
  uint16(offset: number): number;
  uint32(offset: number): number;
}

/** Reads in the byte order that the first four bytes tell, or undefined when they are no TIFF's. */
function readerOf(bytes: Buffer): Reader | undefined {
  if (!isTiff(bytes)) return undefined;
  const { length } = bytes;
  if (bytes[0] === 0x49) {
    return { length, uint16: (at) => bytes.readUInt16LE(at), uint32: (at) => bytes.readUInt32LE(at) };
  }
  return { length, uint16: (at) => bytes.readUInt16BE(at), uint32: (at) => bytes.readUInt32BE(at) };
}

/** By the first four bytes: `II` or `MM`, and 42 in the byte order they name. */
export function isTiff(bytes: Buffer): boolean {
  if (bytes.length < 4) return false;
  const start = bytes.toString('latin1', 0, 4);
  return start === 'II*\0' || start === 'MM\0*';
}

function readField(reader: Reader, entry: number): Field {
  const type = reader.uint16(entry + 2);
  const count = reader.uint32(entry + 4);
  const byteLength = count * (VALUE_BYTES[type] ?? 0);
  const offset = byteLength > INLINE_BYTES ? reader.uint32(entry + 8) : entry + 8;
  return { type, count, offset, end: Math.max(entry + ENTRY_BYTES, offset + byteLength) };
}

/** Value `index` of a SHORT or LONG field; undefined for other types and past its end. */
function valueAt(reader: Reader, field: Field | undefined, index: number): number | undefined {
  if (field === undefined || index >= field.count || field.end > reader.length) return undefined;
  if (field.type === SHORT) return reader.uint16(field.offset + 2 * index);
  if (field.type === LONG) return reader.uint32(field.offset + 4 * index);
  return undefined;
}

/** Behind the last strip or tile; undefined when the fields contradict each other or lie outside. */
function pixelEnd(
  reader: Reader,
  offsets: Field | undefined,
  byteCounts: Field | undefined,
): number | undefined {
  if (offsets === undefined || offsets.count === 0 || offsets.count !== byteCounts?.count) return undefined;
  if (offsets.count > MAX_PIECES) return undefined;
  let end = 0;
  for (let index = 0; index < offsets.count; index += 1) {
    const offset = valueAt(reader, offsets, index);
    const byteCount = valueAt(reader, byteCounts, index);
    if (offset === undefined || byteCount === undefined) return undefined;
    end = Math.max(end, offset + byteCount);
  }
  return end;
}

/**
 * Header of the first picture, or undefined when it is cut short or says no size. Needs the whole
 * file to be useful: most writers put the directory behind the pixels.
 */
export function readTiff(bytes: Buffer): TiffHeader | undefined {
  const reader = readerOf(bytes);
  if (reader === undefined || reader.length < 8) return undefined;
  const directory = reader.uint32(4);
  if (directory + 2 > reader.length) return undefined;
  const entries = reader.uint16(directory);
  const directoryEnd = directory + 2 + ENTRY_BYTES * entries + 4;
  if (directoryEnd > reader.length) return undefined;

  const fields = new Map<number, Field>();
  let end = directoryEnd;
  for (let index = 0; index < entries; index += 1) {
    const entry = directory + 2 + ENTRY_BYTES * index;
    const field = readField(reader, entry);
    fields.set(reader.uint16(entry), field);
    end = Math.max(end, field.end);
  }
  const first = (tag: number): number | undefined => valueAt(reader, fields.get(tag), 0);
  const [width, height] = [first(WIDTH), first(HEIGHT)];
  if (width === undefined || height === undefined) return undefined;

  const pixels =
    pixelEnd(reader, fields.get(STRIP_OFFSETS), fields.get(STRIP_BYTE_COUNTS)) ??
    pixelEnd(reader, fields.get(TILE_OFFSETS), fields.get(TILE_BYTE_COUNTS));
  end = Math.max(end, pixels ?? Infinity);
  return {
    width,
    height,
    bitsPerSample: first(BITS_PER_SAMPLE) ?? 1,
    sampleFormat: first(SAMPLE_FORMAT) ?? 1,
    // WhiteIsZero and BlackIsZero
    isGray: [0, 1].includes(first(PHOTOMETRIC_INTERPRETATION) ?? -1),
    end: end <= reader.length ? end : undefined,
  };
}
