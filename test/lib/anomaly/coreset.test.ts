import assert from 'node:assert/strict';
import fc from 'fast-check';
import { coreset, rowsAt } from '../../../lib/anomaly/coreset.ts';
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

/** One step at a time in double precision: which rows are taken, and how far the farthest is then. */
function oneByOne(rows: number[][], size: number): { chosen: number[]; radius: number } {
  const nearest = rows.map(() => Infinity);
  const chosen: number[] = [];
  let next = 0;
  for (;;) {
    if (chosen.length < size) chosen.push(next);
    const centre = rows[chosen.at(-1) ?? 0] ?? [];
    rows.forEach((row, index) => {
      const square = row.reduce((sum, value, axis) => sum + (value - (centre[axis] ?? NaN)) ** 2, 0);
      nearest[index] = Math.min(nearest[index] ?? NaN, square);
    });
    next = nearest.indexOf(Math.max(...nearest));
    if (chosen.length === size) return { chosen, radius: Math.sqrt(nearest[next] ?? NaN) };
  }
}

describe('the coreset', () => {
  it('keeps the one rare look among a thousand common ones', async () => {
    const rows = randomRows(1000, 8, 1).map((value) => value / 100);
    rows.fill(5, 777 * 8, 778 * 8);
    const { chosen } = await coreset(rows, { dimensions: 8, size: 2 });
    assert.equal(chosen[1], 777);
  });

  it('takes the rows that one step at a time takes, far beyond what it takes between two updates', async () => {
    const rows = randomRows(3000, 16, 2);
    const expected = oneByOne(rowsOf(rows, 16), 300);
    const { chosen, radius } = await coreset(rows, { dimensions: 16, size: 300 });
    assert.deepEqual(chosen, expected.chosen);
    assert.ok(Math.abs(radius - expected.radius) < 1e-3, `${radius} and ${expected.radius}`);
  });

  it('selects none twice, never more than asked for, and all that differ when there are few', async () => {
    const parameters = [fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 80 }), fc.nat()] as const;
    await fc.assert(
      fc.asyncProperty(...parameters, async (count, size, seed) => {
        const rows = randomRows(count, 4, seed);
        const { chosen } = await coreset(rows, { dimensions: 4, size });
        assert.equal(chosen.length, Math.min(size, count));
        assert.equal(new Set(chosen).size, chosen.length);
      }),
      { numRuns: 50 },
    );
  });

  it('stops when only copies are left', async () => {
    const rows = Float32Array.from({ length: 40 }, (_, index) => (index < 20 ? 1 : 2));
    const { chosen, radius } = await coreset(rows, { dimensions: 4, size: 10 });
    assert.deepEqual([chosen.length, radius], [2, 0]);
  });

  it('adds only what the rows that are held do not cover', async () => {
    const rows = randomRows(500, 8, 5);
    const { chosen, radius } = await coreset(rows, { dimensions: 8, size: 60 });
    const held = rowsAt(rows, 8, chosen);
    const within = { dimensions: 8, size: 100, held, within: radius * 1.001 };
    assert.deepEqual((await coreset(rows, within)).chosen, []);
    const strange = new Float32Array(16).fill(9, 8);
    assert.deepEqual((await coreset(strange, within)).chosen, [1]);
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
