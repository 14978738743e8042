import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { listModels } from '../../../../lib/inference/model/list.ts';

describe('the list of models', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-list-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function put(path: string, bytes = 3): Promise<void> {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), Buffer.alloc(bytes));
  }

  async function paths(): Promise<string[]> {
    return (await listModels(folder)).models.map(({ path }) => path);
  }

  it('names files, zips and bundles, with what they are, their size and date', async () => {
    await put('a.onnx', 10);
    await put('b.ZIP', 20);
    await put('press/top/model.json', 5);
    await put('press/top/model.onnx', 30);
    await put('notes.txt');
    await utimes(join(folder, 'a.onnx'), new Date('2026-01-02T03:04:05Z'), new Date('2026-01-02T03:04:05Z'));
    const { models, isCut } = await listModels(folder);
    assert.deepEqual(
      models.map(({ path, kind, bytes }) => [path, kind, bytes]),
      [
        ['a.onnx', 'onnx', 10],
        ['b.ZIP', 'zip', 20],
        ['press/top', 'bundle', 35],
      ],
    );
    assert.equal(models[0]?.modifiedAt, '2026-01-02T03:04:05.000Z');
    assert.equal(isCut, false);
  });

  it('looks four folders deep and no further', async () => {
    await put('1/2/3/4/in.onnx');
    await put('1/2/3/4/5/out.onnx');
    assert.deepEqual(await paths(), ['1/2/3/4/in.onnx']);
  });

  it('follows no link out of the folder, and passes hidden files over', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'jidoka-outside-'));
    await writeFile(join(outside, 'secret.onnx'), 'x');
    await symlink(outside, join(folder, 'linked'));
    await symlink(join(outside, 'secret.onnx'), join(folder, 'link.onnx'));
    await put('.hidden.onnx');
    assert.deepEqual(await paths(), []);
    await rm(outside, { recursive: true });
  });

  it('cuts a list nobody could read, and says so', async () => {
    await Promise.all(Array.from({ length: 501 }, (_, index) => put(`${index}.onnx`)));
    const { models, isCut } = await listModels(folder);
    assert.equal(models.length, 500);
    assert.equal(isCut, true);
  });

  it('says where the folder should be when there is none', async () => {
    await assert.rejects(listModels(join(folder, 'none')), { code: 'MODEL_FOLDER_MISSING' });
  });
});
