import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lesson } from '../../../lib/anomaly/lesson.ts';
import { readManifest, versionsOf } from '../../../lib/anomaly/model.ts';
import { PartStore } from '../../../lib/anomaly/parts.ts';
import { discardLesson, teach, unfinishedLesson } from '../../../lib/anomaly/teach.ts';
import type { Frame } from '../../../lib/frame/frame.ts';
import { realParts, type RealParts } from '../../support/good-parts.ts';

describe('a lesson', function () {
  this.timeout(120_000);
  let parts: RealParts;
  let folder: string;

  before(async function () {
    parts = await realParts(this);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-lesson-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const small = { coresetSize: 50 };
  const entries = async (): Promise<string[]> => (await readdir(join(folder, 'cubes'))).sort();

  /** Offers frames to a live lesson until so many are kept, then does something to its process. */
  async function untilCollected(count: number, then: (pid: number) => void): Promise<Lesson> {
    let pid = 0;
    const lesson = new Lesson({
      folder,
      name: 'cubes',
      parts: 12,
      ...small,
      onProcess: (started) => (pid = started),
      onProgress: ({ stage, done }) => {
        if (stage === 'features' && done === count) then(pid);
      },
    });
    for (const frame of parts.good.slice(0, count)) lesson.offer(frame);
    await lesson.model.catch(() => undefined);
    return lesson;
  }

  it('goes on where its process was killed, to the model it would have been', async () => {
    const lesson = await untilCollected(7, (pid) => process.kill(pid, 'SIGKILL'));
    await assert.rejects(lesson.model, { code: 'TEACH_FAILED' });
    const { collected, wanted, fromPictures } = (await unfinishedLesson(folder, 'cubes')) ?? {};
    assert.deepEqual({ collected, wanted, fromPictures }, { collected: 7, wanted: 12, fromPictures: false });

    const resumed: Lesson = new Lesson({
      folder,
      name: 'cubes',
      parts: 12,
      collected: 7,
      resume: true,
      // the line brings one it had already, which does not count: another is taken in its place
      onFinding: () => assert.equal(resumed.offer(parts.good[11] as Frame), true),
    });
    for (const frame of parts.good.slice(6, 11)) assert.equal(resumed.offer(frame), true);
    assert.equal(resumed.offer(parts.good[11] as Frame), false);
    const model = await resumed.model;
    assert.equal(model.parts.length, 12);
    assert.equal(await unfinishedLesson(folder, 'cubes'), undefined);
    assert.deepEqual(await entries(), ['1', 'parts']);
    const other = await mkdtemp(join(tmpdir(), 'jidoka-lesson-'));
    try {
      const whole = await teach({ frames: parts.good, folder: other, name: 'cubes', ...small });
      assert.equal(model.digest, whole.digest);
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  it('is kept when it is suspended, and gone when it is given up', async () => {
    let collected: () => void = () => undefined;
    const one = new Promise<void>((resolve) => (collected = resolve));
    const lesson = new Lesson({ folder, name: 'cubes', parts: 12, ...small, onProgress: () => collected() });
    for (const frame of parts.good.slice(0, 3)) lesson.offer(frame);
    await one;
    await lesson.suspend();
    await assert.rejects(lesson.model, { code: 'TEACH_SUSPENDED' });
    assert.ok(((await unfinishedLesson(folder, 'cubes'))?.collected ?? 0) >= 1);
    await discardLesson(folder, 'cubes');
    assert.deepEqual(await entries(), []);
    await assert.rejects(teach({ folder, name: 'cubes', resume: true }), { code: 'LESSON_MISSING' });
  });

  it('from a folder goes on after whoever taught was killed, without the pictures it has', async () => {
    const taught = fork(join(import.meta.dirname, '..', '..', 'support', 'teaching-parent.ts'), [
      folder,
      ...parts.goodPaths,
    ]);
    await killedWhile(taught, async () => ((await unfinishedLesson(folder, 'cubes'))?.collected ?? 0) >= 2);
    const before = (await unfinishedLesson(folder, 'cubes'))?.collected ?? 0;
    assert.ok(before >= 2 && (await versionsOf(folder, 'cubes')).length === 0);
    // what the power cut off in the middle of a line, and of a part
    await appendFile(join(folder, 'cubes', 'lesson-parts.jsonl'), '{"id":"12');
    await writeFile(join(folder, 'cubes', 'parts', '.draft-torn'), 'half a picture');
    const model = await teach({ folder, name: 'cubes', resume: true });
    assert.equal(model.parts.length, 12);
    assert.deepEqual(await entries(), ['1', 'parts']);
    const files = await readdir(join(folder, 'cubes', 'parts'));
    assert.equal(files.length, 24, 'a picture and a description for each part and nothing else');
  });

  it('is one at a time for each name', async () => {
    const first = teach({ frames: parts.good, folder, name: 'cubes', ...small });
    await assert.rejects(teach({ frames: parts.good, folder, name: 'cubes', ...small }), {
      code: 'TEACH_BUSY',
    });
    await assert.rejects(discardLesson(folder, 'cubes'), { code: 'TEACH_BUSY' });
    assert.equal((await first).version, 1);
    // a lock of a process that is no more
    await writeFile(join(folder, 'cubes', '.lock'), '999999 1');
    assert.equal((await teach({ frames: parts.good, folder, name: 'cubes', ...small })).version, 2);
  });

  it('ends in a coded error where nothing can be written', async function () {
    await writeFile(join(folder, 'file'), 'no folder');
    const cannot = teach({ frames: parts.good, folder: join(folder, 'file'), name: 'cubes' });
    await assert.rejects(cannot, { code: 'MODELS_UNWRITABLE' });
    if (process.getuid?.() === 0) return;
    await mkdir(join(folder, 'closed'), { mode: 0o500 });
    const refused = teach({ frames: parts.good, folder: join(folder, 'closed'), name: 'cubes' });
    await assert.rejects(refused, { code: 'MODELS_UNWRITABLE' });
    await chmod(join(folder, 'closed'), 0o700);
  });

  it('does not believe a part whose picture or description was changed', async () => {
    const model = await teach({ frames: parts.good, folder, name: 'cubes', ...small });
    const store = new PartStore(folder, 'cubes');
    const [first = '', second = '', third = ''] = model.parts;
    await writeFile(join(store.folder, `${first}.png`), await store.picture(second));
    await assert.rejects(store.read(first), { code: 'PART_DIGEST_MISMATCH' });
    const about = JSON.parse(await readFile(join(store.folder, `${second}.json`), 'utf8')) as object;
    for (const change of [{ label: 'perfect' }, { id: third }, { more: 1 }, { width: -1 }]) {
      await writeFile(join(store.folder, `${second}.json`), JSON.stringify({ ...about, ...change }));
      await assert.rejects(store.read(second), { code: 'PART_INVALID' });
    }
    await rm(join(store.folder, `${third}.png`));
    await assert.rejects(store.read(third), { code: 'PART_MISSING' });
    for (const id of ['../1/model', '', 'x'])
      await assert.rejects(store.picture(id), { code: 'PART_MISSING' });
    const again = teach({ folder, name: 'cubes', parts: model.parts });
    await assert.rejects(again, { code: 'PART_DIGEST_MISMATCH' });
  });

  it('leaves models of the first format readable, as such that know no parts', async () => {
    const old = join(folder, 'old', '1');
    await mkdir(old, { recursive: true });
    const manifest = {
      format: 1,
      name: 'old',
      version: 1,
      digest: `sha256:${'0'.repeat(64)}`,
      method: 'patch-nn',
      input: { width: 224, height: 224, colour: 'rgb', fit: 'stretch' },
      backbone: { digest: `sha256:${'1'.repeat(64)}` },
      bankSize: 1000,
      seed: 1,
      parts: 3,
      skipped: 0,
      goodScores: [1, 2, 3],
      thresholds: [{ alpha: 0.05, threshold: null }],
      note: '',
      createdAt: '2026-01-01T00:00:00.000Z',
    };
    await writeFile(join(old, 'model.json'), JSON.stringify(manifest));
    const read = await readManifest(old);
    assert.deepEqual([read.format, read.parts, read.goodScores], [2, [], [1, 2, 3]]);
    for (const change of [{ parts: [] }, { method: 'padim' }, { extra: 1 }, { format: 2 }]) {
      await writeFile(join(old, 'model.json'), JSON.stringify({ ...manifest, ...change }));
      await assert.rejects(readManifest(old), { code: 'MODEL_INVALID' }, JSON.stringify(change));
    }
  });

  /** Ends the process for good as soon as something has come true. */
  async function killedWhile(child: ChildProcess, isTrue: () => Promise<boolean>): Promise<void> {
    const exited = once(child, 'exit');
    while (!(await isTrue())) await once(child, 'message');
    child.kill('SIGKILL');
    await exited;
  }
});
