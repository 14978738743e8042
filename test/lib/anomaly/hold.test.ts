import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { holdModel } from '../../../lib/anomaly/hold.ts';

describe('a model that is held', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-hold-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is held by one at a time, and leaves nothing when it is let go', async () => {
    const release = await holdModel(folder, 'cubes');
    await assert.rejects(holdModel(folder, 'cubes'), { code: 'TEACH_BUSY' });
    assert.deepEqual(await readdir(join(folder, 'cubes')), ['.lock']);
    await release();
    assert.deepEqual(await readdir(join(folder, 'cubes')), []);
    await (
      await holdModel(folder, 'cubes')
    )();
  });

  for (const [what, content] of [
    ['a process that is no more', '4194303 1'],
    ['a process with the same number that began at another time', `${process.ppid} 1`],
  ] as const) {
    it(`is taken over from ${what}`, async () => {
      await mkdir(join(folder, 'cubes'));
      await writeFile(join(folder, 'cubes', '.lock'), content);
      const release = await holdModel(folder, 'cubes');
      assert.deepEqual(await readdir(join(folder, 'cubes')), ['.lock']);
      await release();
    });
  }
});
