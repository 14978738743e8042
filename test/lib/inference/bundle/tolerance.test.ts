import assert from 'node:assert/strict';
import { toleranceOf } from '../../../../lib/inference/bundle/tolerance.ts';
import { differencesOf } from '../../../../lib/inference/trial/golden.ts';

type Answer = Record<string, unknown>;

const passes = (expected: Answer, got: Answer): boolean =>
  differencesOf({ expected, tolerance: toleranceOf(expected) }, got).length === 0;

describe('the tolerance of a golden answer', () => {
  it('goes with the size of what is measured', () => {
    const measured = (...values: number[]): Answer => ({
      task: 'regress',
      values: values.map((value, index) => ({ name: `v${index}`, value })),
    });
    assert.equal(passes(measured(0.004), measured(-0.004)), false);
    assert.equal(passes(measured(0.004), measured(0.00401)), true);
    assert.equal(passes(measured(120, 0.004), measured(120.5, 0.09)), true);
    assert.equal(passes(measured(0), measured(1e-7)), true);
  });

  it('keeps vectors in their direction', () => {
    const vector = Array.from({ length: 2048 }, (_, at) => Math.sin(at * at) / 32);
    const shifted = (by: number): Answer => ({
      task: 'embed',
      vector: vector.map((value, at) => value + (at % 2 === 0 ? by : -by)),
    });
    assert.equal(passes(shifted(0), shifted(0.0005)), true);
    assert.equal(passes(shifted(0), shifted(0.009)), false);
  });

  it('is 0.01 and 1 % of scores and boxes', () => {
    assert.deepEqual(toleranceOf({ task: 'detect', objects: [] }), { absolute: 0.01, relative: 0.01 });
  });
});
