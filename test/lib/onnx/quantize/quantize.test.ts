import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { scanModel } from '../../../../lib/inference/model/scan.ts';
import { inputsOf, opsetOf, readDocument } from '../../../../lib/onnx/document.ts';
import { planQuantization } from '../../../../lib/onnx/quantize/plan.ts';
import { quantize, type QuantizeOptions } from '../../../../lib/onnx/quantize/quantize.ts';
import { FLOAT, floats, meanModel, modelOf, node, value } from '../../inference/onnx.ts';

const SIDE = 16;
const UINT8 = 2;

/** Numbers that look drawn but repeat. */
function drawn(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898 * seed + seed) * 0.5);
}

function weights(name: string, dims: readonly number[], seed: number): Buffer {
  const fan = dims.slice(1).reduce((product, side) => product * side, 1);
  const count = dims.reduce((product, side) => product * side, 1);
  return floats(
    name,
    dims,
    drawn(count, seed).map((number) => (number * 3) / Math.sqrt(fan)),
  );
}

const PICTURE = [
  value(11, 'image', UINT8, [1, SIDE, SIDE, 3]),
  node('Transpose', ['image'], ['planes'], { perm: [0, 3, 1, 2] }),
  node('Cast', ['planes'], ['floats'], { to: FLOAT }),
  floats('factor', [], [1 / 128]),
  floats('offset', [], [-1]),
  node('Mul', ['floats', 'factor'], ['scaled']),
  node('Add', ['scaled', 'offset'], ['pixels']),
];

/** A residual block, pooling and a classifier: every kind of node that is made integer. */
function smallNet(opset: number): Buffer {
  const softmax = opset < 13 ? { axis: 1 } : { axis: -1 };
  return modelOf({
    opset,
    graph: [
      ...PICTURE,
      weights('w1', [8, 3, 3, 3], 1),
      weights('b1', [8], 2),
      node('Conv', ['pixels', 'w1', 'b1'], ['c1'], { pads: [1, 1, 1, 1], strides: [2, 2] }),
      node('Relu', ['c1'], ['r1']),
      node('MaxPool', ['r1'], ['p1'], { kernel_shape: [2, 2], strides: [2, 2] }),
      weights('w2', [8, 1, 3, 3], 3),
      node('Conv', ['p1', 'w2'], ['c2'], { pads: [1, 1, 1, 1], group: 8 }),
      node('Sigmoid', ['c2'], ['s2']),
      node('Mul', ['c2', 's2'], ['m2']),
      weights('w3', [8, 8, 1, 1], 4),
      node('Conv', ['m2', 'w3'], ['c3']),
      node('Add', ['c3', 'p1'], ['a3']),
      node('Relu', ['a3'], ['r3']),
      node('Concat', ['r3', 'm2'], ['joined'], { axis: 1 }),
      node('GlobalAveragePool', ['joined'], ['pooled']),
      node('Flatten', ['pooled'], ['flat'], { axis: 1 }),
      weights('w4', [16, 5], 5),
      weights('b4', [5], 6),
      node('Gemm', ['flat', 'w4', 'b4'], ['logits']),
      node('Softmax', ['logits'], ['scores'], softmax),
      value(12, 'logits', FLOAT, [1, 5]),
      value(12, 'scores', FLOAT, [1, 5]),
    ],
  });
}

function picture(seed: number): Uint8Array {
  return Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)];
    return 127 + 120 * Math.sin((x * seed) / 5 + (i % 3)) * Math.cos((y * (seed + 1)) / 7);
  });
}

const pictures = [1, 2, 3, 4, 5, 6].map((seed) => () => Promise.resolve(picture(seed)));

async function run(model: Uint8Array, seed: number): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(model);
  const results = await session.run({
    [session.inputNames[0] ?? '']: new Tensor('uint8', picture(seed), [1, SIDE, SIDE, 3]),
  });
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
}

function cosine(a: Float32Array, b: Float32Array): number {
  const product = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, number, i) => sum + number * (y[i] ?? NaN), 0);
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b));
}

/** Lowest cosine of the logits over pictures it was not calibrated on. */
async function agreement(model: Uint8Array, quantised: Uint8Array): Promise<number> {
  const cosines: number[] = [];
  for (const seed of [7, 8, 9]) {
    const [expected, got] = [await run(model, seed), await run(quantised, seed)];
    cosines.push(cosine(expected['logits'] ?? new Float32Array(), got['logits'] ?? new Float32Array()));
  }
  return Math.min(...cosines);
}

