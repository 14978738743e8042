import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  fillInput,
  inputBuffer,
  inputDimensions,
  inputTables,
  type InputRecipe,
} from '../../../../lib/inference/graph/input.ts';
import { scanModel } from '../../../../lib/inference/model/scan.ts';
import { foldInput } from '../../../../lib/inference/graph/fold.ts';
import { requirePath, shared } from '../../../support/shared.ts';
import { colourModel, FLOAT, meanModel, model, modelOf, node, value } from '../onnx.ts';

const PLAIN: InputRecipe = {
  width: 48,
  height: 32,
  layout: 'nchw',
  type: 'float32',
  colour: 'rgb',
  scale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  fit: 'stretch',
};
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

function picture({ width, height }: InputRecipe): Buffer {
  return Buffer.from(
    Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + (i >> 5) * 13) % 256),
  );
}

async function run(bytes: Uint8Array, feed: (name: string) => Tensor): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(bytes);
  const name = session.inputNames[0] ?? '';
  const results = await session.run({ [name]: feed(name) });
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
}

/** Largest difference between the folded graph and the graph fed by fillInput, in parts of the largest value. */
async function difference(bytes: Buffer, recipe: InputRecipe): Promise<number> {
  const folded = foldInput(bytes, recipe);
  assert.ok(folded !== undefined);
  scanModel(folded);
  const rgb = picture(recipe);
  const input = inputBuffer(recipe);
  fillInput(rgb, recipe, inputTables(recipe), input);
  const expected = await run(
    bytes,
    () => new Tensor('float32', input as Float32Array, inputDimensions(recipe)),
  );
  const got = await run(folded, () => new Tensor('uint8', rgb, [1, recipe.height, recipe.width, 3]));
  assert.deepEqual(Object.keys(got), Object.keys(expected));
  let worst = 0;
  for (const [name, values] of Object.entries(expected)) {
    const other = got[name] ?? new Float32Array();
    assert.equal(other.length, values.length);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert.ok(largest > 0);
    const off = values.reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] ?? NaN))), 0);
    worst = Math.max(worst, off / largest);
  }
  return worst;
}

/** Hands the picture on as it came, so that every pixel is compared. */
function mirror(recipe: InputRecipe, versions: { opset?: number; irVersion?: number } = {}): Buffer {
  const dims = inputDimensions(recipe);
  return modelOf({
    graph: [value(11, 'x', FLOAT, dims), node('Neg', ['x'], ['y']), value(12, 'y', FLOAT, dims)],
    ...versions,
  });
}

describe('a graph with its input folded in', () => {
  for (const layout of ['nchw', 'nhwc'] as const) {
    for (const colour of ['rgb', 'bgr'] as const) {
      it(`sees the same pixels: ${layout}, ${colour}, plain and normalised`, async () => {
        for (const more of [
          {},
          { scale: 1 },
          IMAGENET,
          { scale: 1, mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5] } as const,
        ]) {
          const recipe: InputRecipe = { ...PLAIN, layout, colour, ...more };
          assert.ok((await difference(mirror(recipe), recipe)) < 1e-6);
        }
      });
    }
  }

  it('runs in the oldest versions that can be read', async () => {
    const recipe: InputRecipe = { ...PLAIN, colour: 'bgr', ...IMAGENET };
    assert.ok((await difference(mirror(recipe, { opset: 7, irVersion: 3 }), recipe)) < 1e-6);
  });

  it('has a fixed size where the graph left it open', async () => {
    const folded = foldInput(colourModel(), { ...PLAIN, ...IMAGENET });
    const session = await InferenceSession.create(folded ?? Buffer.alloc(0));
    assert.deepEqual(session.inputMetadata, [
      { name: 'x', isTensor: true, type: 'uint8', shape: [1, 32, 48, 3] },
    ]);
    await session.release();
    assert.ok((await difference(colourModel(), { ...PLAIN, ...IMAGENET })) < 1e-5);
  });

  it('agrees on a detector and a backbone', async function () {
    const yolox = shared('data', 'models', 'yolox_nano.onnx');
    const resnet = shared('data', 'models', 'resnet18_l123_features.onnx');
    for (const path of [yolox, resnet]) requirePath(this, path, 'a model');
    const detector: InputRecipe = { ...PLAIN, width: 416, height: 416, colour: 'bgr', scale: 1 };
    assert.ok((await difference(await readFile(yolox), detector)) < 1e-5);
    const backbone: InputRecipe = { ...PLAIN, width: 224, height: 160, ...IMAGENET };
    assert.ok((await difference(await readFile(resnet), backbone)) < 1e-5);
  });

  it('is left as it is where bytes or gray are fed already, or the input is an output too', () => {
    assert.equal(foldInput(meanModel(), { ...PLAIN, type: 'uint8' }), undefined);
    assert.equal(foldInput(colourModel(), { ...PLAIN, colour: 'gray' }), undefined);
    const through = model(
      value(11, 'x', FLOAT, [1, 3, 32, 48]),
      node('Neg', ['x'], ['y']),
      value(12, 'y', FLOAT, [1, 3, 32, 48]),
      value(12, 'x', FLOAT, [1, 3, 32, 48]),
    );
    assert.equal(foldInput(through, PLAIN), undefined);
  });

  it('keeps to names the graph does not have', async () => {
    const dims = [1, 3, 32, 48];
    const taken = model(
      value(11, 'x', FLOAT, dims),
      node('Neg', ['x'], ['x/cast']),
      node('Neg', ['x/cast'], ['x/normalised']),
      value(12, 'x/normalised', FLOAT, dims),
    );
    assert.ok((await difference(taken, PLAIN)) < 1e-6);
  });
});
