/**
 * `node tools/backbone/quantize.ts IN.onnx PICTURES.npy OUT.onnx [--keep-last] [--percentile P]`: the
 * backbone in int8, by the quantiser of the package, calibrated on drawn pictures only. Its input stays
 * open in size.
 */
import { open, readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { inputsOf, readDocument, writeDocument, type OnnxDocument } from '../../lib/onnx/document.ts';
import { quantize } from '../../lib/onnx/quantize/quantize.ts';
import { TYPE } from '../../lib/onnx/tensor.ts';
import { makeValue, type Dimension } from '../../lib/onnx/value.ts';

const SIDE = 224;
const PICTURE_BYTES = SIDE * SIDE * 3;

/** The graph with this input and an output of any size. */
function reshaped(document: OnnxDocument, dims: readonly Dimension[], channels: number): Buffer {
  const { graph } = document;
  const [input] = inputsOf(graph);
  graph.inputs = [makeValue(input?.name ?? 'image', TYPE.uint8, dims)];
  graph.outputs = [makeValue('feat', TYPE.float, [dims[0] ?? 1, channels, 'h', 'w'])];
  graph.values = [];
  return writeDocument(document);
}

/** Pictures of a `.npy` of uint8 N×224×224×3, as `python3 -m training` leaves it in its folder. */
async function picturesOf(path: string, most: number): Promise<(() => Promise<Uint8Array>)[]> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const header = size % PICTURE_BYTES;
    const count = Math.min(most, Math.floor(size / PICTURE_BYTES));
    const pictures: (() => Promise<Uint8Array>)[] = [];
    for (let index = 0; index < count; index += 1) {
      const { buffer } = await file.read(
        Buffer.alloc(PICTURE_BYTES),
        0,
        PICTURE_BYTES,
        header + index * PICTURE_BYTES,
      );
      pictures.push(() => Promise.resolve(Uint8Array.from(buffer)));
    }
    return pictures;
  } finally {
    await file.close();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'keep-last': { type: 'boolean', default: false },
    percentile: { type: 'string' },
    'reduce-range': { type: 'boolean', default: false },
    exclude: { type: 'string', multiple: true, default: [] },
    most: { type: 'string', default: '200' },
  },
});
const [from, pictures, to] = positionals;
if (from === undefined || pictures === undefined || to === undefined) {
  throw new Error('usage: node tools/backbone/quantize.ts IN.onnx PICTURES.npy OUT.onnx');
}
const fixed = reshaped(readDocument(await readFile(from)), [1, SIDE, SIDE, 3], 128);
const result = await quantize(fixed, await picturesOf(pictures, Number(values.most)), {
  keepLast: values['keep-last'],
  reduceRange: values['reduce-range'],
  exclude: values.exclude,
  ...(values.percentile === undefined ? {} : { percentile: Number(values.percentile) }),
});
const bytes = reshaped(readDocument(result.bytes), ['N', 'H', 'W', 3], 128);
await writeFile(to, bytes);
console.log(`${to}: ${(bytes.length / 1e6).toFixed(2)} MB`, result.quantized, 'float:', result.float);