/** Operators of the graph ONNX Runtime really runs. */
async function optimised(model: Uint8Array): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-test-'));
  try {
    const path = join(folder, 'model.onnx');
    const session = await InferenceSession.create(model, {
      graphOptimizationLevel: 'extended',
      optimizedModelFilePath: path,
      logSeverityLevel: 3,
    });
    await session.release();
    return readDocument(await readFile(path)).graph.nodes.map(({ operator }) => operator);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function counted(operators: readonly string[], wanted: string): number {
  return operators.filter((operator) => operator === wanted).length;
}

describe('quantising a graph', () => {
  for (const opset of [11, 13, 17]) {
    it(`keeps what a net of opset ${opset} says, and passes the scan`, async () => {
      const net = smallNet(opset);
      const { bytes, quantized, calibrated } = await quantize(net, pictures);
      scanModel(bytes);
      assert.ok((await agreement(net, bytes)) >= 0.99);
      assert.equal(quantized['Conv'], 3);
      assert.equal(quantized['Gemm'], 1);
      assert.equal(quantized['Add'], 1);
      assert.ok(calibrated > 5);
      assert.equal(opsetOf(readDocument(bytes)), Math.max(13, opset));
      const { logits } = await run(net, 7);
      const { logits: rounded } = await run(bytes, 7);
      assert.notDeepEqual(rounded, logits);
    });
  }

  it('is run by integer kernels, with no float convolution or product left', async () => {
    const operators = await optimised((await quantize(smallNet(13), pictures)).bytes);
    assert.equal(counted(operators, 'QLinearConv'), 3);
    assert.equal(counted(operators, 'QLinearAdd'), 1);
    assert.equal(counted(operators, 'QLinearMul'), 1);
    assert.equal(counted(operators, 'QLinearConcat'), 1);
    assert.equal(counted(operators, 'QGemm'), 1);
    for (const float of ['Conv', 'FusedConv', 'Gemm', 'MatMul', 'Relu'])
      assert.equal(counted(operators, float), 0);
  });

  it('has weights of a quarter of the size', async () => {
    const wide = modelOf({
      graph: [
        ...PICTURE,
        weights('w1', [256, 3, 3, 3], 1),
        node('Conv', ['pixels', 'w1'], ['c1']),
        weights('w2', [64, 256, 3, 3], 2),
        node('Conv', ['c1', 'w2'], ['logits']),
        value(12, 'logits', FLOAT, ['n', 64, 'h', 'w']),
      ],
    });
    const { bytes } = await quantize(wide, pictures);
    assert.ok(bytes.length < wide.length * 0.28, `${bytes.length} of ${wide.length}`);
    assert.ok((await agreement(wide, bytes)) >= 0.99);
  });

  it('takes batch normalisation into the weights before it', async () => {
    const net = modelOf({
      graph: [
        ...PICTURE,
        weights('w1', [4, 3, 3, 3], 1),
        node('Conv', ['pixels', 'w1'], ['c1']),
        floats('gain', [4], [0.1, 1, 5, 20]),
        floats('shift', [4], [1, -1, 0, 3]),
        floats('mean', [4], [0.1, 0.2, -0.1, 0]),
        floats('variance', [4], [1, 0.5, 2, 4]),
        node('BatchNormalization', ['c1', 'gain', 'shift', 'mean', 'variance'], ['logits']),
        value(12, 'logits', FLOAT, [1, 4, 14, 14]),
      ],
    });
    const { bytes, float } = await quantize(net, pictures);
    assert.equal(float['BatchNormalization'], undefined);
    assert.ok((await agreement(net, bytes)) >= 0.99);
  });

  it('leaves float what it is told to', async () => {
    const convolutions = async (options: QuantizeOptions): Promise<number> => {
      const { bytes } = await quantize(smallNet(13), pictures, options);
      assert.ok((await agreement(smallNet(13), bytes)) >= 0.99);
      return counted(await optimised(bytes), 'QLinearConv');
    };
    assert.equal(await convolutions({ keepFirst: true }), 2);
    assert.equal(await convolutions({ exclude: ['c2'] }), 2);
    assert.equal(await convolutions({ exclude: ['c*'], keepLast: false }), 0);
    const sums = async (exclude: string[]): Promise<number> =>
      counted(await optimised((await quantize(smallNet(13), pictures, { exclude })).bytes), 'QLinearAdd');
    assert.deepEqual([await sums([]), await sums(['a3'])], [1, 0], 'what lies between convolutions as well');
    const { graph } = readDocument(smallNet(13));
    const absorbed = (exclude: string[]): boolean =>
      [...planQuantization(graph, { exclude }).absorbed.keys()].some(({ outputs }) => outputs[0] === 'r1');
    assert.deepEqual([absorbed([]), absorbed(['r1'])], [true, false]);
    const { quantized } = await quantize(smallNet(13), pictures, { keepLast: true });
    assert.equal(quantized['Gemm'], undefined);
    assert.equal(quantized['Conv'], 3);
  });

  it('can cut rare numbers off and round weights to 7 bits', async () => {
    const net = smallNet(13);
    const { bytes } = await quantize(net, pictures, { percentile: 99.99, reduceRange: true });
    assert.ok((await agreement(net, bytes)) >= 0.99);
    const largest = readDocument(bytes)
      .graph.initializers.filter(({ name }) => name.endsWith('/integers') && name.startsWith('w'))
      .map(({ raw }) => Math.max(...new Int8Array(raw ?? []).map(Math.abs)));
    assert.deepEqual([...new Set(largest)], [63]);
  });

  it('tells how far it is', async () => {
    const told: [number, number][] = [];
    await quantize(smallNet(13), pictures, { onProgress: (done, total) => told.push([done, total]) });
    assert.deepEqual(
      told,
      pictures.map((_, index) => [index + 1, pictures.length]),
    );
  });

  it('gives the same bytes for the same pictures, and leaves nothing in the temporary folder', async () => {
    const before = await readdir(tmpdir());
    const first = await quantize(smallNet(13), pictures);
    const second = await quantize(smallNet(13), pictures);
    assert.ok(first.bytes.equals(second.bytes));
    const left = (await readdir(tmpdir())).filter(
      (name) => /^jidoka-\w{6}$/.test(name) && !before.includes(name),
    );
    assert.deepEqual(left, []);
  });

  it('keeps the one input as it was', async () => {
    const { bytes } = await quantize(smallNet(13), pictures);
    assert.deepEqual(
      inputsOf(readDocument(bytes).graph).map(({ name }) => name),
      ['image'],
    );
  });

  it('refuses what it cannot do, by code', async () => {
    const refused = async (model: Uint8Array, code: string, options: QuantizeOptions = {}): Promise<void> => {
      await assert.rejects(quantize(model, pictures, options), { code });
    };
    await refused(meanModel().subarray(0, 60), 'ONNX_INVALID');
    await refused(smallNet(13), 'QUANTIZE_NODE_UNKNOWN', { exclude: ['no such node'] });
    await refused(smallNet(13), 'QUANTIZE_NOTHING', { exclude: ['c*', 'logits'] });
    const floatInput = modelOf({
      graph: [
        value(11, 'x', FLOAT, [1, 3, 8, 8]),
        weights('w', [4, 3, 3, 3], 1),
        node('Conv', ['x', 'w'], ['y']),
        value(12, 'y', FLOAT, [1, 4, 6, 6]),
      ],
    });
    await refused(floatInput, 'QUANTIZE_INPUT_UNSUPPORTED');
    await assert.rejects(quantize(smallNet(13), []), { code: 'CALIBRATION_FAILED' });
    await assert.rejects(quantize(smallNet(13), [() => Promise.resolve(new Uint8Array(3))]), {
      code: 'CALIBRATION_FAILED',
    });
  });

  it('refuses numbers that are not finite', async () => {
    const net = modelOf({
      graph: [
        ...PICTURE,
        floats('zero', [], [0]),
        node('Div', ['pixels', 'zero'], ['infinite']),
        weights('w', [4, 3, 3, 3], 1),
        node('Conv', ['infinite', 'w'], ['y']),
        value(12, 'y', FLOAT, [1, 4, 14, 14]),
      ],
    });
    await assert.rejects(quantize(net, pictures), { code: 'CALIBRATION_FAILED' });
  });

  it('refuses a softmax of opset 11 over more than the last axis', async () => {
    const net = modelOf({
      opset: 11,
      graph: [
        ...PICTURE,
        weights('w', [4, 3, 3, 3], 1),
        node('Conv', ['pixels', 'w'], ['c']),
        node('Softmax', ['c'], ['y'], { axis: 1 }),
        value(12, 'y', FLOAT, [1, 4, 14, 14]),
      ],
    });
    await assert.rejects(quantize(net, pictures), {
      code: 'QUANTIZE_OPSET_UNSUPPORTED',
      message: /Softmax 'y'/,
    });
  });
});
