import assert from 'node:assert/strict';
import { CaptureError } from '../../../lib/capture/errors.ts';
import { keepConnected } from '../../../lib/capture/reconnect.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Lets every promise that can settle do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('reconnecting', () => {
  it('announces each outage once and starts over with short delays after a recovery', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const events: string[] = [];
    let reachable = false;
    let drop: (error: Error) => void = () => undefined;
    let attempts = 0;
    const running = keepConnected(
      {
        session: async (_signal, up) => {
          attempts += 1;
          if (!reachable) throw new Error('connection refused');
          up();
          await new Promise((_resolve, reject) => (drop = reject));
        },
        lost: (error) => events.push(`${error.code} ${error.message}`),
        restored: () => events.push('restored'),
        clock,
        random: () => 1,
        what: 'cam',
      },
      abort.signal,
    );
    for (const delay of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      await settle();
      const before = attempts;
      clock.advance(delay - 1);
      await settle();
      assert.equal(attempts, before, `tries again before ${delay} ms are over`);
      clock.advance(1);
      await settle();
      assert.equal(attempts, before + 1, `does not try again after ${delay} ms`);
    }
    assert.deepEqual(events, ['CAMERA_LOST cam: connection refused']);
    reachable = true;
    clock.advance(30_000);
    await settle();
    assert.deepEqual(events.slice(1), ['restored']);
    drop(new CaptureError('CAMERA_LOST', 'frozen'));
    await settle();
    assert.deepEqual(events.slice(2), ['CAMERA_LOST frozen']);
    clock.advance(500);
    await settle();
    assert.deepEqual(events.slice(3), ['restored']);
    abort.abort();
    drop(new Error('closed'));
    await running;
    assert.equal(events.length, 4);
    assert.equal(clock.pending, 0);
  });

  describe('of what can be knocked at', () => {
    /** What keeps failing with `code` while the port answers as `answers` says; `advance` in steps of 100 ms. */
    const keep = (code: 'CAMERA_LOST' | 'CAMERA_REFUSED', random = 1) => {
      const clock = new FakeClock();
      const abort = new AbortController();
      const world = { answers: false, knocks: 0, attempts: [] as number[] };
      const running = keepConnected(
        {
          session: () => {
            world.attempts.push(clock.now());
            return Promise.reject(new CaptureError(code, 'no'));
          },
          reachable: () => {
            world.knocks += 1;
            return Promise.resolve(world.answers);
          },
          lost: () => undefined,
          restored: () => undefined,
          clock,
          random: () => random,
          what: 'cam',
        },
        abort.signal,
      );
      const advance = async (ms: number): Promise<void> => {
        await settle();
        for (let passed = 0; passed < ms; passed += 100) {
          clock.advance(100);
          await settle();
        }
      };
      const stop = async (): Promise<void> => {
        abort.abort();
        await running;
        assert.equal(clock.pending, 0);
      };
      return { world, clock, advance, stop };
    };

    it('tries a camera within two seconds of its port answering again, however long it was away', async () => {
      const { world, clock, advance, stop } = keep('CAMERA_LOST');
      await advance(600_000);
      const attempts = world.attempts.length;
      // The last wait began less than 30 s ago; let it end, so that a whole one lies ahead.
      while (world.attempts.length === attempts) await advance(100);
      await advance(5000);
      const [backAt, before] = [clock.now(), world.attempts.length];
      world.answers = true;
      while (world.attempts.length === before) await advance(100);
      const tookMs = (world.attempts.at(-1) ?? 0) - backAt;
      assert.ok(tookMs <= 2000, `tried after ${tookMs} ms`);
      await stop();
    });

    it('spreads the gateways that see the same camera come back', async () => {
      const triedAfter = async (random: number): Promise<number> => {
        const { world, clock, advance, stop } = keep('CAMERA_LOST', random);
        await advance(120_000);
        const attempts = world.attempts.length;
        while (world.attempts.length === attempts) await advance(100);
        await advance(5000);
        const backAt = clock.now();
        world.answers = true;
        while (world.attempts.length === attempts + 1) await advance(100);
        await stop();
        return (world.attempts.at(-1) ?? 0) - backAt;
      };
      assert.equal((await triedAfter(0.9)) - (await triedAfter(0.1)), 800);
    });

    it('tries a camera that takes connections and brings nothing every three seconds', async () => {
      const { world, advance, stop } = keep('CAMERA_LOST');
      world.answers = true;
      await advance(60_000);
      const gaps = world.attempts.slice(1).map((at, index) => at - (world.attempts[index] ?? 0));
      assert.deepEqual(gaps.slice(0, 5), [500, 1000, 2000, 3000, 3000]);
      await stop();
    });

    it('does not hurry a camera that refuses the sign-in', async () => {
      const { world, advance, stop } = keep('CAMERA_REFUSED');
      world.answers = true;
      await advance(120_000);
      const gaps = world.attempts.slice(1).map((at, index) => at - (world.attempts[index] ?? 0));
      assert.deepEqual(gaps.slice(-2), [30_000, 30_000]);
      assert.equal(world.knocks, 0);
      await stop();
    });
  });
});
