import assert from 'node:assert/strict';
import { readBackbone, type Backbone, type Features } from '../../../lib/anomaly/backbone.ts';
import { scoreFeatures, type HeadScore } from '../../../lib/anomaly/heads/head.ts';
import { type Method } from '../../../lib/anomaly/method.ts';
import { distancesOf, readMemory } from '../../../lib/anomaly/heads/memory.ts';
import { extendTeaching, teachFromFeatures, type Teaching } from '../../../lib/anomaly/teaching.ts';
import { assertClose, drawnParts } from './heads/reference.ts';

const SHAPE = { channels: 128, grid: { columns: 6, rows: 5 } };
const ALL = drawnParts(SHAPE, 16, 9);
const STRANGE = drawnParts(SHAPE, 4, 9, 2);
const [ODD = new Float32Array()] = STRANGE;
const onProgress = (): void => undefined;

async function scores({ memory }: Teaching, parts: readonly Features[]): Promise<HeadScore[]> {
  const { shape, method, heads, options } = readMemory(memory);
  return scoreFeatures(shape, distancesOf(shape, method, heads, options), parts);
}

const scoresOnly = (all: readonly HeadScore[]): number[] => all.map(({ score }) => score);

describe('a teaching that is extended', function () {
  this.timeout(30_000);
  let backbone: Backbone;
  const teach = (
    method: Method,
    features: readonly Features[],
    learned: readonly Features[] = [],
  ): Promise<Teaching> =>
    teachFromFeatures({
      features,
      learned,
      grid: SHAPE.grid,
      backbone,
      method,
      seed: 1,
      coresetSize: 60,
      onProgress,
    });
  const extend = (from: Teaching, add: Features[], remove: number[], known = ALL): Promise<Teaching> =>
    extendTeaching({
      memory: from.memory,
      backbone,
      add,
      remove,
      features: known.slice(0, from.scores.length),
      onProgress,
    });

  before(async () => {
    backbone = await readBackbone();
  });

  for (const method of ['patch-nn', 'position-nn', 'padim', 'z-sum'] as const) {
    it(`finds a part normal once it has learned it, and strange again once it has forgotten it, by ${method}`, async () => {
      const before = await teach(method, ALL);
      const learned = await extend(before, [ODD], []);
      const forgotten = await extend(learned, [], [16], [...ALL, ODD]);
      const [[first = NaN], [second = NaN], [third = NaN]] = (await Promise.all(
        [before, learned, forgotten].map(async (teaching) => scoresOnly(await scores(teaching, [ODD]))),
      )) as [number[], number[], number[]];
      assert.ok(second < first * 0.75, `${first} and then ${second}`);
      assert.ok(Math.abs(third - first) < 0.02 * first, `${first} and in the end ${third}`);
    });

    it(`calibrates as a model taught again does, and never with what it learned, by ${method}`, async () => {
      const before = await teach(method, ALL);
      const after = await extend(before, [ODD], [15]);
      assert.equal(after.method, method);
      assert.equal(after.learned, 1);
      const [odd] = scoresOnly(await scores(before, [ODD]));
      assert.equal(after.scores.at(-1), odd, 'what it scored before it was known');
      const again = await teach(method, ALL.slice(0, 15), [ODD]);
      assert.equal(again.learned, 1);
      // Of z-sum an extended model keeps the units in which its two distances are added.
      if (method !== 'z-sum') assert.deepEqual(after.scores.slice(0, 15), again.scores.slice(0, 15));
      const [first, ...rest] = (await extend(after, [], [15], [...ALL.slice(0, 15), ODD])).scores;
      const [plain, ...others] = (await extend(before, [], [15])).scores;
      assert.deepEqual([first, ...rest], [plain, ...others], 'as if it had never been learned');
    });
  }

  it('is exactly a model of the parts that are left where it keeps Gaussians', async () => {
    const extended = await extend(await teach('padim', ALL), STRANGE, [1, 2]);
    const again = await teach('padim', [...ALL.filter((_, part) => part !== 1 && part !== 2), ...STRANGE]);
    const parts = [...ALL.slice(0, 4), ...STRANGE];
    assertClose(scoresOnly(await scores(extended, parts)), scoresOnly(await scores(again, parts)), 1e-3);
  });

  it('holds nothing of a forgotten part, and as many patches as before', async () => {
    const before = await teach('patch-nn', [...ALL, ODD]);
    const after = await extend(before, [], [16, 2], [...ALL, ODD]);
    const bankOf = ({ memory }: Teaching) => readMemory(memory).heads.banks?.[0] ?? assert.fail();
    assert.ok(bankOf(before).parts.includes(16));
    const left = ALL.filter((_, part) => part !== 2);
    const { rows, parts } = bankOf(after);
    const isOf = (part: Features, row: Float32Array): boolean =>
      Array.from({ length: 30 }, (_, patch) => patch).some((patch) =>
        row.every((value, channel) => value === part[channel * 30 + patch]),
      );
    parts.forEach((part, index) => {
      assert.ok(isOf(left[part] ?? assert.fail(), rows.subarray(index * 128, (index + 1) * 128)));
    });
    assert.equal(parts.length, bankOf(before).parts.length);
  });

  it('grows by nothing where a part is covered already, and never beyond twice its size', async () => {
    const before = await teach('patch-nn', ALL);
    assert.equal((await extend(before, [ALL[0] ?? ODD], [])).bankSize, before.bankSize);
    let grown = before;
    const known = [...ALL];
    for (let seed = 0; seed < 5; seed += 1) {
      const add = drawnParts(SHAPE, 1, 50 + seed, 4);
      grown = await extend(grown, add, [], known);
      known.push(...add);
    }
    assert.ok(grown.bankSize > before.bankSize && grown.bankSize <= 120, `${grown.bankSize}`);
  });

  it('refuses a memory that was cut off', async () => {
    const { memory } = await teach('patch-nn', ALL);
    await assert.rejects(
      extendTeaching({
        memory: memory.subarray(0, memory.length / 2),
        backbone,
        add: [],
        remove: [],
        features: ALL,
        onProgress,
      }),
      { code: 'MODEL_INVALID' },
    );
  });
});
