import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FrameQueue, type QueuePolicy } from '../../../../lib/inference/host/queue.ts';

describe('frame queue', () => {
  it('never holds more than its limit, and loses nothing without saying so', () => {
    const policy = fc.constantFrom<QueuePolicy[]>('latest-wins', 'drop-oldest', 'block');
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 5 }), fc.array(fc.boolean()), (name, limit, steps) => {
        const queue = new FrameQueue<number>(name, limit);
        const waiting: number[] = [];
        steps.forEach((isPush, item) => {
          if (!isPush) {
            assert.equal(queue.shift(), waiting.shift());
          } else if (name === 'block' && waiting.length === queue.limit) {
            assert.throws(() => queue.push(item), { code: 'QUEUE_FULL' });
          } else {
            const expected = waiting.length === queue.limit ? waiting.shift() : undefined;
            assert.equal(queue.push(item), expected);
            waiting.push(item);
          }
          assert.ok(queue.length <= queue.limit);
        });
        assert.deepEqual(queue.drain(), waiting);
      }),
    );
  });

  it('keeps one frame only where the latest wins', () => {
    assert.equal(new FrameQueue('latest-wins', 10).limit, 1);
  });
});
