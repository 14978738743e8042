import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Adwin } from '../../../lib/statistics/adwin.ts';
import { Cusum } from '../../../lib/statistics/cusum.ts';
import type { ChangeDetector } from '../../../lib/statistics/detector.ts';
import { Ewma } from '../../../lib/statistics/ewma.ts';
import { PageHinkley } from '../../../lib/statistics/page-hinkley.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

/** Each as it would be used on a standard normal stream, made from what an earlier one remembered. */
const DETECTORS: Readonly<Record<string, (state?: never) => ChangeDetector<unknown>>> = {
  EWMA: (state) => new Ewma({ mean: 0, deviation: 1 }, state),
  CUSUM: (state) => new Cusum({ mean: 0, deviation: 1 }, state),
  'Page–Hinkley': (state) => new PageHinkley({ threshold: 20, tolerance: 0.1, direction: 'both' }, state),
  ADWIN: (state) => new Adwin({}, state),
};

describe('a change detector', () => {
  for (const [name, create] of Object.entries(DETECTORS)) {
    it(`goes on after a restart as if it had never stopped: ${name}`, () => {
      fc.assert(
        fc.property(fc.integer(), fc.integer({ min: 0, max: 600 }), (seed, stop) => {
          const random = seededRandom(seed);
          const stream = Array.from({ length: 600 }, (_, index) => random.normal() + (index < 300 ? 0 : 1));
          const whole = create();
          const before = create();
          const expected = stream.map((value) => whole.update(value));
          const first = stream.slice(0, stop).map((value) => before.update(value));
          const after = create(JSON.parse(JSON.stringify(before)) as never);
          assert.deepEqual([...first, ...stream.slice(stop).map((value) => after.update(value))], expected);
        }),
        { numRuns: 20 },
      );
    });

    it(`finds a shift of one standard deviation within 300 values: ${name}`, () => {
      const random = seededRandom(5);
      const detector = create();
      for (let index = 0; index < 500; index += 1) detector.update(random.normal());
      const found = Array.from({ length: 300 }, () => detector.update(random.normal() + 1));
      assert.ok(found.includes(true));
    });

    it(`refuses a value that is no number and forgets it: ${name}`, () => {
      const detector = create();
      for (const value of [0.5, 1, -0.5]) detector.update(value);
      const before = JSON.stringify(detector);
      for (const value of [NaN, Infinity, -Infinity]) {
        assert.throws(() => detector.update(value), { code: 'NOT_FINITE' });
      }
      assert.equal(JSON.stringify(detector), before);
    });
  }

  it('with options that cannot be is refused', () => {
    for (const create of [
      () => new Ewma({ mean: 0, deviation: 0 }),
      () => new Ewma({ mean: 0, deviation: 1, weight: 2 }),
      () => new Cusum({ mean: 0, deviation: 1, limit: 0 }),
      () => new PageHinkley({ forgetting: 0 }),
      () => new Adwin({ delta: 1 }),
      () => new Adwin({ clock: 0 }),
    ]) {
      assert.throws(create, { code: 'OPTION_INVALID' });
    }
  });
});

describe('the EWMA of the NIST handbook, 6.3.2.4', () => {
  const values = [
    52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6,
    52.4, 53.6, 52.1,
  ];
  const published = [
    50.6, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33, 50.11, 49.36, 49.52, 50.05, 49.38,
    49.92, 50.73, 51.23, 51.94, 51.99,
  ];

  it('is what is printed there, and stays within its limits', () => {
    const ewma = new Ewma({ mean: 50, deviation: 2.0539, weight: 0.3 });
    values.forEach((value, index) => {
      assert.equal(ewma.update(value), false);
      assert.ok(Math.abs(ewma.value - (published[index] ?? 0)) < 0.006, `value ${index + 1}`);
    });
    assert.ok(Math.abs(ewma.reach - 2.5884) < 0.001);
  });
});

describe('the CUSUM of the NIST handbook, 6.3.2.3', () => {
  const values = [
    324.925, 324.675, 324.725, 324.35, 325.35, 325.225, 324.125, 324.525, 325.225, 324.6, 324.625, 325.15,
    328.325, 327.25, 327.825, 328.5, 326.675, 327.775, 326.875, 328.35,
  ];

  it('alarms from the 14th group on, with the sums printed there', () => {
    // h = 4.1959 and k = 0.3175 in the unit of the values.
    const cusum = new Cusum({ mean: 325, deviation: 1, slack: 0.3175, limit: 4.1959 });
    const alarms = values.map((value) => [cusum.update(value), cusum.high] as const);
    assert.equal(
      alarms.findIndex(([alarm]) => alarm),
      13,
    );
    assert.ok(Math.abs((alarms[13]?.[1] ?? 0) - 4.94) < 0.005);
    cusum.reset();
    assert.equal(cusum.update(325), false);
  });
});

describe('ADWIN', () => {
  it('remembers a window of a hundred thousand values in fewer than a hundred numbers of buckets', () => {
    const random = seededRandom(1);
    const adwin = new Adwin({ delta: 1e-9 });
    for (let index = 0; index < 100_000; index += 1) adwin.update(random.normal());
    assert.equal(adwin.width, 100_000);
    assert.ok(Math.abs(adwin.mean) < 0.02);
    assert.ok(adwin.toJSON().buckets.length < 100);
  });

  it('keeps the exact mean of its window', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 200 }),
        (values) => {
          const adwin = new Adwin({ delta: 1e-300 });
          for (const value of values) adwin.update(value);
          const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
          assert.ok(Math.abs(adwin.mean - mean) < 1e-9);
        },
      ),
    );
  });
});
