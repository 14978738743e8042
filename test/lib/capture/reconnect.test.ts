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
});
