/**
 * Weights that lie beside the graph, as exporters write them for large models ("external data" of
 * TensorProto, onnx.proto): brought into it where the bundle lists their file, so that ONNX Runtime never
 * opens one. A graph that asks for anything else keeps what it asks for, and the scan refuses it.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { encodeDocument, readDocument, type OnnxDocument } from '../../onnx/document.ts';
import { OnnxError } from '../../onnx/errors.ts';
import { isDelimited, isVarint, joined, Messages, type Encoded } from '../../onnx/message.ts';
import type { Tensor } from '../../onnx/tensor.ts';
import type { InferenceError } from '../errors.ts';
import { quoted, refusal } from '../model/fields.ts';
import { GRAPH_LIMITS, readModelGraph } from '../model/graph.ts';
import { SLICE_BYTES, tooLarge } from '../model/read-file.ts';

/** Fields of TensorProto. */
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;

/** Where a tensor says its numbers are. */
interface Reference {
  tensor: Tensor;
  /** `location`, `offset`, `length` and others, as they stand in the file. */
  entries: ReadonlyMap<string, string>;
  /** The tensor's fields without the reference. */
  rest: Encoded;
}

function refused(tensor: Tensor, why: string): InferenceError {
  return refusal(
    'MODEL_EXTERNAL_DATA',
    `the weights ${quoted(tensor.name)} ${why}`,
    'Save the model as one file: onnx.save_model(model, path, save_as_external_data=False).',
  );
}

function referenceOf(tensor: Tensor): Reference | undefined {
  const messages = new Messages(joined(tensor.rest));
  const entries = new Map<string, string>();
  const external = { isUsed: false };
  const rest = messages.fields(messages.whole(), (at) => {
    if (isVarint(at, DATA_LOCATION)) external.isUsed ||= at.value !== 0;
    else if (isDelimited(at, EXTERNAL_DATA)) {
      const entry = ['', ''];
      messages.fields(messages.message(at), (part) => {
        if (isDelimited(part, 1) || isDelimited(part, 2)) entry[part.field - 1] = messages.text(part);
        return true;
      });
      const [key = '', text = ''] = entry;
      if (entries.has(key)) throw refused(tensor, `name their ${quoted(key)} twice`);
      entries.set(key, text);
      external.isUsed = true;
    } else return false;
    return true;
  });
  return external.isUsed ? { tensor, entries, rest } : undefined;
}

/** A count of bytes, as text. */
function count({ tensor, entries }: Reference, key: string, fallback: number): number {
  const text = entries.get(key);
  if (text === undefined) return fallback;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw refused(tensor, `have the ${key} ${quoted(text)}`);
}

/** Bytes of a file of weights. */
interface Place {
  tensor: Tensor;
  start: number;
  end: number;
}

/** Each byte of a file is of one tensor at most: else a small file makes a large model. */
function checkOverlaps(places: readonly Place[]): void {
  let before = 0;
  for (const { tensor, start, end } of places.toSorted((one, other) => one.start - other.start)) {
    if (start < before) throw refused(tensor, 'share bytes of their file with others');
    before = end;
  }
}

/** One buffer of many pieces; the event loop turns after each megabyte. */
async function gathered(pieces: Encoded, limitBytes: number): Promise<Buffer> {
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  if (size > limitBytes) throw tooLarge(size, limitBytes);
  const bytes = Buffer.allocUnsafeSlow(size);
  let [length, turnAt] = [0, SLICE_BYTES];
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += SLICE_BYTES) {
      const slice = piece.subarray(from, from + SLICE_BYTES);
      bytes.set(slice, length);
      length += slice.length;
      if (length < turnAt) continue;
      turnAt = length + SLICE_BYTES;
      await turn();
    }
  }
  return bytes;
}

export interface WeightFiles {
  /** Of the whole model. */
  limitBytes: number;
  /** Whether the bundle lists such a file. */
  has(name: string): boolean;
  /** Its bytes, checked against its digest. */
  read(name: string): Promise<Buffer>;
}

function documentOf(model: Buffer): OnnxDocument | undefined {
  try {
    return readDocument(model);
  } catch (error) {
    // the scan knows better what is wrong with it
    if (error instanceof OnnxError) return undefined;
    throw error;
  }
}

/**
 * The model with all its weights inside; the same bytes where they are already. The scan's look at the
 * structure comes first, as it bounds the parts that are then taken for a document.
 *
 * @throws InferenceError `MODEL_EXTERNAL_DATA`, `MODEL_TOO_LARGE`, and what `readModelGraph` and `read` throw
 */
export async function inlineExternalData(model: Buffer, files: WeightFiles): Promise<Buffer> {
  if (!readModelGraph(model, GRAPH_LIMITS, 'kept').hasExternalData) return model;
  const document = documentOf(model);
  const { initializers = [] } = document?.graph ?? {};
  const references = initializers.map(referenceOf);
  if (document === undefined || references.every((reference) => reference === undefined)) return model;

  const read = new Map<string, { bytes: Buffer; places: Place[] }>();
  for (const [index, reference] of references.entries()) {
    if (reference === undefined) continue;
    const { tensor, entries, rest } = reference;
    const location = entries.get('location') ?? '';
    if (!files.has(location)) {
      throw refused(tensor, `lie in ${quoted(location)}, which is no file that the bundle lists`);
    }
    if (tensor.raw !== undefined) throw refused(tensor, 'lie in the model and beside it');
    const file = read.get(location) ?? { bytes: await files.read(location), places: [] };
    read.set(location, file);
    const start = count(reference, 'offset', 0);
    const end = start + count(reference, 'length', Math.max(file.bytes.length - start, 0));
    if (end > file.bytes.length) {
      throw refused(tensor, `end at byte ${end} of ${quoted(location)}, which has ${file.bytes.length}`);
    }
    file.places.push({ tensor, start, end });
    document.graph.initializers[index] = { ...tensor, raw: file.bytes.subarray(start, end), rest };
  }
  for (const { places } of read.values()) checkOverlaps(places);
  return await gathered(encodeDocument(document), files.limitBytes);
}
