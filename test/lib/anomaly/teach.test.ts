import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latestModel, readModel, versionsOf, type AnomalyModel } from '../../../lib/anomaly/model.ts';
import { Scorer } from '../../../lib/anomaly/scorer.ts';
import { teach, teachingFraction } from '../../../lib/anomaly/teach.ts';
import type { TeachingProgress } from '../../../lib/anomaly/teaching.ts';
import { Frame } from '../../../lib/frame/frame.ts';
import { realParts, type RealParts } from '../../support/good-parts.ts';

describe('teaching', function () {
  this.timeout(60_000);
  let parts: RealParts;
  let folder: string;

  before(async function () {
    parts = await realParts(this);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-teach-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const teachSmall = (options: Partial<Parameters<typeof teach>[0]> = {}): Promise<AnomalyModel> =>
    teach({ frames: parts.good, folder, name: 'cubes', coresetSize: 100, ...options });

  it('makes a model that scores bad parts above every good part it has not seen', async () => {
    const progress: TeachingProgress[] = [];
    const model = await teachSmall({ onProgress: (step) => progress.push(step) });
    assert.equal(model.version, 1);
    assert.equal(model.parts.length, 12);
    assert.equal(model.bankSize, 100);
    assert.equal(model.goodScores.length, 12);
    const fractions = progress.map(teachingFraction);
    assert.deepEqual(
      fractions,
      fractions.toSorted((one, other) => one - other),
    );
    assert.equal(fractions.at(-1), 1);

    const scorer = await Scorer.open(model);
    try {
      for (const frame of parts.bad) {
        const { section, map, suspicious } = await scorer.score(frame);
        assert.ok(section.score > (model.goodScores.at(-1) ?? NaN));
        assert.equal(section.pValue, 1 / 13);
        assert.equal(section.model.digest, model.digest);
        assert.ok(section.boxes.length > 0);
        assert.equal(map.length, 784);
        assert.equal(suspicious, true);
      }
    } finally {
      await scorer.close();
    }
  });

  it('gives the same graph for the same parts and seed, another for another seed', async () => {
    const first = await teachSmall({ seed: 5 });
    const second = await teachSmall({ seed: 5 });
    const other = await teachSmall({ seed: 6 });
    assert.equal(second.digest, first.digest);
    assert.deepEqual(second.goodScores, first.goodScores);
    assert.notEqual(other.digest, first.digest);
    assert.deepEqual([first.version, second.version, other.version], [1, 2, 3]);
    assert.equal((await latestModel(folder, 'cubes'))?.version, 3);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const abort = new AbortController();
    const stopped = teachSmall({
      signal: abort.signal,
      onProgress: ({ stage }) => {
        if (stage === 'folds') abort.abort();
      },
    });
    await assert.rejects(stopped, { code: 'TEACH_CANCELLED' });
    assert.deepEqual(await readdir(join(folder, 'cubes')), []);
  });

  it('can be cancelled at the very moment the first part comes', async () => {
    const abort = new AbortController();
    const stopped = teachSmall({ signal: abort.signal });
    setImmediate(() => abort.abort());
    await assert.rejects(stopped, { code: 'TEACH_CANCELLED' });
    assert.deepEqual(await readdir(join(folder, 'cubes')).catch(() => []), []);
  });

  it('can be cancelled while it waits for the line to bring a part', async () => {
    const abort = new AbortController();
    async function* stalled(): AsyncGenerator<Frame> {
      yield* parts.good.slice(0, 2);
      abort.abort();
      await new Promise(() => undefined);
    }
    await assert.rejects(teachSmall({ frames: stalled(), signal: abort.signal }), {
      code: 'TEACH_CANCELLED',
    });
    assert.deepEqual(await readdir(join(folder, 'cubes')), []);
  });

  it('refuses fewer than ten readable parts and says how many there were', async () => {
    const broken = new Frame(Buffer.from('no jpeg'), {
      width: 640,
      height: 480,
      format: 'jpeg',
      source: 'x',
    });
    await assert.rejects(teachSmall({ frames: [...parts.good.slice(0, 9), broken] }), {
      code: 'TEACH_TOO_FEW',
      message: /^9 good parts .* 1 more were left out/,
    });
    assert.deepEqual(await readdir(join(folder, 'cubes')), []);
  });

  it('passes on what went wrong with the source of the parts', async () => {
    async function* failing(): AsyncGenerator<Frame> {
      yield* parts.good.slice(0, 1);
      await Promise.reject(new Error('the camera is gone'));
    }
    await assert.rejects(teachSmall({ frames: failing() }), /the camera is gone/);
    assert.deepEqual(await versionsOf(folder, 'cubes'), []);
  });

  it('refuses a name that is a path', async () => {
    await assert.rejects(teachSmall({ name: '../elsewhere' }), { code: 'MODEL_NAME_INVALID' });
  });

  describe('the model on disk', () => {
    let model: AnomalyModel;

    beforeEach(async () => {
      model = await teachSmall({ coresetSize: 20 });
    });

    it('is refused when its graph is not the taught one', async () => {
      await appendFile(model.graph, Buffer.from([0]));
      await assert.rejects(readModel(model.path), { code: 'MODEL_DIGEST_MISMATCH' });
      await assert.rejects(Scorer.open(model), { code: 'MODEL_DIGEST_MISMATCH' });
    });

    it('is refused when its description is not what it should be', async () => {
      const file = join(model.path, 'model.json');
      const manifest = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
      for (const change of [{ goodScores: [2, 1] }, { goodScores: [] }, { digest: 'md5:0' }, { format: 3 }]) {
        await writeFile(file, JSON.stringify({ ...manifest, ...change }));
        await assert.rejects(readModel(model.path), { code: 'MODEL_INVALID' }, JSON.stringify(change));
      }
      await writeFile(file, '{');
      await assert.rejects(readModel(model.path), { code: 'MODEL_INVALID' });
    });

    it('is missing when there is none', async () => {
      await assert.rejects(readModel(join(folder, 'cubes', '9')), { code: 'MODEL_MISSING' });
      assert.equal(await latestModel(folder, 'nobody taught this'), undefined);
    });
  });
});
