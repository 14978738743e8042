import assert from 'node:assert/strict';
import { startWatchdog } from '../../../../lib/inference/host/watchdog.ts';

function holdLoop(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('watchdog', () => {
  it('expires once, and never before the limit', async () => {
    for (const limitMs of [0.5, 1, 7, 50]) {
      const begun = performance.now();
      let expiries = 0;
      await new Promise<void>((resolve) => {
        startWatchdog(limitMs, () => {
          expiries += 1;
          resolve();
        });
      });
      assert.ok(performance.now() - begun >= limitMs);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(expiries, 1);
    }
  });

  it('does not expire over one pause of the event loop, however long', async () => {
    let hasExpired = false;
    const expired = new Promise<void>((resolve) => {
      startWatchdog(100, () => {
        hasExpired = true;
        resolve();
      });
    });
    holdLoop(300);
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
    assert.equal(hasExpired, false);
    await expired;
  });

  it('does not expire once it is stopped, in no phase of the loop', async () => {
    for (const phase of [setImmediate, (go: () => void) => setTimeout(go, 5)]) {
      const stop = startWatchdog(20, () => assert.fail('it was stopped'));
      await new Promise<void>((resolve) => phase(resolve));
      stop();
    }
    await new Promise((resolve) => setTimeout(resolve, 40));
  });
});
