/**
 * How results travel from the inference host: plain JSON in the header; in the payload the tensors
 * of all results as float32 little endian, then their pictures. The way back believes nothing: a
 * model that took the child over must not take the parent with it.
 */
import type { Alignment } from '../../frame/align.ts';
import { probeImage } from '../../frame/probe.ts';
import type { PackedResult } from './protocol.ts';
import { isCount, isPlainObject, violated } from './replies.ts';

/** A picture as it leaves the host. */
export interface EncodedPicture {
  width: number;
  height: number;
  format: 'png';
  bytes: Buffer;
}

/** What a head gives, its pictures encoded. */
export interface EncodedResult {
  /** Plain JSON. */
  prediction: Record<string, unknown>;
  tensors: Record<string, { dims: number[]; data: Float32Array }>;
  pictures: Record<string, EncodedPicture>;
  /** Where the part lay, of a recipe that aligns; the rest is in pixels of the picture as it came. */
  alignment?: Alignment;
}

/** Of a tensor; ONNX itself sets none, graphs in use have up to 6. */
const MAX_DIMENSIONS = 16;

/** Of the payload, what one result takes. */
export function payloadBytes({ tensors, pictures }: EncodedResult): number {
  const floats = Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, 0);
  return Object.values(pictures).reduce((sum, { bytes }) => sum + bytes.length, floats);
}

export function packResults(results: readonly EncodedResult[]): { list: PackedResult[]; payload: Buffer } {
  const tensors: Buffer[] = [];
  const pictures: Buffer[] = [];
  const list = results.map((result) => ({
    prediction: result.prediction,
    tensors: Object.entries(result.tensors).map(([name, { dims, data }]) => {
      tensors.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      return { name, dims, length: data.length };
    }),
    pictures: Object.entries(result.pictures).map(([name, { width, height, bytes }]) => {
      pictures.push(bytes);
      return { name, width, height, length: bytes.length };
    }),
    ...(result.alignment === undefined ? {} : { alignment: result.alignment }),
  }));
  return { list, payload: Buffer.concat([...tensors, ...pictures]) };
}

function isAlignment(value: unknown): value is Alignment {
  if (!isPlainObject(value)) return false;
  const { x, y, angle, scale, quality, lost } = value;
  return typeof lost === 'boolean' && [x, y, angle, scale, quality].every(Number.isFinite);
}

function checkShape(results: unknown): asserts results is PackedResult[] {
  const isList = (list: unknown): list is Record<string, unknown>[] =>
    Array.isArray(list) && list.every(isPlainObject);
  const isNamed = ({ name, length }: Record<string, unknown>): boolean =>
    typeof name === 'string' && isCount(length);
  const isTensor = (tensor: Record<string, unknown>): boolean => {
    const { dims } = tensor;
    if (!isNamed(tensor) || !Array.isArray(dims) || dims.length > MAX_DIMENSIONS || !dims.every(isCount))
      return false;
    return dims.reduce((product, dimension) => product * dimension, 1) === tensor['length'];
  };
  const isPicture = (picture: Record<string, unknown>): boolean =>
    isNamed(picture) && isCount(picture['width']) && isCount(picture['height']);
  const isResult = ({ prediction, tensors, pictures, alignment }: Record<string, unknown>): boolean =>
    isPlainObject(prediction) &&
    isList(tensors) &&
    tensors.every(isTensor) &&
    isList(pictures) &&
    pictures.every(isPicture) &&
    (alignment === undefined || isAlignment(alignment));
  if (!isList(results) || !results.every(isResult)) throw violated('results of another shape');
}

function checkPicture(bytes: Buffer, { width, height }: { width: number; height: number }): void {
  const header = probeImage(bytes);
  if (header?.format === 'png' && header.width === width && header.height === height) return;
  throw violated(`a picture that is no PNG of ${width} × ${height}`);
}

/** Takes `count` results apart; copies, because the results outlive the message. */
export function unpackResults(list: unknown, payload: Buffer, count: number): EncodedResult[] {
  checkShape(list);
  if (list.length !== count) throw violated(`${list.length} results instead of ${count}`);
  let offset = 0;
  const take = (length: number): Uint8Array<ArrayBuffer> => {
    if (length > payload.length - offset) throw violated('a payload that is cut short');
    // a Float32Array wants its own alignment
    const bytes = new Uint8Array(payload.subarray(offset, offset + length));
    offset += length;
    return bytes;
  };
  const results = list.map(({ prediction, tensors, alignment }): EncodedResult => {
    const entries = tensors.map(({ name, dims, length }) => {
      const data = new Float32Array(take(length * Float32Array.BYTES_PER_ELEMENT).buffer);
      return [name, { dims, data }] as const;
    });
    return {
      prediction,
      tensors: Object.fromEntries(entries),
      pictures: {},
      ...(alignment === undefined ? {} : { alignment }),
    };
  });
  list.forEach(({ pictures }, index) => {
    const entries = pictures.map(({ name, width, height, length }) => {
      const bytes = Buffer.from(take(length).buffer);
      checkPicture(bytes, { width, height });
      return [name, { width, height, format: 'png', bytes }] as const;
    });
    (results[index] as EncodedResult).pictures = Object.fromEntries(entries);
  });
  if (offset !== payload.length) throw violated(`${payload.length - offset} bytes that belong to nothing`);
  return results;
}
