import assert from 'node:assert/strict';
import { CaptureError } from '../../../lib/capture/errors.ts';
import { grabAtInterval } from '../../../lib/capture/interval.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('taking pictures at an interval', () => {
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const image: CapturedImage = {
    bytes: Buffer.alloc(0),
    format: 'jpeg',
    width: 1,
    height: 1,
    capturedAt: new Date(0),
  };
  let clock: FakeClock;
  let events: string[];
  /** The grabs under way, oldest first. */
  let grabs: { signal: AbortSignal; give(): void; fail(error: Error): void }[];
  let stop: () => Promise<void>;

  const begin = (taken: () => Promise<void> = () => Promise.resolve()): void => {
    stop = grabAtInterval(
      {
        grab: (signal) =>
          new Promise((resolve, reject) => {
            signal.addEventListener('abort', () => reject(new CaptureError('CLOSED', 'closed')));
            grabs.push({ signal, give: () => resolve(image), fail: reject });
          }),
      },
      {
        intervalMs: 100,
        image: async () => {
          events.push('image');
          await taken();
        },
        failed: (error) => {
          events.push(error.code);
          return Promise.resolve();
        },
        skipped: (count) => events.push(`skipped ${count}`),
        clock,
      },
    );
  };
  const beat = async (): Promise<void> => {
    clock.advance(100);
    await settle();
  };

  beforeEach(() => {
    clock = new FakeClock();
    events = [];
    grabs = [];
  });

  afterEach(async () => {
    await stop();
    assert.equal(clock.pending, 0, 'a timer is left behind');
  });

  it('takes the first picture after one interval and then one each', async () => {
    begin();
    clock.advance(99);
    assert.equal(grabs.length, 0);
    clock.advance(1);
    for (let count = 1; count <= 3; count += 1) {
      assert.equal(grabs.length, count);
      grabs.at(-1)?.give();
      await settle();
      await beat();
    }
    assert.deepEqual(events, ['image', 'image', 'image']);
  });

  it('never asks twice at once: a beat that finds the camera busy is skipped and counted', async () => {
    begin();
    for (let count = 0; count < 4; count += 1) await beat();
    assert.equal(grabs.length, 1);
    assert.deepEqual(events, ['skipped 1', 'skipped 2', 'skipped 3']);
    grabs[0]?.give();
    await settle();
    await beat();
    assert.equal(grabs.length, 2);
    for (let count = 0; count < 2; count += 1) await beat();
    assert.deepEqual(events.slice(3), ['image', 'skipped 4', 'skipped 5']);
  });

  it('counts the time the part is taken in as busy, too', async () => {
    let release: () => void = () => undefined;
    begin(() => new Promise((resolve) => (release = resolve)));
    await beat();
    grabs[0]?.give();
    await settle();
    await beat();
    assert.deepEqual([grabs.length, ...events], [1, 'image', 'skipped 1']);
    release();
    await settle();
    await beat();
    assert.equal(grabs.length, 2);
  });

  it('reports what kept the picture away, with its code, and goes on', async () => {
    begin();
    await beat();
    grabs[0]?.fail(new CaptureError('CAPTURE_TIMEOUT', 'late'));
    await beat();
    await beat();
    grabs[1]?.fail(new Error('anything'));
    await settle();
    await beat();
    assert.equal(grabs.length, 3);
    assert.deepEqual(
      events.filter((event) => !event.startsWith('skipped')),
      ['CAPTURE_TIMEOUT', 'CAMERA_LOST'],
    );
  });

  it('ends with the grab under way when it is stopped, and takes none after', async () => {
    begin();
    await beat();
    await stop();
    assert.equal(grabs[0]?.signal.aborted, true);
    assert.deepEqual(events, ['CLOSED']);
    clock.advance(1000);
    assert.equal(grabs.length, 1);
  });
});
