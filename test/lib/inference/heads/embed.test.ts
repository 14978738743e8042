import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { EmbedOptions } from '../../../../lib/inference/heads/head.ts';
import { read, tensor, type Output, type Setting } from './reading.ts';

function vector(y: Output, options: Partial<EmbedOptions> = {}, setting: Setting = {}): number[] {
  return read({ task: 'embed', ...options }, { y }, setting).prediction['vector'] as number[];
}

const number = fc.float({ min: -100, max: 100, noNaN: true });

describe('embedding head', () => {
  it('gives a vector of length 1 in the direction of the features', () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 1, maxLength: 50 }), (values) => {
        const result = vector(tensor([1, values.length], values));
        const length = Math.hypot(...values);
        if (length < 1e-3) return;
        assert.ok(Math.abs(Math.hypot(...result) - 1) < 1e-5);
        result.forEach((value, at) => {
          assert.ok(Math.abs(value * length - (values[at] as number)) < 1e-4 * length);
        });
      }),
    );
  });

  it('pools a feature map to the mean of its places, in both layouts, and tokens to theirs', () => {
    const [channels, places] = [3, 6];
    fc.assert(
      fc.property(fc.array(number, { minLength: 18, maxLength: 18 }), (planar) => {
        const means = Array.from({ length: channels }, (_, channel) => {
          const own = planar.slice(channel * places, (channel + 1) * places);
          return own.reduce((sum, value) => sum + value, 0) / places;
        });
        const turned = planar.map(
          (_, at) => planar[(at % channels) * places + Math.floor(at / channels)] ?? 0,
        );
        const raw = { normalise: false };
        for (const result of [
          vector(tensor([1, 3, 2, 3], planar), raw),
          vector(tensor([1, 2, 3, 3], turned), raw, { layout: 'nhwc' }),
          vector(tensor([1, 6, 3], turned), raw),
        ]) {
          result.forEach((value, at) => {
            assert.ok(Math.abs(value - (means[at] as number)) < 1e-4);
          });
        }
      }),
    );
  });

  it('leaves a vector of nothing as it is', () => {
    assert.deepEqual(vector(tensor([1, 2, 1, 1], [0, 0])), [0, 0]);
  });

  it('refuses what is not a number, and vectors that are too long', () => {
    assert.throws(() => vector(tensor([1, 2], [0, Infinity])), { code: 'SCORE_NOT_FINITE' });
    assert.throws(() => vector(tensor([1, 5000], new Float32Array(5000))), { code: 'OUTPUT_TOO_LARGE' });
    assert.equal(vector(tensor([1, 4096], new Float32Array(4096).fill(-1.2345678e-30))).length, 4096);
  });
});
