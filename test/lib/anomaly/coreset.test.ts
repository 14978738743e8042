import assert from 'node:assert/strict';
import fc from 'fast-check';
import { coreset } from '../../../lib/anomaly/coreset.ts';
import { seededRandom, shuffledIndices } from '../../../lib/statistics/random.ts';

function randomRows(count: number, dimensions: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count * dimensions }, () => random.normal());
}

function rowsOf(data: Float32Array, dimensions: number): number[][] {
  return Array.from({ length: data.length / dimensions }, (_, row) => [
    ...data.subarray(row * dimensions, (row + 1) * dimensions),
  ]);
}

describe('the coreset', () => {
  it('keeps the one rare look among a thousand common ones', () => {
    const rows = randomRows(1000, 8, 1).map((value) => value / 100);
    rows.fill(5, 777 * 8, 778 * 8);
    const kept = rowsOf(coreset(rows, { dimensions: 8, size: 2, seed: 3 }), 8);
    assert.deepEqual(kept[1], new Array(8).fill(5));
  });

  it('is the same for the same seed', () => {
    const rows = randomRows(500, 128, 2);
    const select = (seed: number): Float32Array => coreset(rows, { dimensions: 128, size: 50, seed });
    assert.deepEqual(select(4), select(4));
    assert.notDeepEqual(select(4), select(5));
  });

  it('holds only rows that were offered, none twice, and never more than asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 80 }),
        fc.nat(),
        (count, size, seed) => {
          const rows = randomRows(count, 4, seed);
          const offered = new Set(rowsOf(rows, 4).map(String));
          const kept = rowsOf(coreset(rows, { dimensions: 4, size, seed }), 4).map(String);
          assert.equal(kept.length, Math.min(size, offered.size));
          assert.equal(new Set(kept).size, kept.length);
          assert.ok(kept.every((row) => offered.has(row)));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('stops when only copies are left', () => {
    const rows = Float32Array.from({ length: 40 }, (_, index) => (index < 20 ? 1 : 2));
    assert.equal(coreset(rows, { dimensions: 4, size: 10, seed: 1 }).length, 2 * 4);
  });
});

describe('the seeded random source', () => {
  it('shuffles without losing or doubling an index', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(), (count, seed) => {
        const indices = [...shuffledIndices(count, seededRandom(seed))].sort((one, other) => one - other);
        assert.deepEqual(
          indices,
          Array.from({ length: count }, (_, index) => index),
        );
      }),
    );
  });

  it('draws normal numbers of mean 0 and variance 1', () => {
    const random = seededRandom(11);
    const draws = Array.from({ length: 20_000 }, () => random.normal());
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
    assert.ok(Math.abs(mean) < 0.03, `mean ${mean}`);
    assert.ok(Math.abs(variance - 1) < 0.05, `variance ${variance}`);
  });
});
