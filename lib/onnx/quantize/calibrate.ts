/**
 * Which numbers the tensors of a graph take on real pictures. The float graph is run with those tensors
 * as outputs, fetched in groups, so that memory is bounded by a group and not by the graph.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { inputsOf, writeDocument, type OnnxDocument } from '../document.ts';
import { OnnxError } from '../errors.ts';
import { tensorTypeOf, makeValue } from '../value.ts';
import { TYPE } from '../tensor.ts';

export interface Range {
  low: number;
  high: number;
}

/** Loads one picture: uint8 pixels, as the graph's input wants them. */
export type LoadPicture = () => Promise<Uint8Array>;

export interface CalibrationOptions {
  /** Share of the numbers, in percent, that the range has to hold; all of them when absent. */
  percentile?: number;
  /** Called after each picture of each pass. */
  onProgress?: (done: number, total: number) => void;
}

/** Of the tensors fetched at once. */
const GROUP_BYTES = 128 * 1024 ** 2;
/** Fetched at once while their sizes are not known. */
const FIRST_GROUP = 8;
/** 2048, as ONNX Runtime's own calibration has, tells shares of 0.05 % of the range apart. */
const BINS = 2048;

function failed(message: string, hint: string): OnnxError {
  return new OnnxError('CALIBRATION_FAILED', message, { hint });
}

class Calibration {
  readonly #names: readonly string[];
  readonly #feed: { name: string; dims: readonly number[] };
  readonly #bytes = new Map<string, number>();
  readonly ranges: Map<string, Range>;

  constructor(names: readonly string[], feed: { name: string; dims: readonly number[] }) {
    this.#names = names;
    this.#feed = feed;
    this.ranges = new Map(names.map((name) => [name, { low: Infinity, high: -Infinity }]));
  }

  #groups(): string[][] {
    const groups: string[][] = [];
    let room = 0;
    for (const name of this.#names) {
      const bytes = this.#bytes.get(name) ?? GROUP_BYTES / FIRST_GROUP;
      if (groups.length === 0 || bytes > room) {
        groups.push([]);
        room = GROUP_BYTES;
      }
      groups.at(-1)?.push(name);
      room -= bytes;
    }
    return groups;
  }

  /** Shows all tensors of one picture to `look`. */
  async pass(
    session: InferenceSession,
    pixels: Uint8Array,
    look: (name: string, values: Float32Array) => void,
  ): Promise<void> {
    const { Tensor } = await import('onnxruntime-node');
    const { name, dims } = this.#feed;
    const elements = dims.reduce((product, side) => product * side, 1);
    if (pixels.length !== elements) {
      throw failed(
        `a picture has ${pixels.length} bytes, the graph wants ${elements}`,
        'Resize the pictures first.',
      );
    }
    for (const group of this.#groups()) {
      const results = await session.run({ [name]: new Tensor('uint8', pixels, dims) }, group);
      for (const fetched of group) {
        const values = results[fetched]?.data as Float32Array;
        this.#bytes.set(fetched, values.byteLength);
        look(fetched, values);
      }
    }
  }

  widen(name: string, values: Float32Array): void {
    const range = this.ranges.get(name) as Range;
    let { low, high } = range;
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i] as number;
      if (value < low) low = value;
      if (value > high) high = value;
      if (value !== value) high = NaN;
    }
    if (!Number.isFinite(low) || !Number.isFinite(high)) {
      throw failed(
        `the tensor '${name}' has numbers that are not finite`,
        'Check the model on these pictures first.',
      );
    }
    this.ranges.set(name, { low, high });
  }
}

/** The middle `percentile` % of what was counted between `low` and `high`. */
function middle(counts: Float64Array, { low, high }: Range, percentile: number): Range {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const cut = (total * (100 - percentile)) / 200;
  const step = (high - low) / BINS;
  const bins = (from: number, direction: number): number => {
    let [bin, sum] = [from, counts[from] as number];
    while (sum <= cut) {
      bin += direction;
      sum += counts[bin] as number;
    }
    return bin;
  };
  return { low: low + bins(0, 1) * step, high: low + (bins(BINS - 1, -1) + 1) * step };
}

/**
 * The range of each of `names`, float32 tensors of `document`, over all pictures. With a percentile the
 * pictures are gone through twice: for the ends, then for what lies between.
 *
 * @throws OnnxError `CALIBRATION_FAILED`, `QUANTIZE_INPUT_UNSUPPORTED`
 */
export async function calibrate(
  document: OnnxDocument,
  names: readonly string[],
  pictures: readonly LoadPicture[],
  { percentile, onProgress }: CalibrationOptions = {},
): Promise<ReadonlyMap<string, Range>> {
  if (pictures.length === 0)
    throw failed('there is no picture', 'Give a folder with pictures of good and bad parts.');
  const calibration = new Calibration(names, pictureInputOf(document));
  const { InferenceSession } = await import('onnxruntime-node');
  const outputs = names.map((name) => makeValue(name, TYPE.float, undefined));
  const observed = writeDocument({ ...document, graph: { ...document.graph, outputs } });
  const session = await InferenceSession.create(observed, { logSeverityLevel: 3 });
  const passes = percentile === undefined ? 1 : 2;
  try {
    let done = 0;
    const goThrough = async (look: (name: string, values: Float32Array) => void): Promise<void> => {
      for (const load of pictures) {
        await calibration.pass(session, await load(), look);
        done += 1;
        onProgress?.(done, pictures.length * passes);
      }
    };
    await goThrough((name, values) => calibration.widen(name, values));
    const { ranges } = calibration;
    if (percentile === undefined) return ranges;
    const histograms = new Map(names.map((name) => [name, new Float64Array(BINS)]));
    await goThrough((name, values) =>
      count(values, ranges.get(name) as Range, histograms.get(name) as Float64Array),
    );
    return new Map(
      [...ranges].map(([name, range]) => [
        name,
        middle(histograms.get(name) as Float64Array, range, percentile),
      ]),
    );
  } finally {
    await session.release();
  }
}

function count(values: Float32Array, { low, high }: Range, counts: Float64Array): void {
  const perUnit = high > low ? BINS / (high - low) : 0;
  for (let i = 0; i < values.length; i += 1) {
    const bin = Math.min(BINS - 1, Math.floor(((values[i] as number) - low) * perUnit));
    counts[bin] = (counts[bin] as number) + 1;
  }
}

/** The one input: uint8 of fixed dimensions. */
export function pictureInputOf({ graph }: OnnxDocument): { name: string; dims: readonly number[] } {
  const [input, ...others] = inputsOf(graph);
  const type = input === undefined ? undefined : tensorTypeOf(input);
  const dims = type?.dims?.filter((side): side is number => typeof side === 'number' && side > 0);
  if (
    input === undefined ||
    others.length > 0 ||
    type?.type !== TYPE.uint8 ||
    dims === undefined ||
    dims.length !== 4 ||
    dims.length !== type.dims?.length
  ) {
    throw new OnnxError(
      'QUANTIZE_INPUT_UNSUPPORTED',
      'the graph does not take one picture as uint8 of a fixed size',
      {
        hint: 'Fold the normalisation into the graph first, which fixes its size too.',
      },
    );
  }
  return { name: input.name, dims };
}
