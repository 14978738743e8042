import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toHalves } from '../../../../lib/anomaly/heads/half.ts';
import { halfToFloat } from '../../../../lib/inference/graph/tensors.ts';

describe('half precision', () => {
  it('is the nearest half of any number', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (number) => {
        const [bits = 0] = toHalves(Float32Array.of(number));
        const error = Math.abs(halfToFloat(bits) - number);
        for (const beside of [bits - 1, bits + 1]) {
          const other = halfToFloat(beside & 0xffff);
          if (Number.isFinite(other)) assert.ok(error <= Math.abs(other - number), `${number} as ${bits}`);
        }
      }),
    );
  });

  it('leaves every half as it is', () => {
    const bits = Array.from({ length: 0x10000 }, (_, index) => index).filter(
      (half) => (half & 0x7c00) !== 0x7c00,
    );
    assert.deepEqual([...toHalves(Float32Array.from(bits, halfToFloat))], bits);
  });

  it('takes the even one of two that are equally near', () => {
    const halves = toHalves(Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 3 * 2 ** -25, 2 ** -25));
    assert.deepEqual([...halves], [0x3c00, 0x3c02, 2, 0]);
  });
});
