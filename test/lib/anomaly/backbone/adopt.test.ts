import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import {
  extractFeatures,
  openSession,
  readBackbone,
  type Backbone,
  type Normalisation,
} from '../../../../lib/anomaly/backbone.ts';
import { packBundle } from '../../../../lib/inference/bundle/pack.ts';
import { readModel } from '../../../../lib/inference/model/model.ts';
import { writeDocument, type Graph } from '../../../../lib/onnx/document.ts';
import { makeNode, type Node } from '../../../../lib/onnx/node.ts';
import { makeIntegers, makeTensor, TYPE, type Tensor } from '../../../../lib/onnx/tensor.ts';
import { makeValue, type Dimension } from '../../../../lib/onnx/value.ts';
import { seededRandom } from '../../../../lib/statistics/random.ts';
import { requirePath, shared } from '../../../support/shared.ts';

const random = seededRandom(11);
const SIZE = { width: 96, height: 64 };
const PIXELS = Uint8Array.from({ length: SIZE.width * SIZE.height * 3 }, () => random.below(256));

async function features(backbone: Backbone): Promise<Float32Array> {
  const session = await openSession(backbone.bytes);
  const found = await extractFeatures(session, backbone, PIXELS, backbone.size ?? SIZE);
  await session.release();
  return found;
}

interface Map {
  channels: number;
  rows: number;
  columns: number;
  at: (channel: number, row: number, column: number) => number;
}

function mapOf({ dims, data }: ort.Tensor): Map {
  const [, channels = 0, rows = 0, columns = 0] = dims;
  const numbers = data as Float32Array;
  const at = (channel: number, row: number, column: number): number =>
    row < 0 || column < 0 || row >= rows || column >= columns
      ? 0
      : (numbers[(channel * rows + row) * columns + column] ?? NaN);
  return { channels, rows, columns, at };
}

/** The mean of the 3×3 patches round each, zeros beyond the border. */
function smoothed(map: Map): Map {
  const around = [-1, 0, 1];
  const at = (channel: number, row: number, column: number): number =>
    around.flatMap((y) => around.map((x) => map.at(channel, row + y, column + x))).reduce((a, b) => a + b) /
    9;
  return { ...map, at };
}

/** Twice as large, bilinear between the centres of patches. */
function doubled(map: Map): Map {
  const { rows, columns } = map;
  const within = (index: number, count: number): number => Math.min(Math.max(index, 0), count - 1);
  const at = (channel: number, row: number, column: number): number => {
    const [y, x] = [(row + 0.5) / 2 - 0.5, (column + 0.5) / 2 - 0.5];
    const [top, left] = [Math.floor(y), Math.floor(x)];
    const value = (down: number, right: number): number =>
      map.at(channel, within(top + down, rows), within(left + right, columns));
    const above = value(0, 0) * (1 - x + left) + value(0, 1) * (x - left);
    const below = value(1, 0) * (1 - x + left) + value(1, 1) * (x - left);
    return above * (1 - y + top) + below * (y - top);
  };
  return { ...map, rows: rows * 2, columns: columns * 2, at };
}

function listed({ channels, rows, columns, at }: Map): number[] {
  return Array.from({ length: channels * rows * columns }, (_, index) =>
    at(Math.floor(index / (rows * columns)), Math.floor(index / columns) % rows, index % columns),
  );
}

/** Two maps of the file itself, fed with floats that were normalised here, and laid over one another. */
async function mixtureOf(
  path: string,
  [fine, coarse]: readonly [string, string],
  normalised: (pixel: number, channel: number) => number,
): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(path);
  const plane = SIZE.width * SIZE.height;
  const data = new Float32Array(3 * plane);
  PIXELS.forEach((pixel, index) => {
    data[(index % 3) * plane + Math.floor(index / 3)] = normalised(pixel, index % 3);
  });
  const input = new ort.Tensor('float32', data, [1, 3, SIZE.height, SIZE.width]);
  const results = await session.run({ [session.inputNames[0] ?? '']: input });
  await session.release();
  const smooth = (name: string): Map => smoothed(mapOf(results[name] as ort.Tensor));
  return Float32Array.from([...listed(smooth(fine)), ...listed(doubled(smooth(coarse)))]);
}

