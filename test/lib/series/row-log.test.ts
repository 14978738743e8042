import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasRows, readRows, removeRows, RowLog } from '../../../lib/series/row-log.ts';

describe('rows collected for a lesson', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-rows-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('are there after whatever ended the process, but for a line that was cut off', async () => {
    const log = await RowLog.open(folder, 'pump');
    const taken = await Promise.all([1, 2, 3].map((value) => log.add(['a', 'b'], [value, value / 3])));
    assert.deepEqual(taken, [1, 2, 3]);
    await log.close();
    for (const cut of ['[4,', '[4]\n', '[4,null]\n', '[5,"x"]\n[6,7]\n']) {
      await appendFile(log.file, cut);
      const again = await RowLog.open(folder, 'pump');
      assert.deepEqual([again.columns, again.count], [['a', 'b'], 3]);
      await again.close();
    }
    const more = await RowLog.open(folder, 'pump');
    assert.equal(await more.add(['other'], [4, 5]), 4);
    await more.close();
    const { columns, rows } = await readRows(log.file);
    assert.deepEqual(columns, ['a', 'b']);
    assert.deepEqual(rows, [
      [1, 1 / 3],
      [2, 2 / 3],
      [3, 1],
      [4, 5],
    ]);
  });

  it('are collected by one at a time, and gone when they are removed', async () => {
    assert.equal(await hasRows(folder, 'pump'), false);
    const log = await RowLog.open(folder, 'pump');
    await assert.rejects(RowLog.open(folder, 'pump'), { code: 'TEACH_BUSY' });
    await log.close();
    assert.equal(await hasRows(folder, 'pump'), true);
    await removeRows(folder, 'pump');
    assert.equal(await hasRows(folder, 'pump'), false);
    await assert.rejects(readRows(log.file), { code: 'SERIES_UNREADABLE' });
  });
});
