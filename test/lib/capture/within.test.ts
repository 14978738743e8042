import assert from 'node:assert/strict';
import { within } from '../../../lib/capture/within.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('waiting for what may never end', () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  let clock: FakeClock;
  let closing: AbortController;
  const wait = <Result>(work: Promise<Result>): Promise<Result> =>
    within(work, { timeoutMs: 100, signal: closing.signal, what: 'the share', clock });

  beforeEach(() => {
    clock = new FakeClock();
    closing = new AbortController();
  });

  afterEach(() => {
    assert.equal(clock.pending, 0, 'a timer is left behind');
  });

  it('gives what comes in time, the failure included', async () => {
    assert.equal(await wait(Promise.resolve(7)), 7);
    await assert.rejects(wait(Promise.reject(new Error('broken'))), /broken/);
  });

  it('ends when the time is over', async () => {
    const ended = assert.rejects(wait(never()), { code: 'CAPTURE_TIMEOUT', message: /within 100 ms/ });
    clock.advance(100);
    await ended;
  });

  it('ends when the source is closed, before or while waiting', async () => {
    const ended = assert.rejects(wait(never()), { code: 'CLOSED' });
    closing.abort();
    await ended;
    await assert.rejects(wait(never()), { code: 'CLOSED' });
  });

  it('lets the work fail later without anybody to hear it', async () => {
    let fail: (error: Error) => void = () => undefined;
    const ended = assert.rejects(wait(new Promise((_resolve, reject) => (fail = reject))), {
      code: 'CAPTURE_TIMEOUT',
    });
    clock.advance(100);
    await ended;
    fail(new Error('late'));
    await new Promise((resolve) => setImmediate(resolve));
  });
});
