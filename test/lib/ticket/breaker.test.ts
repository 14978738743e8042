import assert from 'node:assert/strict';
import { Breaker } from '../../../lib/ticket/breaker.ts';

const OFFLINE_AFTER = 3;

describe('what drains after an MES was away', () => {
  const { signal } = new AbortController();

  /** When each of some deliveries began, in milliseconds since the first. */
  async function starts(breaker: Breaker, count: number): Promise<number[]> {
    const begun: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const leave = await breaker.enter(signal);
      begun.push(performance.now());
      breaker.succeeded();
      leave?.();
    }
    const [first = 0] = begun;
    return begun.map((at) => at - first);
  }

  /** An outage, and the first success after it. */
  async function outage(breaker: Breaker): Promise<void> {
    for (let failure = 0; failure < OFFLINE_AFTER; failure += 1) {
      const leave = await breaker.enter(signal);
      breaker.failed();
      leave?.();
    }
  }

  it('goes at the rate that was set, half to one and a half of its distance apart', async () => {
    for (const [random, meanMs] of [
      [0, 10],
      [0.5, 20],
      [1, 30],
    ] as const) {
      const breaker = new Breaker({ perSecond: 50, random: () => random });
      await outage(breaker);
      const last = (await starts(breaker, 6)).at(-1) ?? 0;
      assert.ok(last >= 5 * meanMs - 3, `five distances took ${last} ms, not ${5 * meanMs}`);
    }
  });

  it('goes as fast as the MES takes it without an outage, and where no rate was set', async () => {
    // A rate at which a single distance would take longer than the test may.
    await starts(new Breaker({ perSecond: 0.001 }), 6);
    const unlimited = new Breaker({ perSecond: 0 });
    await outage(unlimited);
    await starts(unlimited, 6);
  });
});
