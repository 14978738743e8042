import assert from 'node:assert/strict';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { openSession, type Features } from '../../../../lib/anomaly/backbone.ts';
import { activePatches, headOf, scoreFeatures, type HeadShape } from '../../../../lib/anomaly/heads/head.ts';
import { METHODS } from '../../../../lib/anomaly/method.ts';
import { distancesOf, fitHeads, readMemory, writeMemory } from '../../../../lib/anomaly/heads/memory.ts';
import { standaloneModel } from '../../../../lib/anomaly/onnx-graph.ts';
import {
  assertClose,
  blockRound,
  drawnParts,
  drawnSet,
  mapOf,
  meanOfHighest,
  patchOf,
  squaredDistance,
} from './reference.ts';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** Any number of channels, grids that are no squares, with and without a region of interest. */
const shapes: fc.Arbitrary<HeadShape> = fc
  .record({
    channels: fc.integer({ min: 3, max: 20 }),
    columns: fc.integer({ min: 3, max: 7 }),
    rows: fc.integer({ min: 3, max: 5 }),
    hidden: fc.option(fc.nat(5)),
  })
  .map(({ channels, columns, rows, hidden }) => {
    const mask = Uint8Array.from({ length: columns * rows }, (_, patch) => (patch % 7 === hidden ? 0 : 1));
    return { channels, grid: { columns, rows }, ...(hidden === null ? {} : { mask }) };
  });

const OPTIONS = { size: 15, seed: 3 };

async function answersOf(shape: HeadShape, method: (typeof METHODS)[number], parts: number, seed: number) {
  const set = drawnSet(shape, parts, seed);
  const heads = {
    ...(await fitHeads(set, ['patch-nn', 'position-nn', 'padim'], OPTIONS)),
    spreads: [2, 5] as [number, number],
  };
  const [strange = new Float32Array()] = drawnParts(shape, 1, seed, 1.5);
  const [answer] = await scoreFeatures(shape, distancesOf(shape, method, heads, OPTIONS), [strange]);
  assert.ok(answer);
  return { set, heads, strange, ...answer };
}

async function holdsForAnyShape(
  method: (typeof METHODS)[number],
  tolerance: number,
  expected: (found: Awaited<ReturnType<typeof answersOf>>, shape: HeadShape) => number[],
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(shapes, fc.integer({ min: 4, max: 12 }), fc.nat(1000), async (shape, parts, seed) => {
      const found = await answersOf(shape, method, parts, seed);
      const map = expected(found, shape);
      assertClose(found.map, map, tolerance);
      assertClose([found.score], [meanOfHighest(map)], tolerance);
    }),
    { numRuns: 12 },
  );
}

/** Mahalanobis distances as the paper has them, through the eigenvalues instead of a triangle. */
function gaussianMap(
  { set, heads, strange }: Awaited<ReturnType<typeof answersOf>>,
  shape: HeadShape,
): number[] {
  const { projection, dimensions } = heads.gaussians ?? assert.fail();
  const project = (features: Features, patch: number): number[] =>
    Array.from({ length: dimensions }, (_, row) =>
      patchOf(shape, features, patch).reduce(
        (sum, value, channel) => sum + value * (projection[row * shape.channels + channel] ?? NaN),
        0,
      ),
    );
  const active = activePatches(shape);
  const meanOf = new Map(
    active.map((patch) => {
      const points = set.parts.map((part) => project(part, patch));
      return [
        patch,
        points[0]?.map(
          (_, axis) => points.reduce((sum, point) => sum + (point[axis] ?? NaN), 0) / points.length,
        ) ?? [],
      ];
    }),
  );
  const covarianceOf = new Map(
    active.map((patch) => {
      const centred = new Matrix(
        set.parts.map((part) =>
          project(part, patch).map((value, axis) => value - (meanOf.get(patch)?.[axis] ?? NaN)),
        ),
      );
      return [patch, centred.transpose().mmul(centred).div(set.parts.length)];
    }),
  );
  const variance =
    active.reduce((sum, patch) => sum + (covarianceOf.get(patch)?.trace() ?? NaN), 0) /
    active.length /
    dimensions;
  return mapOf(shape, (patch) => {
    const block = blockRound(shape, patch);
    const pooled = Matrix.eye(dimensions, dimensions).mul(0.2 * variance);
    for (const other of block) pooled.add(Matrix.div(covarianceOf.get(other) ?? pooled, block.length));
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(pooled, {
      assumeSymmetric: true,
    });
    const difference = project(strange, patch).map(
      (value, axis) => value - (meanOf.get(patch)?.[axis] ?? NaN),
    );
    const turned = eigenvectorMatrix.transpose().mmul(Matrix.columnVector(difference)).to1DArray();
    return Math.sqrt(
      turned.reduce((sum, value, axis) => sum + value ** 2 / (realEigenvalues[axis] ?? NaN), 0),
    );
  });
}

