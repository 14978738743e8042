import assert from 'node:assert/strict';
import { pca, statisticsOf } from '../../../../lib/series/methods/pca.ts';
import { seededRandom } from '../../../../lib/statistics/random.ts';
import { fitScaling, scaled } from '../../../../lib/series/scaling.ts';
import { pumpRows } from '../pump.ts';

describe('principal components of normal operation', () => {
  it('finds the direction of the most variance and its variance', async () => {
    const random = seededRandom(2);
    // Along (3, 4)/5 with deviation 5, across it with deviation 1.
    const rows = Array.from({ length: 20_000 }, () => {
      const [along, across] = [5 * random.normal(), random.normal()];
      return [(3 * along - 4 * across) / 5, (4 * along + 3 * across) / 5];
    });
    const { loadings, variances } = await pca.learn(rows);
    assert.equal(loadings.length, 1);
    const [x = NaN, y = NaN] = loadings[0] ?? [];
    assert.ok(Math.abs(Math.abs(x) - 0.6) < 0.01 && Math.abs(Math.abs(y) - 0.8) < 0.01);
    assert.ok(Math.abs((variances[0] ?? NaN) - 25) < 0.8);
  });

  it('splits a row into T² along and SPE off the components, contributions adding up to each', async () => {
    const random = seededRandom(4);
    const rows = Array.from({ length: 4000 }, () => {
      const load = random.normal();
      return [load + 0.1 * random.normal(), load + 0.1 * random.normal(), load + 0.1 * random.normal()];
    });
    const components = await pca.learn(rows);
    const along = statisticsOf(components, [3, 3, 3]);
    assert.ok(along.t2.score > 8 && along.t2.score < 10, `T² of three deviations is ${along.t2.score}`);
    assert.ok(along.spe.score < 0.1);
    const off = statisticsOf(components, [1, -0.5, -0.5]);
    assert.ok(off.t2.score < 0.1 && Math.abs(off.spe.score - 1.5) < 0.05);
    for (const { score, contributions } of [along.t2, off.spe])
      assert.ok(Math.abs(contributions.reduce((sum, value) => sum + value, 0) - score) < 1e-6 * score);
  });

  it('has limits that one in a hundred normal rows exceeds', async () => {
    const random = seededRandom(6);
    const draw = (count: number): number[][] =>
      Array.from({ length: count }, () => {
        const [a, b] = [2 * random.normal(), 1.5 * random.normal()];
        return [a, b, a + b, a - b, 2 * a].map((value) => value + 0.3 * random.normal());
      });
    const components = await pca.learn(draw(2000));
    const fresh = draw(20_000).map((row) => statisticsOf(components, row));
    const share = (above: (one: (typeof fresh)[number]) => boolean): number =>
      fresh.filter(above).length / fresh.length;
    const t2 = share(({ t2: { score } }) => score > components.t2Limit);
    const spe = share(({ spe: { score } }) => score > components.speLimit);
    assert.ok(t2 > 0.007 && t2 < 0.013, `T²: ${t2}`);
    assert.ok(spe > 0.007 && spe < 0.013, `SPE: ${spe}`);
  });

  it('names the sensor that broke away from the others', async () => {
    const rows = pumpRows(600, 8);
    const scaling = fitScaling(rows);
    const detector = pca.open(await pca.learn(rows.map((row) => scaled(scaling, row))));
    const [current = 0, , flow = 0, temperature = 0] = rows[100] ?? [];
    // A pressure that is normal by itself, but not with this current.
    const { contributions } = detector.step(
      scaled(scaling, [current, 3.9 - (current - 12) * 0.25, flow, temperature]),
    );
    assert.equal(contributions.indexOf(Math.max(...contributions)), 1);
  });

  it('lives with sensors that follow each other exactly, and with a single one', async () => {
    const random = seededRandom(9);
    const twins = Array.from({ length: 100 }, () => {
      const value = random.normal();
      return [value, value, 0];
    });
    const detector = pca.open(await pca.learn(twins));
    assert.ok(Number.isFinite(detector.step([1, 1, 0]).score));
    assert.ok(detector.step([1, -1, 0]).score > 100 * detector.step([1, 1, 0]).score);
    const single = pca.open(await pca.learn(twins.map((row) => row.slice(0, 1))));
    assert.ok(single.step([9]).score > 4 && single.step([0.1]).score < 0.1);
  });
});
