/** Waiting for something that nothing tells of. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

const PAUSE_MS = 20;

/** Asks again and again, for ten seconds unless told; `what` is what was waited for in vain. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 10_000,
): Promise<void> {
  const giveUpAt = performance.now() + limitMs;
  while (!(await holds())) {
    assert.ok(performance.now() < giveUpAt, `waited in vain for ${what}`);
    await pause(PAUSE_MS);
  }
}
