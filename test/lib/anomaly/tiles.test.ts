import assert from 'node:assert/strict';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { extractFeatures, gridOf, openSession, readBackbone } from '../../../lib/anomaly/backbone.ts';
import { scoreFeatures, type HeadShape } from '../../../lib/anomaly/heads/head.ts';
import { bankDistances, fitBanks } from '../../../lib/anomaly/heads/patch-nn.ts';
import { teachFromFeatures } from '../../../lib/anomaly/teaching.ts';
import { costOf, regionsOf, tilingOf } from '../../../lib/anomaly/tiles.ts';
import { drawPart } from '../../../plant/part-image.ts';
import { drawnParts, drawnSet } from './heads/reference.ts';

const side = fc.integer({ min: 100, max: 3000 });

describe('tiles', function () {
  this.timeout(60_000);

  it('cover every patch, overlap as asked, and lie inside the picture', () => {
    const options = fc.record({
      width: side,
      height: side,
      tile: fc.integer({ min: 128, max: 640 }),
      overlap: fc.integer({ min: 32, max: 64 }),
    });
    fc.assert(
      fc.property(options, (asked) => {
        const tiling = tilingOf(asked);
        const grid = gridOf({ stride: 8 }, tiling);
        const covered = new Set<number>();
        for (const region of regionsOf(tiling, grid)) for (const patch of region) covered.add(patch);
        assert.equal(covered.size, grid.columns * grid.rows);
        assert.ok([...covered].every((patch) => patch >= 0 && patch < covered.size));
        for (const [starts, length] of [
          [tiling.lefts, tiling.tile.width],
          [tiling.tops, tiling.tile.height],
        ] as const) {
          starts.slice(1).forEach((start, index) => {
            const shared = (starts[index] ?? NaN) + length - start;
            assert.ok(shared >= Math.min(asked.overlap, length) - 32, `${shared} of ${asked.overlap}`);
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('have a bank each, of which the one that finds a patch stranger counts', async () => {
    const shape: HeadShape = { channels: 6, grid: { columns: 12, rows: 8 } };
    const set = drawnSet(shape, 8, 3);
    const regions = regionsOf(tilingOf({ width: 96, height: 64, tile: 64, overlap: 32 }), shape.grid);
    assert.equal(regions.length, 2);
    const options = { size: 20, seed: 1, regions };
    const banks = await fitBanks(set, options);
    const [part = new Float32Array()] = drawnParts(shape, 1, 3, 1);
    const [stitched] = await scoreFeatures(shape, bankDistances(shape, banks, options), [part]);
    const alone = await Promise.all(
      banks.map(
        async (bank) =>
          (await scoreFeatures(shape, bankDistances(shape, [bank], { size: 20, seed: 1 }), [part]))[0],
      ),
    );
    stitched?.map.forEach((distance, patch) => {
      const inTiles = alone.flatMap((score, tile) =>
        regions[tile]?.includes(patch) ? [score?.map[patch] ?? NaN] : [],
      );
      assert.ok(Math.abs(distance - Math.max(...inTiles)) < 1e-3, `patch ${patch}`);
    });
  });

  it('find a hairline crack of a large part where it is', async () => {
    const tiling = tilingOf({ width: 640, height: 480, tile: 256, overlap: 64 });
    const backbone = await readBackbone();
    const session = await openSession(backbone.bytes);
    const picture = (seed: number, defect: 'crack' | null) =>
      drawPart({ seed, defect, severity: 0.9, width: tiling.width, height: tiling.height });
    const features = [];
    for (let seed = 1; seed <= 12; seed += 1) {
      features.push(await extractFeatures(session, backbone, picture(seed, null).rgb, tiling));
    }
    await session.release();
    const { graph, scores } = await teachFromFeatures({
      features,
      grid: gridOf(backbone, tiling),
      backbone,
      method: 'patch-nn',
      seed: 1,
      coresetSize: 150,
      tiles: tiling,
      onProgress: () => undefined,
    });
    const model = await openSession(graph);
    const { rgb, mask } = picture(77, 'crack');
    const image = new ort.Tensor('uint8', rgb, [1, tiling.height, tiling.width, 3]);
    const { score, map } = await model.run({ image }, ['score', 'map']);
    await model.release();
    assert.deepEqual(map?.dims, [60, 80]);
    assert.ok(
      Number(score?.data[0]) > Math.max(...scores),
      `${String(score?.data[0])} of ${Math.max(...scores)}`,
    );
    const distances = map.data as Float32Array;
    const highest = distances.indexOf(Math.max(...distances));
    const [x, y] = [(highest % 80) * 8 + 4, Math.floor(highest / 80) * 8 + 4];
    const near = [-12, -8, -4, 0, 4, 8, 12];
    const isOnCrack = near.some((dy) => near.some((dx) => mask?.[(y + dy) * tiling.width + x + dx] === 255));
    assert.ok(isOnCrack, `highest at ${x}, ${y}`);
  });

  it('cost more the more of them there are, and a dialog is told before teaching', () => {
    const size = { width: 1920, height: 1088 };
    const model = { stride: 8, channels: 128, coresetSize: 1000, threads: 2 };
    const whole = costOf({ ...model, size });
    const tiled = costOf({ ...model, size, tiling: tilingOf({ ...size, tile: 448, overlap: 64 }) });
    assert.equal(whole.patches, 240 * 136);
    assert.equal(tiled.remembered, 15 * 1000);
    assert.ok(tiled.ms > whole.ms && tiled.fileMegabytes > whole.fileMegabytes);
    // As measured at 224×224 on one thread: 4.1 ms the backbone, 1.2 ms the bank.
    const small = costOf({ ...model, size: { width: 224, height: 224 }, threads: 1 });
    assert.ok(Math.abs(small.ms - 5.3) < 0.01, `${small.ms}`);
  });
});
