import assert from 'node:assert/strict';
import { histogram } from '../../../lib/gate/histogram.ts';

describe('a histogram', () => {
  it('counts every score once, the largest in the last bar', () => {
    assert.deepEqual(histogram([0, 0.1, 1, 2, 4], 4), { from: 0, to: 4, counts: [2, 1, 1, 1] });
  });

  it('is one bar for scores that are all the same, and none without scores', () => {
    assert.deepEqual(histogram([2, 2], 4), { from: 2, to: 2, counts: [2] });
    assert.equal(histogram([], 4), undefined);
  });
});
