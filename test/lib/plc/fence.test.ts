import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  ChangeFence,
  narrowedRange,
  rangeObjection,
  RateFence,
  stepObjection,
} from '../../../lib/plc/fence.ts';
import { sameValue, TAG_TYPES, typeObjection, type TagType } from '../../../lib/plc/tag-type.ts';

const INTEGER_WIDTHS: Partial<Record<TagType, [number, number]>> = {
  SByte: [-128, 127],
  Byte: [0, 255],
  Int16: [-32768, 32767],
  UInt16: [0, 65535],
  Int32: [-(2 ** 31), 2 ** 31 - 1],
  UInt32: [0, 2 ** 32 - 1],
};

/** Whatever a flow may put on a message, with the values that libraries turn into something else. */
const anything = fc.oneof(
  fc.constantFrom<unknown>(
    NaN,
    Infinity,
    -Infinity,
    -0,
    1e308,
    5e-324,
    '12',
    '',
    'abc',
    null,
    undefined,
    12n,
    [],
    [7],
  ),
  fc.constantFrom<unknown>(
    {},
    { valueOf: () => 7 },
    new Date(7),
    Symbol('7'),
    () => 7,
    new Number(7),
    true,
    false,
  ),
  fc.double(),
  fc.integer(),
  fc.anything(),
);
const limits = fc.record({
  min: fc.option(fc.double({ noNaN: true }), { nil: undefined }),
  max: fc.option(fc.double({ noNaN: true }), { nil: undefined }),
});

describe('the fence', () => {
  it('lets no value through that is not of the type and inside the limits, whatever a message carries', () => {
    fc.assert(
      fc.property(anything, fc.constantFrom(...TAG_TYPES), limits, limits, (value, type, ours, plcs) => {
        const ofPlc = { min: plcs.min ?? -Infinity, max: plcs.max ?? Infinity };
        if (rangeObjection(value, type, ours, ofPlc) !== undefined) return;
        if (type === 'Boolean') assert.equal(typeof value, 'boolean');
        else if (type === 'String') assert.equal(typeof value, 'string');
        else {
          assert.ok(typeof value === 'number' && Number.isFinite(value));
          assert.ok(value >= (ours.min ?? -Infinity) && value <= (ours.max ?? Infinity));
          assert.ok(value >= ofPlc.min && value <= ofPlc.max);
          const width = INTEGER_WIDTHS[type];
          if (width) assert.ok(Number.isInteger(value) && value >= width[0] && value <= width[1]);
          if (type === 'Float') assert.ok(Number.isFinite(Math.fround(value)));
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it('lets every value through that is inside', () => {
    fc.assert(
      fc.property(fc.integer({ min: -100, max: 100 }), (value) => {
        assert.equal(rangeObjection(value, 'Int16', { min: -100, max: 100 }), undefined);
        assert.equal(rangeObjection(value, 'Double', { min: -100 }, { min: -200, max: 100 }), undefined);
      }),
    );
  });

  it('is narrowed by the engineer and never widened', () => {
    assert.deepEqual(narrowedRange({ min: -10, max: 50 }, { min: 0, max: 60 }), { min: 0, max: 50 });
    assert.equal(rangeObjection(61, 'Double', { max: 1000 }, { min: 0, max: 60 }), '61 is above 60');
  });

  it('lets nothing through when a limit is not a number', () => {
    assert.notEqual(rangeObjection(1, 'Double', { min: NaN }), undefined);
    assert.notEqual(rangeObjection(1, 'Double', { max: NaN }), undefined);
  });

  it('refuses a step that is too large, in both directions', () => {
    assert.equal(stepObjection(45, 40, { maxStep: 5 }), undefined);
    assert.match(stepObjection(46, 40, { maxStep: 5 }) ?? '', /more than 5/);
    assert.match(stepObjection(34, 40, { maxStep: 5 }) ?? '', /more than 5/);
    assert.notEqual(stepObjection(34, NaN, { maxStep: 5 }), undefined);
  });

  it('keeps the sums of changes in a minute and in a lease inside of their limits', () => {
    const tries = fc.array(
      fc.record({
        by: fc.oneof(fc.double({ min: 0, max: 20 }), fc.constantFrom(NaN, Infinity, 1e308)),
        afterMs: fc.nat(40_000),
        lease: fc.constantFrom('first' as const, 'second' as const),
      }),
      { maxLength: 50 },
    );
    const sums = (changes: { by: number }[]): number => changes.reduce((sum, { by }) => sum + by, 0);
    const worst = (maxSlewPerMinute?: number, maxCumulative?: number): { minute: number; lease: number } => {
      const seen = { minute: 0, lease: 0 };
      fc.assert(
        fc.property(tries, (given) => {
          const fence = new ChangeFence();
          let sent: { at: number; by: number }[] = [];
          const ofLease = { first: [] as { by: number }[], second: [] as { by: number }[] };
          let now = 0;
          for (const { by, afterMs, lease } of given) {
            now += afterMs;
            if (fence.objection(by, now, lease, { maxSlewPerMinute, maxCumulative }) !== undefined) continue;
            fence.count(by, now, lease);
            sent = [...sent.filter(({ at }) => now - at < 60_000), { at: now, by }];
            ofLease[lease].push({ by });
            seen.minute = Math.max(seen.minute, sums(sent));
            seen.lease = Math.max(seen.lease, sums(ofLease[lease]));
          }
        }),
        { numRuns: 500 },
      );
      return seen;
    };
    const fenced = worst(30, 50);
    assert.ok(fenced.minute <= 30 + 1e-9 && fenced.lease <= 50 + 1e-9, JSON.stringify(fenced));
    const free = worst();
    assert.ok(free.minute > 30 && free.lease > 50, 'without the fences the same changes go beyond them');
  });

  it('takes back a change that was not made', () => {
    const fence = new ChangeFence();
    const limits = { maxSlewPerMinute: 10, maxCumulative: 10 };
    const takeBack = fence.count(8, 0, 'lease');
    assert.match(fence.objection(5, 1, 'lease', limits) ?? '', /more than 10/);
    takeBack();
    assert.equal(fence.objection(5, 1, 'lease', limits), undefined);
  });

  it('counts what was let through in the last minute', () => {
    const rate = new RateFence();
    assert.deepEqual(
      [0, 1000, 2000, 59_999, 60_000, 60_500, 61_000].map((nowMs) => rate.admit(nowMs, 2)),
      [true, true, false, false, true, false, true],
    );
    assert.equal(new RateFence().admit(0, NaN), false);
  });
});

describe('a tag type', () => {
  it('converts nothing', () => {
    for (const value of [undefined, null, '12', true, 12n, NaN]) {
      assert.notEqual(typeObjection(value, 'Double'), undefined, String(value));
    }
    assert.notEqual(typeObjection(1, 'Boolean'), undefined);
    assert.notEqual(typeObjection(3.7, 'Int32'), undefined);
    assert.notEqual(typeObjection(70_000, 'UInt16'), undefined);
    assert.notEqual(typeObjection(1e300, 'Float'), undefined);
  });

  it('knows that a 32-bit tag holds the nearest value it can', () => {
    assert.equal(sameValue(0.1, Math.fround(0.1), 'Float', 0), true);
    assert.equal(sameValue(0.1, Math.fround(0.1), 'Double', 0), false);
    assert.equal(sameValue(10, 10.4, 'Double', 0.5), true);
    assert.equal(sameValue(10, NaN, 'Double', 0.5), false);
    assert.equal(sameValue(true, false, 'Boolean', 1), false);
  });
});