function assertClose(actual: Float32Array, expected: Float32Array): void {
  assert.equal(actual.length, expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = actual.reduce(
    (most, value, index) => Math.max(most, Math.abs(value - (expected[index] ?? NaN))),
    0,
  );
  assert.ok(worst <= 1e-3 * largest, `differs by ${worst} of ${largest}`);
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** A network of one convolution of stride 8 and whatever follows it. */
interface Small {
  side?: Dimension;
  type?: number;
  opset?: number;
  tail?: Node[];
  constants?: Tensor[];
  output?: string;
}

function smallNet({
  side = 'S',
  type = TYPE.float,
  opset = 13,
  tail = [],
  constants = [],
  output = 'map',
}: Small): Buffer {
  const weights = Float32Array.from({ length: 8 * 3 * 64 }, () => random.normal() / 14);
  const graph: Graph = {
    nodes: [
      makeNode({
        operator: 'Conv',
        inputs: ['picture', 'weights'],
        outputs: ['map'],
        attributes: { kernel_shape: [8, 8], strides: [8, 8] },
      }),
      ...tail,
    ],
    initializers: [makeTensor('weights', [8, 3, 8, 8], weights), ...constants],
    inputs: [makeValue('picture', type, [1, 3, side, side])],
    outputs: [makeValue(output, TYPE.float, undefined)],
    values: [],
    rest: [],
  };
  return writeDocument({ irVersion: 8, opsets: [{ domain: '', version: opset, rest: [] }], graph, rest: [] });
}

describe('a backbone of another network', function () {
  this.timeout(60_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-backbone-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const kept = async (bytes: Buffer, name = 'net'): Promise<string> => {
    const path = join(folder, `${name}.onnx`);
    await writeFile(path, bytes);
    return path;
  };

  const real: [
    file: string,
    maps: readonly [string, string],
    normalise: Normalisation,
    channels: number,
    (pixel: number, channel: number) => number,
  ][] = [
    [
      'resnet18_l123_features',
      ['layer2', 'layer3'],
      'imagenet',
      384,
      (pixel, channel) => (pixel / 255 - (IMAGENET.mean[channel] ?? NaN)) / (IMAGENET.std[channel] ?? NaN),
    ],
    ['mobilenetv1_100_features', ['feat5', 'feat11'], 'symmetric', 768, (pixel) => pixel / 127.5 - 1],
  ];
  for (const [file, maps, normalise, channels, normalised] of real) {
    it(`mixes what ${file} gives at strides 8 and 16, of plain pixels`, async function () {
      const path = shared('data', 'models', `${file}.onnx`);
      requirePath(this, path, 'the model');
      const backbone = await readBackbone(path, { normalise });
      const { name, stride, size } = backbone;
      assert.deepEqual(
        { name, stride, size, channels: backbone.channels },
        { name: file, stride: 8, size: undefined, channels },
      );
      assertClose(await features(backbone), await mixtureOf(path, maps, normalised));
    });
  }

  it('passes the scan itself', async function () {
    const path = shared('data', 'models', 'resnet18_l123_features.onnx');
    requirePath(this, path, 'the model');
    const { bytes } = await readBackbone(path, { normalise: 'imagenet' });
    await readModel(await kept(bytes, 'adopted'));
  });

  it('is cut off a detector before its heads, in the one size that has', async function () {
    const path = shared('data', 'models', 'yolox_nano.onnx');
    requirePath(this, path, 'the model');
    const whole = await readModel(path);
    const { bytes, size, channels, stride } = await readBackbone(path, { normalise: 'none' });
    assert.deepEqual(
      { size, channels, stride },
      { size: { width: 416, height: 416 }, channels: 192, stride: 8 },
    );
    assert.ok(bytes.length < whole.bytes.length / 2, `${bytes.length} of ${whole.bytes.length} bytes`);
  });

  it('is the same file again for the same file', async () => {
    const path = await kept(smallNet({}));
    const [first, second] = [
      await readBackbone(path, { normalise: 'unit' }),
      await readBackbone(path, { normalise: 'unit' }),
    ];
    assert.equal(first.digest, second.digest);
    assert.notEqual((await readBackbone(path, { normalise: 'none' })).digest, first.digest);
  });

  it('finds the map within a classifier', async function () {
    const path = await kept(
      smallNet({
        tail: [
          makeNode({ operator: 'Relu', inputs: ['map'], outputs: ['feat'] }),
          makeNode({ operator: 'GlobalAveragePool', inputs: ['feat'], outputs: ['pooled'] }),
          makeNode({ operator: 'Flatten', inputs: ['pooled'], outputs: ['image'] }),
        ],
        output: 'image',
      }),
    );
    const backbone = await readBackbone(path, { normalise: 'unit' });
    assert.deepEqual([backbone.channels, backbone.stride], [8, 8]);
    const found = await features(backbone);
    assert.equal(found.length, 8 * 12 * 8);
    assert.ok(
      found.every((value) => value >= 0),
      'behind the rectifier',
    );
  });

  it('keeps the one size a network was exported for', async () => {
    const backbone = await readBackbone(await kept(smallNet({ side: 64 })), { normalise: 'unit' });
    assert.deepEqual(backbone.size, { width: 64, height: 64 });
  });

  it('carries a network of a newer opset to one that heads are written in', async () => {
    const path = await kept(
      smallNet({
        opset: 18,
        tail: [
          makeNode({
            operator: 'ReduceMean',
            inputs: ['map', 'axes'],
            outputs: ['mean'],
            attributes: { keepdims: 1 },
          }),
          makeNode({ operator: 'Sub', inputs: ['map', 'mean'], outputs: ['centred'] }),
        ],
        constants: [makeIntegers('axes', [1])],
        output: 'centred',
      }),
    );
    const found = await features(await readBackbone(path, { normalise: 'unit' }));
    const patches = found.length / 8;
    const sum = Array.from({ length: 8 }, (_, channel) => found[channel * patches] ?? NaN).reduce(
      (a, b) => a + b,
    );
    assert.ok(Math.abs(sum) < 1e-4, `is ${sum}`);
  });

  it('takes the normalisation a bundle states, and lets nobody else state it', async () => {
    const model = await kept(smallNet({}), 'bare');
    const { folder: bundle } = await packBundle({
      model,
      folder: join(folder, 'bundle'),
      manifest: {
        name: 'own',
        version: '1',
        task: 'raw',
        input: {
          width: 64,
          height: 64,
          layout: 'nchw',
          colour: 'rgb',
          scale: 1 / 255,
          mean: [0, 0, 0],
          std: [1, 1, 1],
          resize: 'stretch',
        },
        outputs: [{ name: 'map' }],
      },
    });
    const stated = await readBackbone(bundle);
    assertClose(await features(stated), await features(await readBackbone(model, { normalise: 'unit' })));
    await assert.rejects(readBackbone(bundle, { normalise: 'imagenet' }), { code: 'BACKBONE_UNSUPPORTED' });
  });

  describe('is refused with a reason', () => {
    const refuses = async (
      bytes: Buffer,
      message: RegExp,
      normalise: Normalisation | undefined = 'unit',
    ): Promise<void> => {
      await assert.rejects(readBackbone(await kept(bytes), { normalise }), {
        code: 'BACKBONE_UNSUPPORTED',
        message,
      });
    };

    it('where nobody said how pictures are normalised', async () => {
      await assert.rejects(readBackbone(await kept(smallNet({}))), {
        code: 'BACKBONE_UNSUPPORTED',
        message: /does not say how its pictures are normalised/,
      });
    });

    it('where there is no map of features', async () => {
      const graph: Graph = {
        nodes: [makeNode({ operator: 'GlobalAveragePool', inputs: ['picture'], outputs: ['mean'] })],
        initializers: [],
        inputs: [makeValue('picture', TYPE.float, [1, 3, 'H', 'W'])],
        outputs: [makeValue('mean', TYPE.float, undefined)],
        values: [],
        rest: [],
      };
      const opsets = [{ domain: '', version: 13, rest: [] }];
      await refuses(writeDocument({ irVersion: 8, opsets, graph, rest: [] }), /makes no map of features/);
    });

    it('where it takes something else than a picture', async () => {
      await refuses(smallNet({ type: TYPE.int64 }), /does not take one picture/);
    });

    it('where it cannot run at all', async () => {
      const tail = [makeNode({ operator: 'Add', inputs: ['map', 'wrong'], outputs: ['sum'] })];
      const constants = [makeTensor('wrong', [5], new Float32Array(5))];
      await refuses(smallNet({ tail, constants, output: 'sum' }), /cannot serve as a backbone/);
    });
  });

  it('is never opened without the scan', async () => {
    await assert.rejects(readBackbone(await kept(Buffer.from('not a model'))), { code: 'MODEL_INVALID' });
  });
});
