/** The data types a tag can have, what fits into them, and when two values of a tag are the same. */

export const TAG_TYPES = [
  'Boolean',
  'SByte',
  'Byte',
  'Int16',
  'UInt16',
  'Int32',
  'UInt32',
  'Float',
  'Double',
  'String',
] as const;

export type TagType = (typeof TAG_TYPES)[number];
export type TagValue = boolean | number | string;

export interface Range {
  min: number;
  max: number;
}

const INTEGER_RANGES: Partial<Record<TagType, Range>> = {
  SByte: { min: -128, max: 127 },
  Byte: { min: 0, max: 255 },
  Int16: { min: -32_768, max: 32_767 },
  UInt16: { min: 0, max: 65_535 },
  Int32: { min: -2_147_483_648, max: 2_147_483_647 },
  UInt32: { min: 0, max: 4_294_967_295 },
};

/** Largest whole number up to which a numeric type holds every one. */
export function largestOf(type: TagType): number {
  return INTEGER_RANGES[type]?.max ?? (type === 'Float' ? 2 ** 24 : Number.MAX_SAFE_INTEGER);
}

/**
 * Why a value is not of a type, or undefined when it is. Nothing is converted: libraries turn
 * `undefined`, `null`, `"12"` and 3.7 into some number and write it (measured: node-opcua 2.186 wrote
 * 0, 0, 12 and NaN for `"abc"` with StatusCode Good; modbus-serial 8.0.25 wrote 0 for NaN, 3 for 3.7).
 */
export function typeObjection(value: unknown, type: TagType): string | undefined {
  if (type === 'Boolean')
    return typeof value === 'boolean' ? undefined : `${show(value)} is not true or false`;
  if (type === 'String') return typeof value === 'string' ? undefined : `${show(value)} is not text`;
  if (typeof value !== 'number') return `${show(value)} is not a number`;
  if (!Number.isFinite(value)) return `${show(value)} is not finite`;
  const range = INTEGER_RANGES[type];
  if (range !== undefined) {
    if (!Number.isInteger(value)) return `${value} is not a whole number`;
    if (value < range.min || value > range.max) return `${value} does not fit into ${type}`;
  }
  if (type === 'Float' && !Number.isFinite(Math.fround(value))) return `${value} does not fit into Float`;
  return undefined;
}

/** True when a tag that was given `requested` may report `readBack`: equal, or within `tolerance` for numbers. */
export function sameValue(
  requested: TagValue,
  readBack: TagValue,
  type: TagType,
  tolerance: number,
): boolean {
  if (typeof requested !== 'number' || typeof readBack !== 'number') return requested === readBack;
  // A 32-bit tag cannot hold 0.1; it holds the nearest it can.
  const held = type === 'Float' ? Math.fround(requested) : requested;
  return Math.abs(held - readBack) <= tolerance;
}

/** Any value as plain JSON and short text for a record: nothing a message carries may break the journal. */
export function plainValue(value: unknown): boolean | number | string | null {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  return typeof value === 'string' ? value.slice(0, 200) : show(value);
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'number' || typeof value === 'bigint' || value === null || value === undefined) {
    return String(value);
  }
  return typeof value === 'boolean' ? String(value) : `(${typeof value})`;
}
