import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { HeadResult, SegmentOptions } from '../../../../lib/inference/heads/head.ts';
import type { SegmentPrediction } from '../../../../lib/inference/heads/segments.ts';
import { planHead } from '../../../../lib/inference/heads/plan.ts';
import { resolveInput } from '../../../../lib/inference/graph/input.ts';
import { image, read, tensor, type Output, type Setting } from './reading.ts';

function segment(y: Output, options: Partial<SegmentOptions> = {}, setting: Setting = {}): HeadResult {
  return read({ task: 'segment', ...options }, { y }, setting);
}

const segments = (result: HeadResult): SegmentPrediction[] =>
  result.prediction['segments'] as SegmentPrediction[];

const WIDTH = 12;
const HEIGHT = 9;
const PIXELS = WIDTH * HEIGHT;
const size = { width: WIDTH, height: HEIGHT };

function planes(channels: number): fc.Arbitrary<Float32Array> {
  const level = fc.integer({ min: -4, max: 4 });
  return fc
    .array(level, { minLength: channels * PIXELS, maxLength: channels * PIXELS })
    .map((values) => Float32Array.from(values));
}

/** Channels last. */
function interleaved(data: Float32Array, channels: number): Float32Array {
  return Float32Array.from(
    data,
    (_, at) => data[(at % channels) * PIXELS + Math.floor(at / channels)] as number,
  );
}

/** Class of each pixel: all channels compared, the first of equals. */
function argmax(data: Float32Array, channels: number): number[] {
  return Array.from({ length: PIXELS }, (_, pixel) => {
    const values = Array.from({ length: channels }, (__, c) => data[c * PIXELS + pixel] as number);
    return values.indexOf(Math.max(...values));
  });
}

/** Pixels of a class over all its segments. */
function areaOf(result: HeadResult, index: number): number {
  return segments(result)
    .filter((found) => found.index === index)
    .reduce((sum, { area }) => sum + area, 0);
}

function count(classes: readonly number[], index: number): number {
  return classes.filter((value) => value === index).length;
}

