import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  fillInput,
  inputBuffer,
  inputDimensions,
  inputTables,
  resolveInput,
  type InputRecipe,
} from '../../../../lib/inference/graph/input.ts';

const value = (type: string, ...shape: (number | string)[]) => [{ name: 'x', type, shape }];
const unsupported = { code: 'MODEL_INPUT_UNSUPPORTED' };

describe('input recipe', () => {
  it('reads size, layout and type from the graph', () => {
    const planar = resolveInput(value('float32', 1, 3, 480, 640), {});
    assert.deepEqual([planar.layout, planar.width, planar.height, planar.scale], ['nchw', 640, 480, 1 / 255]);
    const interleaved = resolveInput(value('uint8', 'n', 224, 320, 3), {});
    assert.deepEqual(
      [interleaved.layout, interleaved.width, interleaved.height, interleaved.scale],
      ['nhwc', 320, 224, 1],
    );
    assert.equal(resolveInput(value('float32', 1, 1, 32, 32), {}).colour, 'gray');
  });

  it('feeds bytes as they are, whatever the family of the model wants of floats', () => {
    const family = {
      colour: 'bgr',
      scale: 1 / 255,
      mean: [1, 2, 3],
      std: [4, 5, 6],
      fit: 'letterbox',
    } as const;
    const { colour, scale, mean, std, fit } = resolveInput(value('uint8', 1, 32, 32, 3), {}, family);
    assert.deepEqual([colour, scale, mean, std, fit], ['rgb', 1, [0, 0, 0], [1, 1, 1], 'letterbox']);
    assert.equal(resolveInput(value('uint8', 1, 32, 32, 3), { colour: 'bgr' }, family).colour, 'bgr');
    assert.equal(resolveInput(value('float32', 1, 3, 32, 32), {}, family).colour, 'bgr');
  });

  it('asks for what the graph leaves open', () => {
    const open = value('uint8', 'n', 'h', 'w', 3);
    assert.throws(() => resolveInput(open, {}), unsupported);
    assert.equal(resolveInput(open, { width: 64, height: 32 }).height, 32);
  });

  it('refuses a configuration that contradicts the graph', () => {
    const graph = value('float32', 1, 3, 480, 640);
    for (const wanted of [{ width: 320 }, { type: 'uint8' as const }, { colour: 'gray' as const }]) {
      assert.throws(() => resolveInput(graph, wanted), unsupported);
    }
    assert.throws(() => resolveInput(graph, { std: [1, 0, 1] }), unsupported);
  });

  it('refuses graphs that are not fed with one image', () => {
    const shapes: [string, ...(number | string)[]][] = [
      ['float32', 1, 10],
      ['float16', 1, 3, 8, 8],
      ['float32', 4, 3, 8, 8],
      ['float32', 1, 7, 8, 8],
      ['float32', 1, 3, 100_000, 8],
    ];
    for (const [type, ...shape] of shapes)
      assert.throws(() => resolveInput(value(type, ...shape), {}), unsupported);
    assert.throws(() => resolveInput([], {}), unsupported);
    assert.throws(() => resolveInput([...value('uint8', 1, 8, 8, 3), ...value('uint8', 1)], {}), unsupported);
  });

  it('puts (pixel · scale − mean) / std where the layout wants it', () => {
    const recipe = fc.record({
      width: fc.integer({ min: 1, max: 5 }),
      height: fc.integer({ min: 1, max: 5 }),
      layout: fc.constantFrom('nchw', 'nhwc'),
      type: fc.constant('float32'),
      colour: fc.constantFrom('rgb', 'bgr'),
      scale: fc.constantFrom(1, 1 / 255),
      mean: fc.constantFrom([0, 0, 0], [0.485, 0.456, 0.406]),
      std: fc.constantFrom([1, 1, 1], [0.229, 0.224, 0.225]),
      fit: fc.constant('stretch'),
    }) as fc.Arbitrary<InputRecipe>;
    fc.assert(
      fc.property(recipe, fc.uint8Array({ minLength: 75, maxLength: 75 }), (wanted, noise) => {
        const { width, height, layout, colour, scale, mean, std } = wanted;
        const rgb = Buffer.from(noise.subarray(0, width * height * 3));
        const output = inputBuffer(wanted);
        fillInput(rgb, wanted, inputTables(wanted), output);
        const [, ...dims] = inputDimensions(wanted);
        assert.deepEqual(dims, layout === 'nchw' ? [3, height, width] : [height, width, 3]);
        for (let pixel = 0; pixel < width * height; pixel += 1) {
          for (const channel of [0, 1, 2] as const) {
            const source = rgb[pixel * 3 + (colour === 'rgb' ? channel : 2 - channel)] as number;
            const at = layout === 'nchw' ? channel * width * height + pixel : pixel * 3 + channel;
            assert.equal(output[at], Math.fround((source * scale - mean[channel]) / std[channel]));
          }
        }
      }),
    );
  });

  it('feeds grey as luma and uint8 as it is', () => {
    const gray = resolveInput(value('uint8', 1, 1, 2, 1), { layout: 'nhwc' });
    const output = inputBuffer(gray);
    fillInput(Buffer.from([255, 255, 255, 255, 0, 0]), gray, inputTables(gray), output);
    assert.deepEqual([...output], [255, 76]);
    const plain = resolveInput(value('uint8', 1, 1, 2, 3), {});
    const bytes = Buffer.from([1, 2, 3, 4, 5, 6]);
    const fed = inputBuffer(plain);
    fillInput(bytes, plain, inputTables(plain), fed);
    assert.deepEqual([...fed], [...bytes]);
  });
});
