import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { learn, type LearnOptions } from '../../../lib/anomaly/learn.ts';
import { latestModel, type AnomalyModel } from '../../../lib/anomaly/model.ts';
import { PartStore } from '../../../lib/anomaly/parts.ts';
import { Scorer } from '../../../lib/anomaly/scorer.ts';
import { teach } from '../../../lib/anomaly/teach.ts';
import { rollback, versions } from '../../../lib/anomaly/versions.ts';
import type { Frame } from '../../../lib/frame/frame.ts';
import { realParts, type RealParts } from '../../support/good-parts.ts';

const WHO = { actor: 'erika', reason: 'looked at it' };

describe('a taught model that learns', function () {
  this.timeout(120_000);
  let parts: RealParts;
  let folder: string;
  let model: AnomalyModel;

  before(async function () {
    parts = await realParts(this, 14);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-learn-'));
    model = await teach({ frames: parts.good.slice(0, 12), folder, name: 'cubes', coresetSize: 100 });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const learned = (options: Partial<LearnOptions>): Promise<AnomalyModel> =>
    learn({ folder, name: 'cubes', ...WHO, ...options });
  const good = (index: number, partId = 'p-1') =>
    ({ label: 'good', partId, frame: parts.good[index] as Frame }) as const;

  it('takes up a part that was rejected and was good, and finds it normal from then on', async () => {
    const frame = parts.bad[0] as Frame;
    const taken = await learned({ add: [{ label: 'good', partId: 'p-1', frame }] });
    assert.equal(taken.version, 2);
    assert.equal(taken.parent, 1);
    assert.deepEqual(taken.parts.slice(0, 12), model.parts);
    const id = taken.parts[12] as string;
    assert.deepEqual(taken.change, { kind: 'add', parts: [id], ...WHO });
    assert.equal((await new PartStore(folder, 'cubes').about(id)).partId, 'p-1');
    assert.deepEqual(taken.learned, [id]);
    assert.equal(taken.goodScores.length, 12, 'a part that was rejected is no random sample');
    const [before, after] = [await Scorer.open(model), await Scorer.open(taken)];
    try {
      const fresh = (await before.score(frame)).section.score;
      const known = await after.score(frame);
      assert.ok(known.section.score < 0.7 * fresh, `${known.section.score} is far below ${fresh}`);
      assert.ok(Math.abs((taken.scores[12] as number) - fresh) < 1e-3, 'its score is what it was before');
      assert.ok(!taken.goodScores.includes(taken.scores[12] as number));
      assert.equal((await after.nearest(known))?.id, id);
    } finally {
      await Promise.all([before.close(), after.close()]);
    }
  });

  it('keeps a defect that was accepted for its acceptance test, which never changes what is good', async () => {
    const add = parts.bad.map((frame) => ({ label: 'defect', frame }) as const);
    const tested = await learned({ add });
    assert.equal(tested.change.kind, 'defect');
    assert.equal(tested.digest, model.digest);
    assert.deepEqual(tested.goodScores, model.goodScores);
    assert.deepEqual(tested.thresholds, model.thresholds);
    assert.equal(tested.defects.length, 3);
    const { defects, found, missedBound, threshold } = tested.acceptance;
    assert.deepEqual({ defects, found }, { defects: 3, found: 3 });
    assert.ok(tested.defectScores.every((score) => score > threshold));
    assert.ok(Math.abs(missedBound - (1 - 0.05 ** (1 / 3))) < 1e-9);

    const later = await learned({ add: [good(12)] });
    assert.deepEqual(later.defects, tested.defects);
    assert.equal(later.acceptance.defects, 3);
  });

  it('forgets a part, and one that turns out to be bad', async () => {
    const [first, second] = model.parts as [string, string];
    const without = await learned({ remove: [first] });
    assert.equal(without.change.kind, 'remove');
    assert.deepEqual(without.parts, model.parts.slice(1));
    assert.equal(without.goodScores.length, 11);
    const turned = await learned({ add: [{ label: 'defect', pictureId: second }] });
    assert.ok(!turned.parts.includes(second));
    assert.equal(turned.defects.length, 1);
    assert.deepEqual(
      (await versions(folder, 'cubes')).map(({ parts: count }) => count),
      [10, 11, 12],
    );
    await assert.rejects(learned({ remove: [turned.parts[0] as string] }), { code: 'TEACH_TOO_FEW' });
    assert.deepEqual(
      (await readdir(join(folder, 'cubes'))).sort(),
      ['1', '2', '3', 'parts'],
      'a change that was refused leaves nothing behind',
    );
  });

  it('says so when there is nothing to learn, and refuses a frame that is no picture', async () => {
    await assert.rejects(learned({ add: [good(3)] }), { code: 'LEARN_NOTHING' });
    await assert.rejects(learned({ remove: ['0'.repeat(64)] }), { code: 'LEARN_NOTHING' });
    await assert.rejects(learned({ add: [{ label: 'good', pictureId: '../../model' }] }), {
      code: 'PART_MISSING',
    });
    assert.equal((await latestModel(folder, 'cubes'))?.version, 1);
  });

  it('goes back to an old version as a new one, with who and why', async () => {
    await learned({ add: [good(12)] });
    const back = await rollback({ folder, name: 'cubes', version: 1, ...WHO });
    assert.deepEqual([back.version, back.parent, back.digest], [3, 2, model.digest]);
    assert.deepEqual(back.change, { kind: 'rollback', parts: [], ...WHO });
    assert.deepEqual(back.goodScores, model.goodScores);
    const scorer = await Scorer.open(back);
    try {
      const scored = await scorer.score(parts.good[0] as Frame);
      assert.equal((await scorer.nearest(scored))?.id, model.parts[0]);
    } finally {
      await scorer.close();
    }
    await assert.rejects(rollback({ folder, name: 'cubes', version: 9, ...WHO }), { code: 'MODEL_MISSING' });
  });

  it('keeps what it learned out of the threshold when it is taught anew, and forgets it altogether', async () => {
    const taken = await learned({ add: [{ label: 'good', frame: parts.bad[0] as Frame }] });
    const again = await teach({ folder, name: 'cubes', parts: taken.parts, coresetSize: 100 });
    assert.deepEqual(again.learned, taken.learned);
    assert.deepEqual(again.goodScores, taken.goodScores);
    const without = await learned({ remove: taken.learned });
    assert.deepEqual(without.learned, []);
    assert.deepEqual(without.goodScores, model.goodScores);
  });

  it('teaches anew from the parts it keeps, to the same graph', async () => {
    const again = await teach({ folder, name: 'cubes', parts: model.parts, coresetSize: 100 });
    assert.equal(again.digest, model.digest);
    assert.deepEqual(again.scores, model.scores);
  });
});
