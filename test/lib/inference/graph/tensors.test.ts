import assert from 'node:assert/strict';
import { halfToFloat, outputTensor } from '../../../../lib/inference/graph/tensors.ts';

/** Bits of binary16 and what they mean (IEEE 754-2019, table 3.5). */
const HALVES: readonly [number, number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 0.333251953125],
  [0x7bff, 65504],
  [0x0400, 2 ** -14],
  [0x0001, 2 ** -24],
  [0x83ff, -1023 * 2 ** -24],
  [0x7c00, Infinity],
  [0xfc00, -Infinity],
  [0x7e00, NaN],
];

describe('outputs of a graph', () => {
  it('reads half precision, as bits where Node has no array of it', () => {
    for (const [bits, number] of HALVES) assert.equal(halfToFloat(bits), number);
    const data = Uint16Array.from(HALVES, ([bits]) => bits);
    const expected = Float32Array.from(HALVES, ([, number]) => number);
    assert.deepEqual(outputTensor({ type: 'float16', data, dims: [HALVES.length] }).data, expected);
  });

  it('takes integers for what they are', () => {
    const counts = outputTensor({ type: 'uint16', data: Uint16Array.of(0, 15_360), dims: [2] });
    assert.deepEqual(counts.data, Float32Array.of(0, 15_360));
    const large = outputTensor({ type: 'int64', data: BigInt64Array.of(-3n, 7n), dims: [2] });
    assert.deepEqual(large.data, Float32Array.of(-3, 7));
  });

  it('hands floats on without a copy', () => {
    const data = Float32Array.of(1, 2);
    assert.equal(outputTensor({ type: 'float32', data, dims: [2] }).data, data);
  });
});
