import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Frame } from '../../lib/frame/frame.ts';
import { RecentParts, type RecentPart } from '../../nodes/anomaly-score/recent-parts.ts';

const section = { score: 4, pValue: 0.1, method: 'patch-nn', model: { name: 'a', version: '1', digest: '' } };

describe('the parts scored lately', () => {
  let folder: string;
  let failures: unknown[];
  const report = (error: unknown): void => void failures.push(error);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-recent-'));
    failures = [];
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function part(number: number, suspicious: boolean): Promise<RecentPart> {
    const bytes = await sharp({ create: { width: 16, height: 8, channels: 3, background: '#777' } })
      .jpeg()
      .toBuffer();
    return {
      partId: `../part ${number}`,
      at: new Date(1_700_000_000_000 + 1000 * number).toISOString(),
      section: { ...section, provider: 'cpu', boxes: [] },
      suspicious,
      frame: new Frame(bytes, { width: 16, height: 8, format: 'jpeg', source: 'test' }),
    };
  }

  it('are found again by the id of the part, the newest of all first in the list', async () => {
    const recent = new RecentParts(folder, report);
    for (let number = 0; number < 3; number += 1) recent.take(await part(number, false));
    assert.equal((await recent.find('../part 1'))?.partId, '../part 1');
    assert.deepEqual(
      recent.list(2).map(({ partId }) => partId),
      ['../part 2', '../part 1'],
    );
    assert.equal(await recent.find('another'), undefined);
  });

  it('give way to newer ones when they are too many, or too large together', async () => {
    const { byteLength } = (await part(0, false)).frame;
    for (const limits of [{ memoryParts: 2 }, { memoryBytes: 2 * byteLength }]) {
      const recent = new RecentParts(folder, report, limits);
      for (let number = 0; number < 5; number += 1) recent.take(await part(number, false));
      assert.deepEqual(
        recent.list(9).map(({ partId }) => partId),
        ['../part 4', '../part 3'],
      );
    }
  });

  it('outlive a restart where they were suspicious, or somebody said something about them', async () => {
    const recent = new RecentParts(folder, report);
    for (const [number, suspicious] of [true, false, false].entries()) {
      recent.take(await part(number, suspicious));
    }
    await recent.keep('../part 2');
    await recent.close();
    const next = new RecentParts(folder, report);
    await next.open();
    assert.deepEqual(
      next.list(9).map(({ partId }) => partId),
      ['../part 2', '../part 0'],
    );
    const found = await next.find('../part 0');
    assert.equal(found?.section.score, 4);
    assert.deepEqual(await found.frame.read(), await (await part(0, true)).frame.read());
    assert.deepEqual(failures, []);
  });

  it('stay on disk while somebody needs them, however many there are', async () => {
    const isNeeded = (partId: string): boolean => partId === '../part 0';
    const recent = new RecentParts(folder, report, { diskParts: 2, isNeeded });
    for (let number = 0; number < 4; number += 1) recent.take(await part(number, true));
    await recent.close();
    const next = new RecentParts(folder, report);
    await next.open();
    assert.deepEqual(
      next.list(9).map(({ partId }) => partId),
      ['../part 3', '../part 0'],
    );
  });

  it('leave the disk as full as they may, the oldest first', async () => {
    const recent = new RecentParts(folder, report, { diskParts: 2 });
    for (let number = 0; number < 4; number += 1) {
      recent.take(await part(number, true));
      await recent.keep(`../part ${number}`);
    }
    await recent.close();
    assert.equal((await readdir(folder)).length, 4);
    const next = new RecentParts(folder, report);
    await next.open();
    assert.deepEqual(
      next.list(9).map(({ partId }) => partId),
      ['../part 3', '../part 2'],
    );
  });

  it('are left out where their description leads elsewhere or cannot be read', async () => {
    await writeFile(
      join(folder, 'a.json'),
      JSON.stringify({ partId: 'a', at: '', file: '../../secret.png' }),
    );
    await writeFile(join(folder, 'b.json'), 'half a descr');
    const recent = new RecentParts(folder, report);
    await recent.open();
    assert.deepEqual(recent.list(9), []);
  });

  it('of raw pixels are kept as a copy, without loss', async () => {
    const recent = new RecentParts(folder, report);
    const pixels = Buffer.from(Array.from({ length: 16 * 8 * 3 }, (_, index) => index % 251));
    const frame = new Frame(pixels, { width: 16, height: 8, format: 'rgb', source: 'test' });
    recent.take({ ...(await part(7, true)), frame });
    await recent.close();
    const next = new RecentParts(folder, report);
    await next.open();
    const found = await next.find('../part 7');
    assert.deepEqual(
      await sharp(await found?.frame.read())
        .raw()
        .toBuffer(),
      pixels,
    );
  });

  it('are still there when the disk cannot be written, which is reported', async () => {
    await writeFile(join(folder, 'file'), '');
    const recent = new RecentParts(join(folder, 'file'), report);
    recent.take(await part(1, true));
    await recent.keep('../part 1');
    assert.equal(failures.length > 0, true);
    assert.equal((await recent.find('../part 1'))?.suspicious, true);
  });
});
