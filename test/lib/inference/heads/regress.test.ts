import assert from 'node:assert/strict';
import { read, tensor } from './reading.ts';

describe('regression head', () => {
  it('gives the values of an output by name and unit', () => {
    const { prediction } = read(
      { task: 'regress', names: ['width', 'height'], units: ['mm'] },
      { y: tensor([1, 3], [1, 2, 3]) },
    );
    assert.deepEqual(prediction, {
      task: 'regress',
      values: [
        { name: 'width', value: 1, unit: 'mm' },
        { name: 'height', value: 2 },
        { name: 'y 3', value: 3 },
      ],
    });
  });

  it('gives all outputs of one value each, by their names', () => {
    const outputs = { angle: tensor([1, 1], [30]), length: tensor([1], [12]) };
    assert.deepEqual(read({ task: 'regress' }, outputs).prediction['values'], [
      { name: 'angle', value: 30 },
      { name: 'length', value: 12 },
    ]);
    assert.deepEqual(read({ task: 'regress', output: 'length' }, outputs).prediction['values'], [
      { name: 'length', value: 12 },
    ]);
  });

  it('refuses what is not a number, and more values than anyone names', () => {
    assert.throws(() => read({ task: 'regress' }, { y: tensor([1, 2], [0, NaN]) }), {
      code: 'SCORE_NOT_FINITE',
    });
    assert.throws(() => read({ task: 'regress' }, { y: tensor([1, 65], new Float32Array(65)) }), {
      code: 'MODEL_OUTPUT_UNSUPPORTED',
    });
    assert.throws(() => read({ task: 'regress', output: 'z' }, { y: tensor([1, 2], [0, 1]) }), {
      code: 'MODEL_OUTPUT_UNSUPPORTED',
    });
  });
});
