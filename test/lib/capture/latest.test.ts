import assert from 'node:assert/strict';
import { CaptureError } from '../../../lib/capture/errors.ts';
import { LatestImage } from '../../../lib/capture/latest.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const image = (partId: string): CapturedImage => ({
  bytes: Buffer.alloc(0),
  format: 'jpeg',
  width: 1,
  height: 1,
  capturedAt: new Date(0),
  partId,
});

describe('matching triggers and images', () => {
  const signal = new AbortController().signal;
  const options = { maxAgeMs: 40, timeoutMs: 1000, signal, what: 'cam' };

  it('gives a trigger the newest image while it is fresh, and each image to one trigger only', async () => {
    const clock = new FakeClock();
    const latest = new LatestImage(clock);
    latest.put(image('a'));
    latest.put(image('b'));
    clock.advance(40);
    assert.equal((await latest.take(options)).partId, 'b');
    const waiting = [latest.take(options), latest.take(options)];
    latest.put(image('c'));
    latest.put(image('d'));
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ partId }) => partId),
      ['c', 'd'],
    );
  });

  it('never gives a trigger an image that is too old', async () => {
    const clock = new FakeClock();
    const latest = new LatestImage(clock);
    latest.put(image('old'));
    clock.advance(41);
    const waiting = latest.take(options);
    latest.put(image('new'));
    assert.equal((await waiting).partId, 'new');
  });

  it('ends a trigger that waits too long, or whose node is closed, and serves the next one', async () => {
    const clock = new FakeClock();
    const latest = new LatestImage(clock);
    const late = latest.take(options);
    clock.advance(1000);
    await assert.rejects(late, { code: 'CAPTURE_TIMEOUT' });
    const close = new AbortController();
    const closed = latest.take({ ...options, signal: close.signal });
    close.abort();
    await assert.rejects(closed, { code: 'CLOSED' });
    assert.equal(latest.wanted, false);
    const served = latest.take(options);
    latest.put(image('a'));
    assert.equal((await served).partId, 'a');
    assert.equal(clock.pending, 0);
  });

  it('ends every waiting trigger when the camera is lost, and forgets what it saw', async () => {
    const clock = new FakeClock();
    const latest = new LatestImage(clock);
    const waiting = [latest.take(options), latest.take(options)];
    latest.fail(new CaptureError('CAMERA_LOST', 'gone'));
    for (const trigger of waiting) await assert.rejects(trigger, { code: 'CAMERA_LOST' });
    latest.put(image('a'));
    latest.fail(new CaptureError('CAMERA_LOST', 'gone'));
    const next = latest.take(options);
    assert.equal(latest.wanted, true);
    latest.put(image('b'));
    assert.equal((await next).partId, 'b');
  });
});
