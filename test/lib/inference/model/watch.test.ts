import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprint, ModelWatch } from '../../../../lib/inference/model/watch.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

describe('the watch over a model file', () => {
  let folder: string;
  let path: string;
  let watch: ModelWatch;
  let changes: number;

  async function watching(watched: string): Promise<void> {
    changes = 0;
    watch = new ModelWatch(watched, () => (changes += 1), { clock: new FakeClock() });
    await looks(3);
    assert.equal(changes, 0);
  }

  async function looks(count: number): Promise<void> {
    for (let look = 0; look < count; look += 1) await watch.look();
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-watch-'));
    path = join(folder, 'model.onnx');
    await writeFile(path, 'one');
  });
  afterEach(async () => {
    watch.close();
    await rm(folder, { recursive: true });
  });

  it('tells of another file once it has come to rest, and only once', async () => {
    await watching(path);
    await writeFile(path, 'another');
    await looks(2);
    assert.equal(changes, 0, 'it may still be written to');
    await looks(1);
    assert.equal(changes, 1);
    await looks(5);
    assert.equal(changes, 1);
  });

  it('tells of a file that was replaced before it began, after what is known was read', async () => {
    const known = await fingerprint(path);
    await writeFile(path, 'another');
    changes = 0;
    watch = new ModelWatch(path, () => (changes += 1), { known, clock: new FakeClock() });
    await looks(4);
    assert.equal(changes, 1);
  });

  it('waits while a copy grows', async () => {
    await watching(path);
    for (let bytes = 10; bytes < 60; bytes += 10) {
      await writeFile(path, Buffer.alloc(bytes));
      await looks(2);
    }
    assert.equal(changes, 0);
    await looks(1);
    assert.equal(changes, 1);
  });

  it('sees a file that was moved into its place, and says nothing while there is none', async () => {
    await watching(path);
    await rm(path);
    await looks(5);
    assert.equal(changes, 0);
    await writeFile(join(folder, 'next'), 'one');
    await rename(join(folder, 'next'), path);
    await looks(3);
    assert.equal(changes, 1);
  });

  it('sees a golden sample of a bundle change', async () => {
    const bundle = join(folder, 'bundle');
    await mkdir(join(bundle, 'golden'), { recursive: true });
    await writeFile(join(bundle, 'model.json'), '{}');
    await writeFile(join(bundle, 'golden', 'a.png'), 'x');
    await watching(bundle);
    await writeFile(join(bundle, 'golden', 'a.png'), 'yy');
    await looks(3);
    assert.equal(changes, 1);
  });

  it('looks once a second by itself, until it is closed', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    watch = new ModelWatch(path, () => seen.push('changed'), { clock });
    await watch.look();
    await writeFile(path, 'another');
    for (let second = 0; second < 3; second += 1) {
      clock.advance(1000);
      // the look under way
      await watch.look();
    }
    assert.deepEqual(seen, ['changed']);
    watch.close();
    assert.equal(clock.pending, 0);
  });
});
