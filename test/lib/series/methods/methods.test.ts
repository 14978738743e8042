import assert from 'node:assert/strict';
import { METHOD_NAMES, methodOf } from '../../../../lib/series/methods/methods.ts';
import type { Detector } from '../../../../lib/series/methods/method.ts';
import { fitScaling, scaled } from '../../../../lib/series/scaling.ts';
import { pumpRows } from '../pump.ts';

const rows = pumpRows(500, 1);
const scaling = fitScaling(rows);
const normal = rows.map((row) => scaled(scaling, row));

async function taught(name: (typeof METHOD_NAMES)[number]): Promise<Detector> {
  // As from a model's file.
  return methodOf(name).open(JSON.parse(JSON.stringify(await methodOf(name).learn(normal))));
}

describe('methods of knowing normal operation', () => {
  for (const name of METHOD_NAMES) {
    describe(name, () => {
      it('scores a shift of one sensor higher than fresh normal rows, and blames that sensor', async () => {
        const detector = await taught(name);
        const fresh = pumpRows(60, 2).map((row) => scaled(scaling, row));
        const before = Math.max(...fresh.slice(0, 30).map((row) => detector.step(row).score));
        const evidence = fresh
          .slice(30)
          .map((row) => detector.step(row.map((value, at) => (at === 3 ? value + 6 : value))));
        const last = evidence.at(-1);
        assert.ok((last?.score ?? 0) > before, `${last?.score ?? NaN} is not above ${before}`);
        const contributions = last?.contributions ?? [];
        assert.equal(contributions.length, 4);
        assert.equal(contributions.indexOf(Math.max(...contributions)), 3);
      });

      it('gives the same numbers again after a reset, and none below zero', async () => {
        const detector = await taught(name);
        const run = (): number[] => pumpRows(40, 3).map((row) => detector.step(scaled(scaling, row)).score);
        const first = run();
        detector.reset();
        assert.deepEqual(run(), first);
        assert.ok(first.every((score) => Number.isFinite(score) && score >= 0));
      });
    });
  }

  it('nearest notices an order of events that never was, where each row by itself was seen', async () => {
    const up = Array.from({ length: 400 }, (_, row) => [row % 20]);
    const method = methodOf('nearest');
    const detector = method.open(await method.learn(up));
    const score = (values: number[]): number => {
      detector.reset();
      return Math.max(...values.map((value) => detector.step([value]).score).slice(5));
    };
    assert.equal(score([3, 4, 5, 6, 7, 8, 9]), 0);
    assert.ok(score([9, 8, 7, 6, 5, 4, 3]) > 2);
  });

  it('similarity estimates between what it remembers instead of demanding an exact match', async () => {
    const line = Array.from({ length: 101 }, (_, row) => [row / 10, row / 5]);
    const method = methodOf('similarity');
    const detector = method.open(await method.learn(line));
    assert.ok(detector.step([5.05, 10.1]).score < 0.05);
    assert.ok(Math.abs(detector.step([5, 14]).score - 4 / Math.sqrt(5)) < 0.3, 'the distance from the line');
    assert.ok(Number.isFinite(detector.step([1e6, -1e6]).score));
  });
});
