/** What learning from mistakes does to the threshold: only parts that were rejected are learned. */
import assert from 'node:assert/strict';
import { readBackbone, type Backbone, type Features } from '../../../lib/anomaly/backbone.ts';
import { scoreFeatures } from '../../../lib/anomaly/heads/head.ts';
import { distancesOf, readMemory } from '../../../lib/anomaly/heads/memory.ts';
import { extendTeaching, teachFromFeatures, type Teaching } from '../../../lib/anomaly/teaching.ts';
import { budgetedThreshold } from '../../../lib/gate/budget.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const GRID = { columns: 6, rows: 6 };
const CHANNELS = 128;
const PATCHES = GRID.columns * GRID.rows;
const BUDGET = { alpha: 0.05, delta: 0.05 };

/** Parts that differ along six directions, as the reference for what a threshold does with them. */
function line(seed: number): (count: number) => Features[] {
  const random = seededRandom(seed);
  const normals = (length: number): number[] => Array.from({ length }, () => random.normal());
  const directions = Array.from({ length: 6 }, () => normals(CHANNELS));
  const part = (): Features => {
    const along = normals(directions.length);
    const mean = Array.from({ length: CHANNELS }, (_, channel) =>
      directions.reduce((sum, direction, k) => sum + 0.5 * (along[k] ?? 0) * (direction[channel] ?? 0), 0),
    );
    return Float32Array.from(
      { length: CHANNELS * PATCHES },
      (_, index) => (mean[Math.floor(index / PATCHES)] ?? 0) + 0.3 * random.normal(),
    );
  };
  return (count) => Array.from({ length: count }, part);
}

async function scoresBy({ memory }: Teaching, parts: readonly Features[]): Promise<number[]> {
  const { shape, method, heads, options } = readMemory(memory);
  const found = await scoreFeatures(shape, distancesOf(shape, method, heads, options), parts);
  return found.map(({ score }) => score);
}

const goodScores = ({ scores, learned }: Teaching): number[] =>
  scores.slice(0, scores.length - learned).sort((one, other) => one - other);

const thresholdOf = (teaching: Teaching): number =>
  budgetedThreshold(goodScores(teaching), BUDGET) ?? assert.fail('too few parts');

const shareAbove = (scores: readonly number[], limit: number): number =>
  scores.filter((score) => score > limit).length / scores.length;

const median = (scores: readonly number[]): number =>
  scores.toSorted((one, other) => one - other)[scores.length >> 1] ?? NaN;

describe('a model that learns every part it rejected wrongly', function () {
  this.timeout(60_000);
  const more = line(4);
  const taught = more(100);
  const learnt: Features[] = [];
  const onProgress = (): void => undefined;
  let backbone: Backbone;
  let first: Teaching;
  let last: Teaching;

  before(async () => {
    backbone = await readBackbone();
    const common = {
      grid: GRID,
      backbone,
      method: 'patch-nn',
      seed: 1,
      coresetSize: 500,
      onProgress,
    } as const;
    first = await teachFromFeatures({ ...common, features: taught });
    last = first;
    for (let day = 0; day < 3; day += 1) {
      const parts = more(200);
      const limit = thresholdOf(last);
      const scores = await scoresBy(last, parts);
      const add = parts.filter((_, part) => (scores[part] ?? 0) > limit);
      last = await extendTeaching({
        memory: last.memory,
        backbone,
        features: [...taught, ...learnt],
        add,
        remove: [],
        onProgress,
      });
      learnt.push(...add);
    }
  });

  it('does not let its threshold climb', () => {
    assert.ok(learnt.length > 0, 'some were rejected');
    assert.equal(last.learned, learnt.length);
    assert.ok(thresholdOf(last) <= thresholdOf(first), `${thresholdOf(first)}, then ${thresholdOf(last)}`);
  });

  it('rejects no more good parts than its budget', async () => {
    const rate = shareAbove(await scoresBy(last, more(400)), thresholdOf(last));
    assert.ok(rate <= BUDGET.alpha, `${rate}`);
  });

  it('scores fresh parts as it scored those it is calibrated with', async () => {
    const fresh = median(await scoresBy(last, more(400)));
    const calibrated = median(goodScores(last));
    assert.ok(Math.abs(fresh - calibrated) < 0.05 * calibrated, `${fresh} and ${calibrated}`);
  });

  it('stays calibrated where far more parts are learned than it was taught from', async () => {
    const few = taught.slice(0, 60);
    const common = {
      grid: GRID,
      backbone,
      method: 'patch-nn',
      seed: 1,
      coresetSize: 500,
      onProgress,
    } as const;
    const { memory } = await teachFromFeatures({ ...common, features: few });
    const add = more(200);
    const extended = await extendTeaching({ memory, backbone, features: few, add, remove: [], onProgress });
    const again = await teachFromFeatures({ ...common, features: [...few, ...add] });
    const fresh = more(400);
    const [one, other] = [thresholdOf(extended), thresholdOf(again)];
    assert.ok(Math.abs(one - other) < 0.1 * other, `threshold ${one}, of a model taught again ${other}`);
    const [learned, retaught] = [await scoresBy(extended, fresh), await scoresBy(again, fresh)].map(median);
    const calibrated = median(goodScores(extended));
    assert.ok(Math.abs((learned ?? 0) - calibrated) < 0.05 * calibrated, `${learned} and ${calibrated}`);
    assert.ok(Math.abs((learned ?? 0) - (retaught ?? 0)) < 0.1 * (retaught ?? 0), `${learned}, ${retaught}`);
  });
});
