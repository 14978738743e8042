import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packBundle, type ManifestDraft, type PackRequest } from '../../../../lib/inference/bundle/pack.ts';
import { modelOptions } from '../../../../lib/inference/bundle/options.ts';
import { Frame } from '../../../../lib/frame/frame.ts';
import { acquireHost } from '../../../../lib/inference/host/host.ts';
import { openModel } from '../../../../lib/inference/open-model.ts';
import { readModel } from '../../../../lib/inference/model/model.ts';
import { colourModel } from '../onnx.ts';
import { manifestFor, picture, zipOf, type Files } from './samples.ts';

describe('packing a bundle', () => {
  let root: string;
  let model: string;
  let red: string;
  const draft: ManifestDraft = manifestFor({});

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'jidoka-pack-'));
    [model, red] = [join(root, 'colour.onnx'), join(root, 'secret customer.png')];
    await writeFile(model, colourModel());
    await writeFile(red, await picture(250));
  });
  after(() => rm(root, { recursive: true }));

  /** Runs the pictures in the host, as the product does. */
  const run: PackRequest['run'] = async (source, pictures) => {
    const host = acquireHost('cpu');
    try {
      const loaded = await host.load(
        source,
        modelOptions(source, { providers: ['cpu'], head: { task: 'auto' } }),
      );
      const answers = [];
      for (const { bytes, format, width, height } of pictures) {
        const frame = new Frame(bytes, { format, width, height, source: 'golden' });
        answers.push((await loaded.run(frame)).prediction);
      }
      return answers;
    } finally {
      await host.release();
    }
  };

  async function filesOf(folder: string): Promise<Files> {
    const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const files: Files = {};
    for (const { parentPath, name } of names) {
      const path = join(parentPath, name);
      files[path.slice(folder.length + 1).replaceAll('\\', '/')] = await readFile(path);
    }
    return files;
  }

  it('holds the model, what it answers about each picture, and the digests of both', async () => {
    const folder = join(root, 'made', 'cap-3');
    const packed = await packBundle({ model, folder, manifest: draft, goldenImages: [red], run });
    const files = await filesOf(folder);
    assert.deepEqual(Object.keys(files).sort(), ['golden/01.png', 'model.json', 'model.onnx']);
    assert.doesNotMatch(files['model.json']?.toString() ?? '', /secret/);
    const read = await readModel(folder);
    assert.equal(read.digest, packed.digest);
    assert.deepEqual(read.bundle?.manifest, packed.manifest);
    const [golden] = read.bundle.golden;
    const { classes } = golden?.expected as { classes: { label: string; score: number }[] };
    assert.deepEqual(
      classes.map(({ label }) => label),
      ['red', 'green'],
    );
    // softmax of 250, 40 and 10 grey levels over 255
    assert.ok(Math.abs((classes[0]?.score ?? 0) - 0.5465) < 0.002, JSON.stringify(classes));
    await writeFile(join(root, 'cap.zip'), await zipOf(files));
    assert.deepEqual(await readModel(join(root, 'cap.zip')), read);
  });

  it('serves where it answers as it did when it was packed, and nowhere else', async () => {
    const folder = join(root, 'served');
    await packBundle({ model, folder, manifest: draft, goldenImages: [red], run });
    const wanted = { providers: ['cpu'], head: { task: 'auto' } } as const;
    const opened = await openModel(await readModel(folder), wanted);
    try {
      assert.equal(opened.info.model.name, 'colour of the cap');
      assert.deepEqual(opened.info.head, { ...draft.postprocessing, task: 'classify', labels: draft.labels });
    } finally {
      await opened.close();
    }
    const manifest = await readFile(join(folder, 'model.json'), 'utf8');
    await writeFile(join(folder, 'model.json'), manifest.replace(/"score": 0\.54\d+/, '"score": 0.64'));
    const other = openModel(await readModel(folder), wanted);
    await assert.rejects(other, {
      code: 'MODEL_GOLDEN_MISMATCH',
      message: /classes\[0\].score should be 0.64/,
    });
  });

  it('gives the same bytes each time', async () => {
    const [one, two] = [join(root, 'one'), join(root, 'two')];
    const answers: PackRequest['run'] = () => Promise.resolve([{ task: 'classify', classes: [] }]);
    for (const folder of [one, two]) {
      await packBundle({ model, folder, manifest: draft, goldenImages: [red], run: answers });
    }
    assert.deepEqual(await filesOf(one), await filesOf(two));
  });

  it('takes the graph of another bundle', async () => {
    const [first, second] = [join(root, 'first'), join(root, 'second')];
    await packBundle({ model, folder: first, manifest: draft });
    await packBundle({ model: first, folder: second, manifest: { ...draft, version: '4' } });
    const { version, bytes } = await readModel(second);
    assert.deepEqual({ version, bytes }, { version: '4', bytes: colourModel() });
  });

  it('never takes the place of anything, and leaves nothing behind when it fails', async () => {
    const folder = join(root, 'taken');
    await packBundle({ model, folder, manifest: draft });
    const before = (await readdir(root)).sort();
    await assert.rejects(packBundle({ model, folder, manifest: draft }), { code: 'BUNDLE_EXISTS' });
    // before anything is run, which can take minutes
    const late: PackRequest['run'] = () => assert.fail('ran the model');
    const again = packBundle({ model, folder: red, manifest: draft, goldenImages: [red], run: late });
    await assert.rejects(again, { code: 'BUNDLE_EXISTS' });
    const refuses = async (change: Partial<PackRequest>, code: string): Promise<void> => {
      const request = { model, folder: join(root, 'none'), manifest: draft, ...change };
      await assert.rejects(packBundle(request), { code });
    };
    const wrong = { ...draft, task: 'auto' } as unknown as ManifestDraft;
    await refuses({ manifest: wrong }, 'BUNDLE_INVALID');
    await refuses({ manifest: { ...draft, outputs: [{ name: 'other' }] } }, 'BUNDLE_INVALID');
    await refuses({ model: join(root, 'none.onnx') }, 'MODEL_NOT_FOUND');
    await refuses({ goldenImages: [join(root, 'none.png')] }, 'BUNDLE_INVALID');
    await refuses({ goldenImages: [model] }, 'BUNDLE_INVALID');
    const other: PackRequest['run'] = () => Promise.resolve([{ task: 'raw' }]);
    await refuses({ goldenImages: [red], run: other }, 'BUNDLE_INVALID');
    assert.deepEqual((await readdir(root)).sort(), before);
  });
});
