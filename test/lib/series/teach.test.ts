import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latestModel, readModel } from '../../../lib/series/model.ts';
import { parseTable, readTable } from '../../../lib/series/table.ts';
import { teach, type TeachOptions } from '../../../lib/series/teach.ts';
import { Watch } from '../../../lib/series/normal.ts';
import { PUMP, pumpRows } from './pump.ts';

async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
}

describe('teaching a model of signals', () => {
  let folder: string;
  let lesson: TeachOptions;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-series-'));
    lesson = {
      folder,
      name: 'pump',
      columns: PUMP,
      rows: pumpRows(120, 1),
      methods: ['nearest', 'pca', 'ewma'],
      smoothing: 2,
    };
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('stores versions that count up, and the same rows give the same digest', async () => {
    const steps: number[] = [];
    const first = await teach({ ...lesson, onProgress: (done, total) => steps.push(done / total) });
    const second = await teach(lesson);
    assert.deepEqual([first.version, second.version], [1, 2]);
    assert.equal(first.digest, second.digest);
    assert.equal(steps.at(-1), 1);
    assert.deepEqual(await readdir(join(folder, 'pump')), ['1', '2']);
  });

  it('is read back as it was taught, and judges the same', async () => {
    const taught = await teach(lesson);
    const read = await latestModel(folder, 'pump');
    assert.deepEqual(read, taught);
    const [one, other] = [new Watch(taught.normal), new Watch(read.normal)];
    for (const row of pumpRows(20, 5)) assert.deepEqual(one.judge(row), other.judge(row));
  });

  it('loads nothing that was changed since, and nothing that is not a model of signals', async () => {
    const { path } = await teach(lesson);
    const file = join(path, 'model.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"smoothing":2', '"smoothing":3'));
    assert.equal(await codeOf(() => readModel(path)), 'MODEL_DIGEST_MISMATCH');
    await writeFile(file, text.replace('"looks":"signals"', '"looks":"stars"'));
    assert.equal(await codeOf(() => readModel(path)), 'MODEL_INVALID');
    await writeFile(file, text.slice(0, -9));
    assert.equal(await codeOf(() => readModel(path)), 'MODEL_INVALID');
    await rm(file);
    assert.equal(await codeOf(() => readModel(path)), 'MODEL_MISSING');
    assert.equal(await latestModel(folder, 'never taught'), undefined);
  });

  it('says in the parent what is wrong with the rows, and leaves nothing behind', async () => {
    assert.equal(await codeOf(() => teach({ ...lesson, rows: pumpRows(3, 1) })), 'SERIES_TOO_SHORT');
    assert.equal(await codeOf(() => teach({ ...lesson, name: '../x' })), 'MODEL_NAME_INVALID');
    assert.deepEqual(await readdir(join(folder, 'pump')), []);
  });

  it('ends when it is cancelled', async () => {
    const cancel = new AbortController();
    const started = teach({
      ...lesson,
      rows: pumpRows(3000, 1),
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    });
    assert.equal(await codeOf(() => started), 'TEACH_CANCELLED');
    assert.equal(await codeOf(() => teach({ ...lesson, signal: AbortSignal.abort() })), 'TEACH_CANCELLED');
    assert.deepEqual(await readdir(join(folder, 'pump')), []);
  });
});

describe('tables of features', () => {
  it('are read with whatever separates them, leaving out what is no number', () => {
    const expected = {
      columns: ['a', 'b c'],
      rows: [
        [1.5, -2e3],
        [0, 4],
      ],
    };
    assert.deepEqual(parseTable('time,a,b c\n2020-01-01,1.5,-2e3\n2020-01-02,0,4\n', 'x'), expected);
    assert.deepEqual(
      parseTable('\uFEFFtime;a;"b c"\r\n2020-01-01;1,5;-2e3\r\n2020-01-02;0;4\r\n\r\n', 'x'),
      expected,
    );
    assert.deepEqual(parseTable('a;b;label\n1;2;0', 'x', ['label']).columns, ['a', 'b']);
  });

  it('with a hole are refused, and the line is named', async () => {
    assert.throws(() => parseTable('a,b\n1,2\n3,\n', 'x.csv'), /line 3 has “” for b/u);
    assert.throws(() => parseTable('a,b\n', 'x.csv'), { code: 'SERIES_UNREADABLE' });
    assert.throws(() => parseTable('a,b\nx,y\n', 'x.csv'), { code: 'SERIES_UNREADABLE' });
    await assert.rejects(readTable('/nowhere.csv'), { code: 'SERIES_UNREADABLE' });
  });
});
