import assert from 'node:assert/strict';
import { farthestPoints } from '../../../lib/statistics/farthest-points.ts';

describe('rows that stand for all', () => {
  it('are each the farthest from those before', () => {
    assert.deepEqual(farthestPoints([[0], [1], [10], [6], [9]], 3), [0, 2, 3]);
  });

  it('are fewer when the rest are copies', () => {
    assert.deepEqual(
      farthestPoints(
        [
          [1, 2],
          [1, 2],
          [3, 4],
          [3, 4],
        ],
        4,
      ),
      [0, 2],
    );
  });

  it('are none of none', () => {
    assert.deepEqual(farthestPoints([], 3), []);
  });
});
