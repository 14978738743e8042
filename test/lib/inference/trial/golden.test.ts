import assert from 'node:assert/strict';
import fc from 'fast-check';
import { differencesOf, GoldenMismatch, goldenResult } from '../../../../lib/inference/trial/golden.ts';

const exact = { absolute: 0, relative: 0 };
const loose = { absolute: 0.01, relative: 0.1 };

const paths = (
  expected: Record<string, unknown>,
  got: Record<string, unknown>,
  tolerance = loose,
): string[] => differencesOf({ expected, tolerance }, got).map(({ path }) => path);

describe('golden samples', () => {
  it('pass where numbers are within absolute and relative tolerance, at the edge as well', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        (expected, share, isAbove) => {
          const room = (loose.absolute + loose.relative * Math.abs(expected)) * (isAbove ? 1.01 : 0.99);
          const got = expected + (share < 0.5 ? -room : room);
          assert.deepEqual(paths({ value: expected }, { value: got }), isAbove ? ['value'] : []);
        },
      ),
    );
  });

  it('pass with anything as itself when nothing may differ', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (prediction) => {
        assert.deepEqual(paths(prediction, structuredClone(prediction), exact), []);
      }),
    );
  });

  it('fail where texts, lengths or what is there differ', () => {
    assert.deepEqual(paths({ task: 'detect' }, { task: 'classify' }), ['task']);
    assert.deepEqual(paths({ vector: [1, 2] }, { vector: [1, 2, 3] }), ['vector.length']);
    assert.deepEqual(paths({ score: 1 }, {}), ['score']);
    // a number that is none became null on its way
    assert.deepEqual(paths({ score: 1 }, { score: null }), ['score']);
    assert.deepEqual(paths({ score: 1 }, { score: 1, more: 2 }), []);
  });

  const object = (label: string, score: number, box: number[]) => ({ index: 0, label, score, box });

  it('let objects of equal score change places, and find each its own', () => {
    const expected = [
      object('nut', 0.9, [0, 0, 10, 10]),
      object('bolt', 0.5, [50, 0, 10, 10]),
      object('bolt', 0.5, [0, 50, 10, 10]),
    ];
    const [nut, first, second] = expected as [object, object, object];
    assert.deepEqual(paths({ objects: expected }, { objects: [nut, second, first] }), []);
    const shifted = [nut, object('bolt', 0.502, [0, 50, 10, 10]), object('bolt', 0.499, [50, 0, 10, 10])];
    assert.deepEqual(paths({ objects: expected }, { objects: shifted }), []);
  });

  it('pair a full tray of equal objects in any order without holding up the flows', () => {
    const tray = (length: number): object[] =>
      Array.from({ length }, (_, at) => object('nut', 0.9, [at % 40, at / 40, 10, 10]));
    const full = tray(500);

    assert.deepEqual(paths({ objects: full }, { objects: full.toReversed() }, exact), []);
    const elsewhere = full.map((one) => ({ ...one, box: [5000, 5000, 10, 10] }));
    assert.ok(paths({ objects: full }, { objects: elsewhere }).length >= 500);
    const hostile = tray(3000);
    const started = performance.now();
    assert.ok(paths({ objects: hostile }, { objects: hostile.toReversed() }, exact).length > 0);
    assert.ok(performance.now() - started < 3000);
  });

  it('hold segments by label, area, box and score, not by the corners of the outline', () => {
    const corners = (count: number): number[][][] => [Array.from({ length: count }, (_, at) => [at, at * 7])];
    const segment = { index: 1, label: 'rust', area: 400, share: 0.1, box: [0, 0, 20, 20], score: 0.8 };
    const expected = { task: 'segment', segments: [{ ...segment, polygons: corners(20) }] };
    assert.deepEqual(paths(expected, { ...expected, segments: [{ ...segment, polygons: corners(21) }] }), []);
    const larger = { ...segment, area: 600, polygons: corners(20) };
    assert.deepEqual(paths(expected, { ...expected, segments: [larger] }), ['segments[0].area']);
    assert.deepEqual(paths({ polygons: [1] }, { polygons: [1, 2] }), ['polygons.length']);
  });

  it('tell another object from one that moved', () => {
    const expected = { objects: [object('nut', 0.9, [0, 0, 10, 10])] };
    assert.deepEqual(paths(expected, { objects: [object('bolt', 0.9, [0, 0, 10, 10])] }), [
      'objects[0].label',
    ]);
    assert.deepEqual(paths(expected, { objects: [object('nut', 0.4, [0, 0, 10, 10])] }), [
      'objects[0].score',
    ]);
    assert.deepEqual(paths(expected, { objects: [object('nut', 0.9, [0, 0, 10, 90])] }), [
      'objects[0].box[3]',
    ]);
  });

  it('show the largest differences first and carry all', () => {
    const expected = { a: 1, b: 1, c: 1, d: 1, e: 'x' };
    const got = { a: 2, b: 5, c: 3, d: 4, e: 'y' };
    const sample = { name: 'scratch.png', expected, tolerance: loose };
    const result = goldenResult(
      { ...sample, bytes: Buffer.alloc(0), format: 'png', width: 1, height: 1 },
      got,
    );
    assert.equal(result.passed, false);
    assert.deepEqual(
      result.differences.map(({ path }) => path),
      ['e', 'b', 'd', 'c', 'a'],
    );
    const passed = { name: 'good.png', passed: true, differences: [] };
    const error = new GoldenMismatch([passed, result], 'cuda');
    assert.equal(error.code, 'MODEL_GOLDEN_MISMATCH');
    assert.match(
      error.message,
      /cuda.*1 of 2.*scratch\.png.*e should be "x", is "y".*b should be 1, is 5.*2 more/,
    );
    assert.deepEqual(error.samples, [passed, result]);
  });
});
