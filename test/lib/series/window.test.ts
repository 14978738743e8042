import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SampleWindow, type WindowOptions } from '../../../lib/series/window.ts';

const plain: WindowOptions = { channels: ['x'], clock: 'rate', sourceHz: 10, size: 4, hop: 2 };

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
}

describe('windows of samples', () => {
  it('hands out samples of a fixed rate as they are, overlapping by the hop', () => {
    const window = new SampleWindow({ ...plain, units: { x: 'm/s²' } });
    const { windows, gaps } = window.add({ x: [1, 2, 3, 4, 5, 6, 7] });
    assert.deepEqual(
      windows.map(({ startedAtMs, channels }) => [startedAtMs, ...(channels['x'] ?? [])]),
      [
        [0, 1, 2, 3, 4],
        [200, 3, 4, 5, 6],
      ],
    );
    assert.deepEqual([windows[0]?.units, windows[0]?.rateHz, gaps], [{ x: 'm/s²' }, 10, []]);
    assert.deepEqual(Array.from(window.add({ x: 8 }).windows[0]?.channels['x'] ?? []), [5, 6, 7, 8]);
  });

  it('gives the same windows however the samples are cut into blocks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        (samples, block, size, hop) => {
          const options: WindowOptions = { ...plain, size: size + hop, hop };
          const whole = new SampleWindow(options).add({ x: samples }).windows;
          const pieces = new SampleWindow(options);
          const found = [];
          for (let start = 0; start < samples.length; start += block)
            found.push(...pieces.add({ x: samples.slice(start, start + block) }).windows);
          assert.deepEqual(found, whole);
          assert.equal(whole.length, Math.max(0, Math.floor((samples.length - size - hop) / hop) + 1));
        },
      ),
    );
  });

  it('puts jittering timestamps on a regular grid: a straight line stays one', () => {
    const window = new SampleWindow({ ...plain, clock: 'timestamps', rateHz: 10 });
    const times = [1000, 1090, 1215, 1300, 1390, 1502];
    const [first] = times.flatMap((time) => window.add({ x: time / 100 }, time).windows);
    assert.equal(first?.startedAtMs, 1000);
    for (const [index, value] of [10, 11, 12, 13].entries())
      assert.ok(Math.abs((first.channels['x']?.[index] ?? NaN) - value) < 1e-9);
  });

  it('brings channels of different clocks onto one grid and waits for the slowest', () => {
    const window = new SampleWindow({
      channels: ['fast', 'slow'],
      clock: 'timestamps',
      rateHz: 10,
      size: 3,
      hop: 3,
      maxGapMs: 1000,
    });
    const found = [];
    found.push(...window.add({ slow: 0 }, 50).windows);
    for (let time = 100; time <= 500; time += 100) found.push(...window.add({ fast: time }, time).windows);
    assert.equal(found.length, 0);
    found.push(...window.add({ slow: 45 }, 500).windows);
    assert.equal(found.length, 1);
    // The grid began with the first sample, at 50; the fast channel's first point on it is 150.
    assert.equal(found[0]?.startedAtMs, 150);
    assert.deepEqual(Array.from(found[0].channels['fast'] ?? [], Math.round), [150, 250, 350]);
    assert.deepEqual(Array.from(found[0].channels['slow'] ?? [], Math.round), [10, 20, 30]);
  });

  it('never lets a window span a gap, and says where the gap was', () => {
    const window = new SampleWindow({ ...plain, clock: 'timestamps', rateHz: 10, maxGapMs: 250 });
    for (const time of [0, 100, 200]) assert.deepEqual(window.add({ x: 1 }, time).windows, []);
    assert.deepEqual(window.add({ x: 2 }, 460).gaps, [{ channel: 'x', fromMs: 200, toMs: 460 }]);
    const windows = [560, 660, 760].flatMap((time) => window.add({ x: 2 }, time).windows);
    assert.equal(windows.length, 1);
    assert.equal(windows[0]?.startedAtMs, 460);
    assert.ok(windows[0].channels['x']?.every((value) => value === 2));
  });

  it('drops what the other channels hold when one falls silent', () => {
    const window = new SampleWindow({
      channels: ['x', 'y'],
      clock: 'timestamps',
      rateHz: 10,
      size: 3,
      hop: 3,
      maxGapMs: 250,
    });
    window.add({ x: 0, y: 0 }, 0);
    assert.deepEqual(window.add({ x: 0 }, 200).gaps, []);
    assert.deepEqual(window.add({ x: 0 }, 400).gaps, [{ channel: 'y', fromMs: 0, toMs: 400 }]);
  });

  it('takes a clock that was set back for a gap, and a late sample for an error', () => {
    const window = new SampleWindow({ ...plain, clock: 'timestamps', rateHz: 10, maxGapMs: 250 });
    window.add({ x: 0 }, 10_000);
    assert.equal(
      codeOf(() => window.add({ x: 0 }, 9_900)),
      'SAMPLE_OUT_OF_ORDER',
    );
    assert.equal(
      codeOf(() => window.add({ x: 0 }, 10_000)),
      'SAMPLE_OUT_OF_ORDER',
    );
    assert.equal(window.add({ x: 0 }, 5_000).gaps.length, 1);
  });

  it('refuses what is not a measurement and keeps nothing of that call', () => {
    const window = new SampleWindow({ ...plain, channels: ['x', 'y'] });
    assert.equal(
      codeOf(() => window.add({ x: [1, 2], y: [1, NaN] })),
      'SAMPLE_INVALID',
    );
    assert.equal(
      codeOf(() => window.add({ x: [{ toString: false }] as unknown as number[] })),
      'SAMPLE_INVALID',
    );
    assert.equal(
      codeOf(() => window.add({ z: 1 })),
      'SAMPLE_INVALID',
    );
    assert.equal(
      codeOf(() => new SampleWindow({ ...plain, clock: 'timestamps' }).add({ x: 1 })),
      'SAMPLE_INVALID',
    );
    const { windows } = window.add({ x: [1, 2, 3, 4], y: [5, 6, 7, 8] });
    assert.deepEqual(Array.from(windows[0]?.channels['x'] ?? []), [1, 2, 3, 4]);
  });

  it('refuses windows that cannot be', () => {
    for (const wrong of [
      { size: 1 },
      { hop: 5 },
      { hop: 0 },
      { channels: [] },
      { channels: ['x', 'x'] },
      { rateHz: -1 },
      { maxGapMs: 0 },
    ])
      assert.equal(
        codeOf(() => new SampleWindow({ ...plain, ...wrong })),
        'WINDOW_INVALID',
        JSON.stringify(wrong),
      );
  });
});
