import assert from 'node:assert/strict';
import * as ort from 'onnxruntime-node';
import {
  extractFeatures,
  openSession,
  readBackbone,
  type Backbone,
} from '../../../../lib/anomaly/backbone.ts';
import { headOf, HIGHEST_PATCHES } from '../../../../lib/anomaly/heads/head.ts';
import { bankDistances } from '../../../../lib/anomaly/heads/patch-nn.ts';
import { appendToModel, standaloneModel } from '../../../../lib/anomaly/onnx-graph.ts';
import { seededRandom } from '../../../../lib/statistics/random.ts';

const SIDE = 28;
const PATCHES = SIDE * SIDE;
const FEATURES = 128;
const SHAPE = { channels: FEATURES, grid: { columns: SIDE, rows: SIDE } };
const random = seededRandom(7);

function noisyPixels(): Uint8Array {
  return Uint8Array.from({ length: 224 * 224 * 3 }, () => random.below(256));
}

/** Distance of every patch to its nearest neighbour in the bank, in double precision. */
function referenceMap(features: Float32Array, bank: Float32Array): number[] {
  return Array.from({ length: PATCHES }, (_, patch) => {
    let nearest = Infinity;
    for (let row = 0; row < bank.length / FEATURES; row += 1) {
      let sum = 0;
      for (let feature = 0; feature < FEATURES; feature += 1) {
        const difference =
          (features[feature * PATCHES + patch] ?? NaN) - (bank[row * FEATURES + feature] ?? NaN);
        sum += difference * difference;
      }
      nearest = Math.min(nearest, sum);
    }
    return Math.sqrt(nearest);
  });
}

function meanOfHighest(map: readonly number[]): number {
  const highest = map.toSorted((one, other) => other - one).slice(0, HIGHEST_PATCHES);
  return highest.reduce((sum, value) => sum + value, 0) / HIGHEST_PATCHES;
}

function assertClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  const worst = Math.max(...expected.map((value, index) => Math.abs((actual[index] ?? NaN) - value)));
  assert.ok(worst <= 1e-3, `differs by ${worst}`);
}

function bankFrom(features: Float32Array, size: number): Float32Array {
  const bank = new Float32Array(size * FEATURES);
  for (let row = 0; row < size; row += 1) {
    for (let feature = 0; feature < FEATURES; feature += 1) {
      bank[row * FEATURES + feature] = features[feature * PATCHES + row * 2] ?? NaN;
    }
  }
  return bank;
}

const distancesTo = (rows: Float32Array) =>
  bankDistances(SHAPE, [{ rows, parts: new Uint32Array(rows.length / FEATURES), radius: 0 }], {
    size: 1000,
    seed: 1,
  });

describe('nearest neighbour anywhere', function () {
  this.timeout(20_000);
  let backbone: Backbone;
  let session: ort.InferenceSession;
  const featuresOf = (pixels: Uint8Array, from = session): Promise<Float32Array> =>
    extractFeatures(from, backbone, pixels, { width: 224, height: 224 });

  before(async () => {
    backbone = await readBackbone();
    session = await openSession(backbone.bytes);
  });
  after(() => session.release());

  it('gives the distances a plain nearest-neighbour search gives, appended to the backbone', async () => {
    const bank = bankFrom(await featuresOf(noisyPixels()), 90);
    const pixels = noisyPixels();
    const expected = referenceMap(await featuresOf(pixels), bank);
    const model = await openSession(appendToModel(backbone.bytes, headOf(SHAPE, distancesTo(bank))));
    const image = new ort.Tensor('uint8', pixels, [1, 224, 224, 3]);
    const { score, map } = await model.run({ image }, ['score', 'map']);
    await model.release();
    assert.deepEqual(map?.dims, [28, 28]);
    assertClose(map.data as Float32Array, expected);
    assertClose(score?.data as Float32Array, [meanOfHighest(expected)]);
  });

  it('scores features alone as it scores the picture they came from', async () => {
    const features = await featuresOf(noisyPixels());
    const bank = bankFrom(await featuresOf(noisyPixels()), 40);
    const head = await openSession(standaloneModel(headOf(SHAPE, distancesTo(bank), { standalone: true })));
    const feat = new ort.Tensor('float32', features, [1, FEATURES, 28, 28]);
    const { score } = await head.run({ feat }, ['score']);
    await head.release();
    assertClose(score?.data as Float32Array, [meanOfHighest(referenceMap(features, bank))]);
  });

  it('finds nothing unusual in a patch the bank holds', async () => {
    const features = await featuresOf(noisyPixels());
    const head = await openSession(
      standaloneModel(headOf(SHAPE, distancesTo(bankFrom(features, 392)), { standalone: true })),
    );
    const feat = new ort.Tensor('float32', features, [1, FEATURES, 28, 28]);
    const { map } = await head.run({ feat }, ['map']);
    await head.release();
    // Rounding of |b|² − 2b·f + |f|² in single precision, under the root.
    const [first = NaN] = map?.data as Float32Array;
    assert.ok(first >= 0 && first < 0.05, `is ${first}`);
  });

  it('leaves what the backbone itself answers untouched', async () => {
    const pixels = noisyPixels();
    const features = await featuresOf(pixels);
    const model = await openSession(
      appendToModel(backbone.bytes, headOf(SHAPE, distancesTo(bankFrom(features, 10)))),
    );
    assert.deepEqual([...model.outputNames], ['feat', 'score', 'map', 'embedding']);
    assert.deepEqual(await featuresOf(pixels, model), features);
    await model.release();
  });
});