function bankMap({ heads, strange }: Awaited<ReturnType<typeof answersOf>>, shape: HeadShape): number[] {
  const { rows, parts } = heads.banks?.[0] ?? assert.fail();
  const bank = [...parts.keys()].map((row) => [
    ...rows.subarray(row * shape.channels, (row + 1) * shape.channels),
  ]);
  return mapOf(shape, (patch) => {
    const here = patchOf(shape, strange, patch);
    return Math.sqrt(Math.min(...bank.map((row) => squaredDistance(here, row))));
  });
}

describe('the heads', function () {
  this.timeout(60_000);

  it('measure the distance to the nearest patch of a bank', () =>
    holdsForAnyShape('patch-nn', 1e-3, bankMap));

  it('measure the distance to the nearest patch of any part at the same place or beside it', () =>
    holdsForAnyShape('position-nn', 3e-3, ({ set, strange }, shape) =>
      mapOf(shape, (patch) => {
        const here = patchOf(shape, strange, patch);
        const all = blockRound(shape, patch).flatMap((other) =>
          set.parts.map((part) => squaredDistance(here, patchOf(shape, part, other))),
        );
        return Math.sqrt(Math.min(...all));
      }),
    ));

  it('measure the Mahalanobis distance to the good parts at a place', () =>
    holdsForAnyShape('padim', 3e-3, gaussianMap));

  it('add bank and Gaussians in units of their spreads', () =>
    holdsForAnyShape('z-sum', 3e-3, (found, shape) => {
      const gaussians = gaussianMap(found, shape);
      return bankMap(found, shape).map((distance, patch) => distance / 2 + (gaussians[patch] ?? NaN) / 5);
    }));

  for (const method of METHODS) {
    it(`score bit by bit alike in every session, by ${method}`, async () => {
      const shape = { channels: 32, grid: { columns: 12, rows: 9 } };
      const heads = {
        ...(await fitHeads(drawnSet(shape, 10, 1), ['patch-nn', 'position-nn', 'padim'], OPTIONS)),
        spreads: [2, 5] as [number, number],
      };
      const parts = drawnParts(shape, 3, 1, 1);
      const distances = distancesOf(shape, method, heads, OPTIONS);
      const first = await scoreFeatures(shape, distances, parts);
      assert.deepEqual(await scoreFeatures(shape, distances, parts), first);
      const again = distancesOf(
        shape,
        method,
        readMemory(writeMemory({ method, shape, options: OPTIONS, scores: [], learned: 0, heads })).heads,
        OPTIONS,
      );
      assert.deepEqual(await scoreFeatures(shape, again, parts), first);
    });
  }

  it('tell drift by the mean of the patches that are looked at', async () => {
    const shape = {
      channels: 5,
      grid: { columns: 4, rows: 3 },
      mask: Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1),
    };
    const set = drawnSet(shape, 4, 8);
    const heads = await fitHeads(set, ['patch-nn'], OPTIONS);
    const [part = new Float32Array()] = set.parts;
    const session = await openSession(
      standaloneModel(headOf(shape, distancesOf(shape, 'patch-nn', heads, OPTIONS), { standalone: true })),
    );
    const { embedding } = await session.run({ feat: new ort.Tensor('float32', part, [1, 5, 3, 4]) });
    await session.release();
    assert.deepEqual(embedding?.dims, [1, 5]);
    const patches = activePatches(shape).map((patch) => patchOf(shape, part, patch));
    assertClose(
      embedding.data as Float32Array,
      [0, 1, 2, 3, 4].map(
        (channel) => patches.reduce((sum, patch) => sum + (patch[channel] ?? NaN), 0) / patches.length,
      ),
      1e-5,
    );
  });

  it('take neither a bad look for good nor a good one for bad where nobody looks', async () => {
    const grid = { columns: 6, rows: 5 };
    const mask = new Uint8Array(30).fill(1);
    mask[13] = 0;
    const shape = { channels: 8, grid, mask };
    const set = drawnSet(shape, 10, 4);
    const strange = set.parts.map((part) => {
      const copy = part.slice();
      for (let channel = 0; channel < 8; channel += 1) copy[channel * 30 + 13] = 50;
      return copy;
    });
    for (const method of METHODS) {
      const fitted = async (parts: readonly Features[]) =>
        distancesOf(
          shape,
          method,
          {
            ...(await fitHeads({ ...shape, parts }, ['patch-nn', 'position-nn', 'padim'], OPTIONS)),
            spreads: [1, 1] as [number, number],
          },
          OPTIONS,
        );
      const plain = await scoreFeatures(shape, await fitted(set.parts), set.parts);
      assert.deepEqual(await scoreFeatures(shape, await fitted(strange), strange), plain, method);
      assert.equal(plain[0]?.map[13], 0);
    }
  });
});
