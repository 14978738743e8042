import assert from 'node:assert/strict';
import type { Features } from '../../../lib/anomaly/backbone.ts';
import { readBackbone } from '../../../lib/anomaly/backbone.ts';
import { teachFromFeatures, type Teaching } from '../../../lib/anomaly/teaching.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const GRID = { columns: 8, rows: 8 };
const PLANE = 64;
const CHANNELS = 128;
const random = seededRandom(2);

/** Two looks a part can have at a place. */
const looks = [0, 1].map(() => Float32Array.from({ length: CHANNELS }, () => 3 * random.normal()));

function partOf(lookAt: (patch: number) => number, noise = 0.2): Features {
  const features = new Float32Array(CHANNELS * PLANE);
  for (let patch = 0; patch < PLANE; patch += 1) {
    for (let channel = 0; channel < CHANNELS; channel += 1) {
      features[channel * PLANE + patch] = (looks[lookAt(patch)]?.[channel] ?? NaN) + noise * random.normal();
    }
  }
  return features;
}

async function choose(parts: Features[], painted: (part: number) => Features): Promise<Teaching> {
  return teachFromFeatures({
    features: parts,
    grid: GRID,
    backbone: await readBackbone(),
    method: 'auto',
    seed: 1,
    coresetSize: 40,
    painted: parts.slice(0, 12).map((_, part) => ({
      part,
      features: painted(part),
      mask: Uint8Array.from({ length: PLANE }, (__, patch) => (patch === 27 ? 1 : 0)),
    })),
    onProgress: () => undefined,
  });
}

const left = (patch: number): number => (patch % 8 < 4 ? 0 : 1);

describe('the choice of a method', function () {
  this.timeout(30_000);

  it('falls on a method that knows places where a good look in the wrong place is the defect', async () => {
    const parts = Array.from({ length: 25 }, () => partOf(left));
    const wrongPlace = () => partOf((patch) => (patch === 25 ? 1 : left(patch)));
    const { method, candidates, why } = await choose(parts, wrongPlace);
    assert.ok(method === 'position-nn' || method === 'padim' || method === 'z-sum', method);
    const areaOf = (name: string): number =>
      candidates.find((candidate) => candidate.method === name)?.auroc ?? NaN;
    assert.equal(areaOf('padim'), 1);
    assert.ok(areaOf('patch-nn') < 0.8, `${areaOf('patch-nn')}`);
    assert.match(why, new RegExp(areaOf(method).toFixed(3)));
  });

  it('falls on nearest neighbour anywhere where no method is clearly better', async () => {
    const parts = Array.from({ length: 25 }, () => partOf(left));
    const strange = () => partOf(left, 0.2).map((value, at) => (at % PLANE === 27 ? value + 2 : value));
    const { method, candidates, scores } = await choose(parts, strange);
    assert.equal(method, 'patch-nn');
    assert.equal(candidates.length, 4);
    assert.deepEqual([candidates[0]?.located, candidates[0]?.escapes], [1, 0]);
    assert.equal(scores.length, 25);
  });

  it('falls on nearest neighbour anywhere, and says so, where there is nothing to compare by', async () => {
    const { method, candidates, why } = await teachFromFeatures({
      features: Array.from({ length: 12 }, () => partOf(left)),
      grid: GRID,
      backbone: await readBackbone(),
      method: 'auto',
      seed: 1,
      coresetSize: 40,
      onProgress: () => undefined,
    });
    assert.deepEqual([method, candidates], ['patch-nn', []]);
    assert.match(why, /no painted defects/);
  });
});
