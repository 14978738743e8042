import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ballast } from '../../../lib/journal/ballast.ts';

describe('ballast', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-ballast-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('takes its space, and gives it back once', () => {
    const ballast = new Ballast(folder, 10_000);
    assert.equal(ballast.isThere, false);
    assert.equal(ballast.fill(), true);
    assert.equal(ballast.isThere, true);
    assert.equal(ballast.free(), true);
    assert.equal(ballast.isThere, false);
    assert.equal(ballast.free(), false);
  });

  it('has nothing to give where the disk refuses to delete it', async () => {
    await mkdir(join(folder, 'ballast', 'in the way'), { recursive: true });
    const ballast = new Ballast(folder, 1_000_000);
    assert.equal(ballast.free(), false);
    assert.equal(ballast.fill(), false);
  });

  it('is not there where the disk refuses to look', async () => {
    await symlink('ballast', join(folder, 'ballast'));
    assert.equal(new Ballast(folder, 1).isThere, false);
  });
});
