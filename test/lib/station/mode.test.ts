import assert from 'node:assert/strict';
import { LADDER, stepDown } from '../../../lib/station/mode.ts';

describe('the mode ladder', () => {
  it('goes down to any step and never up', () => {
    for (const [from, current] of LADDER.entries()) {
      for (const [to, wanted] of LADDER.entries()) {
        assert.equal(stepDown(current, wanted), LADDER[Math.max(from, to)]);
      }
    }
  });
});
