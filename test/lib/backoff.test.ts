import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Backoff, fullJitterMs } from '../../lib/backoff.ts';

const bounds = { firstMs: 500, maxMs: 30_000 };
const chance = fc.double({ min: 0, max: 1, noNaN: true });

describe('the wait between attempts', () => {
  it('never leaves the upper half of a bound that doubles up to its limit', () => {
    fc.assert(
      fc.property(fc.array(chance, { minLength: 1, maxLength: 1100 }), (chances) => {
        let attempt = 0;
        const backoff = new Backoff(bounds, () => chances[attempt] ?? 0);
        for (; attempt < chances.length; attempt += 1) {
          const fullMs = Math.min(30_000, 500 * 2 ** attempt);
          const waitMs = backoff.nextMs();
          assert.ok(waitMs >= fullMs / 2 && waitMs <= fullMs, `${waitMs} ms at attempt ${attempt}`);
        }
      }),
    );
  });

  it('starts over after a success', () => {
    const backoff = new Backoff(bounds, () => 1);
    assert.deepEqual([backoff.nextMs(), backoff.nextMs(), backoff.nextMs()], [500, 1000, 2000]);
    backoff.reset();
    assert.equal(backoff.nextMs(), 500);
  });

  it('falls anywhere below the bound with full jitter', () => {
    const minute = { firstMs: 500, maxMs: 60_000 };
    assert.deepEqual(
      [0, 1, 2, 6, 7, 100, 5000].map((attempt) => fullJitterMs(attempt, 1, minute)),
      [500, 1000, 2000, 32_000, 60_000, 60_000, 60_000],
    );
    assert.equal(fullJitterMs(5, 0, minute), 0);
  });
});
