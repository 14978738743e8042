import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dropCandidate, publishCandidate, readCandidate } from '../../../lib/anomaly/candidate.ts';
import { DraftLesson } from '../../../lib/anomaly/draft-lesson.ts';
import { AnomalyError } from '../../../lib/anomaly/errors.ts';
import { latestModel, versionsOf } from '../../../lib/anomaly/model.ts';
import { PartStore } from '../../../lib/anomaly/parts.ts';
import { settingsOf } from '../../../lib/anomaly/teach.ts';
import { teachDraft } from '../../../lib/anomaly/teach-draft.ts';
import { prune, rollback } from '../../../lib/anomaly/versions.ts';
import type { Frame } from '../../../lib/frame/frame.ts';
import { realParts, type RealParts } from '../../support/good-parts.ts';
import { putTaughtModel } from '../../support/taught-model.ts';

const BY = { actor: 'ann', reason: 'new tool in the press' };
const SETTINGS = settingsOf({ coresetSize: 50 });

describe('a lesson that a person looks through', function () {
  this.timeout(120_000);
  let parts: RealParts;
  let folder: string;
  let place: { folder: string; name: string };

  before(async function () {
    parts = await realParts(this);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-draft-'));
    place = { folder, name: 'top' };
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function opened(): Promise<DraftLesson> {
    const draft = await DraftLesson.open(place);
    assert.ok(draft !== undefined);
    return draft;
  }

  async function fromFolder(pictures: readonly string[]): Promise<DraftLesson> {
    const draft = await DraftLesson.begin(place, SETTINGS);
    await draft.ask({ pictures }, BY);
    await draft.collect({});
    return draft;
  }

  it('collects from a folder, points out what is wrong, and teaches from what a person leaves in', async () => {
    const broken = join(folder, 'broken.png');
    await writeFile(broken, 'no picture');
    const draft = await fromFolder([...parts.goodPaths, broken, parts.goodPaths[0] ?? '']);
    assert.equal(draft.phase, 'looking');
    assert.equal(draft.parts.length, 12);
    assert.deepEqual(draft.findings.map(({ kind }) => kind).sort(), ['duplicate', 'unreadable']);
    const [first = '', second = ''] = draft.chosen;
    await draft.choose([first, second], true, 'ann');
    await draft.choose([second], false, 'bob');

    // as another process finds it
    const found = await opened();
    assert.deepEqual(found.parts, draft.parts);
    assert.deepEqual(found.findings, draft.findings);
    assert.equal(found.chosen.length, 11);
    assert.deepEqual(
      found.parts.slice(0, 2).map(({ isOut, decidedBy }) => [isOut, decidedBy]),
      [
        [true, 'ann'],
        [false, 'bob'],
      ],
    );
    const model = await teachDraft({ ...place, draft: found, ...BY });
    assert.deepEqual(model.parts, found.chosen);
    assert.equal(model.skipped, 1);
    assert.deepEqual(await versionsOf(folder, 'top'), []);
    assert.deepEqual((await readCandidate(place))?.digest, model.digest);
  });

  it('puts a candidate into service only when told to, and keeps or drops it until then', async () => {
    await putTaughtModel(parts, folder);
    const serving = await latestModel(folder, 'top');
    const draft = await fromFolder(parts.goodPaths.slice(0, 11));
    await teachDraft({ ...place, draft, ...BY });
    assert.equal((await latestModel(folder, 'top'))?.digest, serving?.digest);
    await dropCandidate(place);
    assert.equal(await readCandidate(place), undefined);
    await assert.rejects(publishCandidate(place), { code: 'CANDIDATE_MISSING' });
    assert.equal((await opened()).chosen.length, 11, 'going back is possible');

    const again = await teachDraft({ ...place, draft, ...BY });
    const published = await publishCandidate(place);
    assert.deepEqual([published.version, published.parent, published.digest], [2, 1, again.digest]);
    assert.deepEqual([published.change.actor, published.change.reason], [BY.actor, BY.reason]);
    assert.equal(await readCandidate(place), undefined);
    assert.equal(await DraftLesson.open(place), undefined);
    assert.equal((await latestModel(folder, 'top'))?.digest, again.digest);
  });

  it('collects from the line what is offered, and goes on after it was suspended', async () => {
    const draft = await DraftLesson.begin(place, SETTINGS);
    await draft.ask({ parts: 5 }, BY);
    const suspend = new AbortController();
    const offer = (lesson: DraftLesson, count: number): void =>
      void lesson.offer({ frame: parts.good[count] as Frame, partId: `p${count}`, unusual: true });
    let count = 0;
    const first = draft.collect({
      signal: suspend.signal,
      onCollected: () => {
        count += 1;
        if (count === 3) suspend.abort(new AnomalyError('TEACH_SUSPENDED', 'Node-RED stops'));
        else offer(draft, count);
      },
    });
    offer(draft, 0);
    await assert.rejects(first, { code: 'TEACH_SUSPENDED' });
    const later = await opened();
    assert.equal(later.phase, 'collecting');
    const collected = later.collect({ onCollected: () => offer(later, (count += 1)) });
    offer(later, count);
    await collected;
    assert.equal(later.phase, 'looking');
    assert.deepEqual(
      later.parts.map(({ partId, unusual }) => [partId, unusual]),
      ['p0', 'p1', 'p2', 'p3', 'p4'].map((partId) => [partId, true]),
    );
    assert.equal(later.offer({ frame: parts.good[9] as Frame }), false);
  });

  it('ends with the parts it has when a person says that they are enough', async () => {
    const draft = await DraftLesson.begin(place, SETTINGS);
    await draft.ask({ parts: 100 }, BY);
    const collected = draft.collect({ onCollected: () => draft.enough() });
    draft.offer({ frame: parts.good[0] as Frame });
    await collected;
    assert.deepEqual([draft.phase, draft.parts.length], ['looking', 1]);
    await assert.rejects(teachDraft({ ...place, draft, ...BY }), { code: 'TEACH_TOO_FEW' });

    // more from a folder, on top
    await draft.ask({ pictures: parts.goodPaths.slice(1, 3) }, BY);
    await draft.collect({});
    assert.equal((await opened()).parts.length, 3);
    await assert.rejects(draft.choose(['f'.repeat(64)], true, 'ann'), { code: 'PART_MISSING' });
  });

  it('leaves nothing behind when it is given up', async () => {
    const draft = await fromFolder(parts.goodPaths);
    await teachDraft({ ...place, draft, ...BY });
    await draft.discard();
    assert.deepEqual(await readdir(join(folder, 'top')), []);
  });

  it('loses no part of it when a version is made meanwhile', async () => {
    await putTaughtModel(parts, folder);
    const draft = await fromFolder([parts.badPath]);
    const { id = '' } = draft.parts.at(-1) ?? {};
    await rollback({ ...place, version: 1, ...BY });
    const isKept = async (): Promise<boolean> => (await new PartStore(folder, 'top').ids()).includes(id);
    assert.equal(await isKept(), true);
    await draft.discard();
    assert.equal(await isKept(), false);
  });

  it('removes old versions, never the one in service nor the one it came from', async () => {
    await putTaughtModel(parts, folder);
    for (let times = 0; times < 5; times += 1) await rollback({ ...place, version: 1, ...BY });
    assert.deepEqual(await prune(folder, 'top', 5), []);
    const removed = await prune(folder, 'top', 2);
    assert.deepEqual(
      removed.map(({ version }) => version),
      [1, 2],
    );
    assert.match(removed[0]?.digest ?? '', /^sha256:/);
    assert.deepEqual(await versionsOf(folder, 'top'), [3, 4, 5, 6]);
    assert.equal((await latestModel(folder, 'top'))?.version, 6);
    await prune(folder, 'top', 0);
    assert.deepEqual(await versionsOf(folder, 'top'), [5, 6]);
    assert.equal((await rollback({ ...place, version: 5, ...BY })).version, 7);
    assert.equal((await new PartStore(folder, 'top').ids()).length, 12);
  });
});
