import assert from 'node:assert/strict';
import { Lane } from '../../../lib/plc/lane.ts';

describe('the way to a tag', () => {
  it('lets one command through at a time and keeps the newest of those that wait', async () => {
    const lane = new Lane();
    assert.equal(await lane.enter(), true);
    const second = lane.enter();
    const third = lane.enter();
    assert.equal(await second, false);
    lane.leave();
    assert.equal(await third, true);
    lane.leave();
    assert.equal(await lane.enter(), true);
  });
});
