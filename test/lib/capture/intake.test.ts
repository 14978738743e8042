import assert from 'node:assert/strict';
import { Intake, type WhenBusy } from '../../../lib/capture/intake.ts';

/** An intake that takes an item only when told to. */
function intake(whenBusy: WhenBusy, queueLength = 2) {
  const taken: number[] = [];
  const dropped: number[] = [];
  const doors: (() => void)[] = [];
  const of = new Intake<number>({
    whenBusy,
    queueLength,
    take: (item) => {
      taken.push(item);
      return new Promise((resolve) => doors.push(resolve));
    },
    dropped: (count) => dropped.push(count),
  });
  const goOn = async (): Promise<void> => {
    doors.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { of, taken, dropped, goOn };
}

describe('Intake', () => {
  it('takes an item at once when it is idle', () => {
    const { of, taken } = intake('latest-wins');
    void of.put(1);
    assert.deepEqual(taken, [1]);
  });

  it('keeps the newest of what came while it was busy', async () => {
    const { of, taken, dropped, goOn } = intake('latest-wins');
    for (const item of [1, 2, 3, 4]) void of.put(item);
    assert.deepEqual(dropped, [1, 2]);
    await goOn();
    assert.deepEqual(taken, [1, 4]);
  });

  it('keeps a few, the oldest going first', async () => {
    const { of, taken, dropped, goOn } = intake('drop-oldest', 2);
    for (const item of [1, 2, 3, 4]) void of.put(item);
    assert.deepEqual(dropped, [1]);
    await goOn();
    await goOn();
    assert.deepEqual(taken, [1, 3, 4]);
  });

  it('holds up whoever brings an item, and drops none', async () => {
    const { of, taken, dropped, goOn } = intake('block');
    let isThrough = false;
    const first = of.put(1);
    const second = of.put(2);
    void second?.then(() => (isThrough = true));
    await goOn();
    assert.equal(isThrough, false);
    await goOn();
    await Promise.all([first, second]);
    assert.deepEqual([taken, dropped], [[1, 2], []]);
  });

  it('takes up again after it was idle', async () => {
    const { of, taken, goOn } = intake('latest-wins');
    void of.put(1);
    await goOn();
    void of.put(2);
    assert.deepEqual(taken, [1, 2]);
  });

  it('strands no item, whenever it comes', async () => {
    for (let offset = 0; offset < 8; offset += 1) {
      const taken: number[] = [];
      const of = new Intake<number>({
        whenBusy: 'latest-wins',
        queueLength: 1,
        take: (item) => {
          taken.push(item);
          return Promise.resolve();
        },
        dropped: () => undefined,
      });
      void of.put(1);
      for (let step = 0; step < offset; step += 1) await Promise.resolve();
      void of.put(2);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(taken, [1, 2], `after ${offset} steps`);
    }
  });

  it('takes nothing more once closed, and waits for what is under way', async () => {
    const { of, taken, goOn } = intake('drop-oldest');
    void of.put(1);
    void of.put(2);
    let isClosed = false;
    const closing = of.close().then(() => (isClosed = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isClosed, false);
    await goOn();
    await closing;
    assert.deepEqual(taken, [1]);
  });
});
