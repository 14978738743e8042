import assert from 'node:assert/strict';
import { isLate, openInspection } from '../../../lib/inspection/inspection.ts';

describe('a part', () => {
  const part = openInspection({ station: 'press 4', sequence: 1, deadlineMs: 900, monotonicNow: 1000 });

  it('is late when its deadline has passed', () => {
    assert.deepEqual(
      [1000, 1900, 1901].map((now) => isLate(part, now)),
      [false, false, true],
    );
  });

  it('is late when its clock is that of an earlier process, or none', () => {
    assert.equal(isLate(part, 999), true);
    assert.equal(isLate(part, NaN), true);
  });
});