describe('segmentation head', () => {
  it('gives each pixel the class of its highest channel, whichever way the channels lie', () => {
    fc.assert(
      fc.property(planes(3), (data) => {
        const expected = argmax(data, 3);
        for (const y of [
          tensor([1, 3, HEIGHT, WIDTH], data),
          tensor([1, HEIGHT, WIDTH, 3], interleaved(data, 3)),
        ]) {
          const result = segment(y, {}, size);
          assert.deepEqual([...(result.pictures?.['mask']?.data ?? [])], expected);
          for (const index of [1, 2]) assert.equal(areaOf(result, index), count(expected, index));
          assert.equal(areaOf(result, 0), 0);
        }
      }),
    );
  });

  it('takes a map of classes as it is', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: PIXELS, maxLength: PIXELS }), (classes) => {
        const result = segment(tensor([1, HEIGHT, WIDTH], classes, 'int64'), {}, size);
        assert.deepEqual([...(result.pictures?.['mask']?.data ?? [])], classes);
        for (const index of [1, 2, 3]) assert.equal(areaOf(result, index), count(classes, index));
      }),
    );
  });

  it('counts a pixel of one channel from the threshold on, as probability or as logit', () => {
    const probability = fc.float({ min: 0, max: 1, noNaN: true });
    const threshold = fc.float({ min: Math.fround(0.1), max: Math.fround(0.9), noNaN: true });
    fc.assert(
      fc.property(
        fc.array(probability, { minLength: PIXELS, maxLength: PIXELS }),
        threshold,
        (values, least) => {
          const expected = values.map((value) => (value >= least ? 1 : 0));
          const mask = (y: Output): number[] => [
            ...(segment(y, { threshold: least }, size).pictures?.['mask']?.data ?? []),
          ];
          assert.deepEqual(mask(tensor([1, 1, HEIGHT, WIDTH], values)), expected);
          assert.deepEqual(mask(tensor([1, HEIGHT, WIDTH], values)), expected);
          // far enough from 0…1 that nobody takes them for probabilities
          const logits = values.map((value) => (value >= least ? 5 : -5));
          assert.deepEqual(mask(tensor([1, 1, HEIGHT, WIDTH], logits)), expected);
        },
      ),
    );
  });

  it('reads every mask as the first one that is not all 0, and a hair below 0 as 0', () => {
    const bound = (): ((...values: number[]) => number[]) => {
      const outputs = [{ name: 'y', type: 'float32', shape: [1, 1, 2, 2] }];
      const plan = planHead({ task: 'segment' }, { inputs: [image()], outputs });
      const head = plan.bind(resolveInput([image()], {}, plan.input));
      const placement = { scaleX: 1, scaleY: 1, frameWidth: 8, frameHeight: 8 };
      return (...values) => [
        ...(head.read({ y: tensor([1, 1, 2, 2], values) }, placement).pictures?.['mask']?.data ?? []),
      ];
    };
    assert.deepEqual(bound()(0.2, -0, -1e-9, 0.9), [0, 0, 0, 1]);
    assert.deepEqual(bound()(0.2, -9e-4, 0, 0.9), [0, 0, 0, 1]);

    const logits = bound();
    assert.deepEqual(logits(0, 0, 0, 0), [0, 0, 0, 0]);
    assert.deepEqual(logits(-3, 2, 0.2, -1), [0, 1, 1, 0]);
    assert.deepEqual(logits(0.2, 0.3, 0.4, 0.9), [1, 1, 1, 1], 'logits within 0…1 stay logits');
    const ready = bound();
    ready(0.2, 0.3, 0.4, 0.9);
    assert.throws(() => ready(-3, 2, 0.2, -1), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
    assert.throws(() => ready(0, NaN, 0, 0), { code: 'SCORE_NOT_FINITE' });
  });

  it('says how sure it is: the mean probability of the pixels', () => {
    const four = (value: number): number[] => [value, value, -value, -value];
    const softmax = segment(tensor([1, 2, 2, 2], [...four(-1), ...four(1)]));
    assert.ok(Math.abs((segments(softmax)[0]?.score ?? 0) - 1 / (1 + Math.exp(-2))) < 1e-6);
    const ready = segment(tensor([1, 1, 2, 2], [0.6, 0.8, 0.1, 0.1]));
    assert.ok(Math.abs((segments(ready)[0]?.score ?? 0) - 0.7) < 1e-6);
    const sigmoid = segment(tensor([1, 1, 2, 2], [2, 2, -2, -2]));
    assert.ok(Math.abs((segments(sigmoid)[0]?.score ?? 0) - 1 / (1 + Math.exp(-2))) < 1e-6);
    assert.equal('score' in (segments(segment(tensor([1, 2, 2], [1, 1, 0, 0], 'int32')))[0] ?? {}), false);
  });

  it('gives connected areas, largest first, with box, share and polygon in pixels of the frame', () => {
    const classes = [1, 1, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0];
    const placement = { scaleX: 10, scaleY: 20, frameWidth: 40, frameHeight: 60 };
    const result = segment(
      tensor([1, 3, 4], classes, 'uint8'),
      { labels: ['background', 'dent', 'scratch'] },
      { width: 4, height: 3, placement },
    );
    assert.deepEqual(segments(result), [
      {
        index: 1,
        label: 'dent',
        area: 800,
        share: 4 / 12,
        box: [0, 0, 20, 40],
        polygons: [
          [
            [20, 0],
            [20, 40],
            [0, 40],
            [0, 0],
          ],
        ],
      },
      {
        index: 2,
        label: 'scratch',
        area: 200,
        share: 1 / 12,
        box: [30, 20, 10, 20],
        polygons: [
          [
            [40, 20],
            [40, 40],
            [30, 40],
            [30, 20],
          ],
        ],
      },
    ]);
  });

  it('cuts off the padding of a letterbox: the mask covers the frame', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4000 }),
        fc.integer({ min: 1, max: 4000 }),
        fc.constantFrom(1, 4),
        (frameWidth, frameHeight, stride) => {
          const side = 64;
          const scale = Math.min(side / frameWidth, side / frameHeight);
          const [width, height] = [frameWidth, frameHeight].map((length) =>
            Math.max(1, Math.min(side, Math.round(length * scale))),
          ) as [number, number];
          const placement = {
            scaleX: frameWidth / width,
            scaleY: frameHeight / height,
            frameWidth,
            frameHeight,
          };
          const cells = side / stride;
          const all = new Float32Array(cells * cells).fill(1);
          const result = segment(
            tensor([1, 1, cells, cells], all),
            {},
            { width: side, height: side, placement },
          );
          const [found] = segments(result);
          assert.equal(found?.share, 1);
          assert.deepEqual(found.box, [0, 0, frameWidth, frameHeight]);
          const mask = result.pictures?.['mask'];
          assert.ok(Math.abs((mask?.width ?? 0) - width / stride) <= 1);
          assert.ok(Math.abs((mask?.height ?? 0) - height / stride) <= 1);
        },
      ),
    );
  });

  it('leaves class 0 out as background, unless the labels make it a class like the others', () => {
    const y = tensor([1, 2, 2], [0, 0, 1, 1], 'int64');
    const labelled = (labels: string[] | undefined): string[] =>
      segments(segment(y, labels === undefined ? {} : { labels })).map(({ label }) => label);
    assert.deepEqual(labelled(undefined), ['1']);
    assert.deepEqual(labelled(['Background', 'dent']), ['dent']);
    assert.deepEqual(labelled(['road', 'car']), ['road', 'car']);
    const two = tensor([1, 2, 2, 2], [1, 1, 0, 0, 0, 0, 1, 1]);
    assert.deepEqual(
      segments(segment(two, { labels: ['dent'] })).map(({ label }) => label),
      ['dent'],
    );
  });

  it('names the foreground of one channel by the only label, or by the second', () => {
    const y = tensor([1, 1, 2, 2], [1, 1, 0, 0]);
    for (const labels of [['dent'], ['part', 'dent']]) {
      assert.deepEqual(
        segments(segment(y, { labels })).map(({ index, label }) => [index, label]),
        [[1, 'dent']],
      );
    }
  });

  it('leaves out areas that are too small, and says how many there were too many', () => {
    const dots = Float32Array.from({ length: 64 * 64 }, (_, pixel) =>
      pixel % 2 === 0 && Math.floor(pixel / 64) % 2 === 0 ? 1 : 0,
    );
    const setting = { width: 64, height: 64 };
    const { prediction } = segment(tensor([1, 1, 64, 64], dots), {}, setting);
    assert.equal((prediction['segments'] as unknown[]).length, 100);
    assert.equal(prediction['omitted'], 1024 - 100);
    assert.deepEqual(segments(segment(tensor([1, 1, 64, 64], dots), { minArea: 2 }, setting)), []);
  });

  it('stays below 256 kB of JSON, whatever the mask and the labels', () => {
    const side = 256;
    let seed = 1;
    const noise = Float32Array.from({ length: side * side }, () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % 5 < 2 ? 1 : 0;
    });
    const placement = { scaleX: 39.1, scaleY: 39.1, frameWidth: 10_009, frameHeight: 10_009 };
    const labels = ['background', '\u0001\u{1F600}'.repeat(1000)];
    const result = segment(
      tensor([1, 1, side, side], noise),
      { labels },
      { width: side, height: side, placement },
    );
    assert.ok(JSON.stringify(result.prediction).length < 256_000);
    for (const { polygons } of segments(result)) {
      for (const polygon of polygons) assert.ok(polygon.length <= 200);
    }
  });

  it('refuses a mask with what is not a number, and outputs that are no mask', () => {
    for (const bad of [NaN, Infinity]) {
      assert.throws(() => segment(tensor([1, 1, 2, 2], [bad, 1, 0, 0])), { code: 'SCORE_NOT_FINITE' });
      assert.throws(() => segment(tensor([1, 2, 2, 2], [0, 0, 0, 0, 0, bad, 0, 0])), {
        code: 'SCORE_NOT_FINITE',
      });
      assert.throws(() => segment(tensor([1, 2, 2, 2], [bad, 0, 0, 0, 0, 0, 0, 0])), {
        code: 'SCORE_NOT_FINITE',
      });
    }
    assert.throws(() => segment(tensor([1, 10], new Float32Array(10))), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
    assert.throws(() => segment(tensor([1, 2, 2], [70_000, 0, 0, 0], 'int64')), { code: 'RUN_FAILED' });
  });
});
