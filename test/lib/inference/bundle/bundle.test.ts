import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { link, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalJson } from '../../../../lib/canonical.ts';
import { InferenceError } from '../../../../lib/inference/errors.ts';
import { readModel } from '../../../../lib/inference/model/model.ts';
import { bytes, colourModel, FLOAT, floats, model, node, value, type Field } from '../onnx.ts';
import { integerField } from '../../../../lib/protobuf.ts';
import { picture, sample, writeFolder, zipOf, type Files } from './samples.ts';

describe('bundle', () => {
  let root: string;
  let count = 0;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'jidoka-bundle-'));
  });
  after(() => rm(root, { recursive: true }));

  async function folderOf(files: Files): Promise<string> {
    count += 1;
    return await writeFolder(join(root, `bundle-${count}`), files);
  }

  async function refuses(path: string, code: string, message: RegExp): Promise<void> {
    await assert.rejects(readModel(path), (error: InferenceError) => {
      assert.ok(error instanceof InferenceError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.ok((error.hint ?? '').length > 10, 'says what to do');
      return true;
    });
  }

  it('is the same model as a folder, a stored and a deflated zip, whatever the zip is called', async () => {
    const files = await sample();
    const folder = await folderOf(files);
    const fromFolder = await readModel(folder);
    const manifest = JSON.parse(files['model.json'].toString()) as Record<string, unknown>;
    const digest = createHash('sha256').update(canonicalJson(manifest)).digest('hex');
    assert.equal(fromFolder.name, 'colour of the cap');
    assert.equal(fromFolder.version, '3');
    assert.equal(fromFolder.digest, `sha256:${digest}`);
    assert.deepEqual(fromFolder.bytes, colourModel());
    assert.deepEqual(fromFolder.bundle?.manifest, manifest);
    const [golden] = fromFolder.bundle.golden;
    assert.deepEqual(golden, {
      name: 'golden/red.png',
      bytes: files['golden/red.png'],
      format: 'png',
      width: 8,
      height: 8,
      expected: { task: 'classify', classes: [{ index: 0, label: 'red', score: 0.5 }] },
      tolerance: { absolute: 0.01, relative: 0 },
    });
    for (const [name, compress] of [
      ['stored.zip', false],
      ['deflated.bin', true],
      ['misnamed.onnx', true],
    ] as const) {
      await writeFile(join(root, name), await zipOf(files, { compress }));
      assert.deepEqual(await readModel(join(root, name)), fromFolder, name);
    }
  });

  it('may lie in one folder of its zip, as tools pack it that are shown the folder', async () => {
    const files = await sample();
    const inner = Object.fromEntries(
      Object.entries(files).map(([name, content]) => [`cap/${name}`, content]),
    );
    await writeFile(join(root, 'outer.zip'), await zipOf(inner));
    assert.deepEqual((await readModel(join(root, 'outer.zip'))).bytes, colourModel());
  });

  it('has the digest of what it says, not of how that is spelled', async () => {
    const files = await sample();
    const { digest } = await readModel(await folderOf(files));
    const { files: listed, ...rest } = JSON.parse(files['model.json'].toString()) as Record<string, unknown>;
    const respelled = Buffer.from(JSON.stringify({ files: listed, ...rest }));
    assert.equal((await readModel(await folderOf({ ...files, 'model.json': respelled }))).digest, digest);
    const other = await sample((manifest) => (manifest.intendedUse = 'Something else.'));
    assert.notEqual((await readModel(await folderOf(other))).digest, digest);
  });

  it('is refused when it is not the one that was asked for', async () => {
    const folder = await folderOf(await sample());
    const { digest } = await readModel(folder);
    assert.equal((await readModel(folder, { digest })).digest, digest);
    const other = readModel(folder, { digest: `sha256:${'0'.repeat(64)}` });
    await assert.rejects(other, { code: 'MODEL_DIGEST_MISMATCH' });
  });

  it('is refused with a file changed, missing or put beside', async () => {
    const files = await sample();
    const changed = { ...files, 'golden/red.png': await picture(201) };
    await refuses(await folderOf(changed), 'BUNDLE_INVALID', /"golden\/red.png" is sha256:\w+, model.json/);
    const missing = await folderOf(files);
    await rm(join(missing, 'golden', 'red.png'));
    await refuses(missing, 'BUNDLE_INVALID', /lacks "golden\/red.png"/);
    const beside = { ...files, '.DS_Store': Buffer.from('x') };
    await refuses(await folderOf(beside), 'BUNDLE_INVALID', /holds ".DS_Store", which model.json does not/);
    await refuses(await folderOf({ 'model.onnx': colourModel() }), 'BUNDLE_INVALID', /no model.json/);
  });

  it('may carry a signature and other files that are listed', async () => {
    const files = await sample(undefined, { 'calibration/one.txt': Buffer.from('1') });
    const folder = await folderOf({ ...files, 'signature.json': Buffer.from('{}') });
    assert.deepEqual((await readModel(folder)).bytes, colourModel());
    await writeFile(join(folder, 'calibration', 'one.txt'), '2');
    await refuses(folder, 'BUNDLE_INVALID', /"calibration\/one.txt" is sha256/);
  });

  it('is refused with links, pipes, too many files or too much in them', async function () {
    const linked = await folderOf(await sample());
    await symlink('/etc/passwd', join(linked, 'golden', 'passwd'));
    await refuses(linked, 'MODEL_NOT_ALLOWED', /symbolic link "golden\/passwd"/);

    const folderLink = await folderOf(await sample());
    await symlink('/etc', join(folderLink, 'etc'));
    await refuses(folderLink, 'MODEL_NOT_ALLOWED', /symbolic link "etc"/);

    const files = await sample();
    const { 'golden/red.png': red, ...others } = files;
    const hard = await folderOf({ ...others, 'golden/other.png': Buffer.alloc(0) });
    await rm(join(hard, 'golden', 'other.png'));
    await writeFile(join(root, 'red.png'), red as Buffer);
    await link(join(root, 'red.png'), join(hard, 'golden', 'red.png'));
    await refuses(hard, 'MODEL_NOT_ALLOWED', /2 hard links/);

    const many = await folderOf(await sample());
    for (let file = 0; file < 260; file += 1) await writeFile(join(many, `${file}`), '');
    await refuses(many, 'BUNDLE_TOO_LARGE', /more than 256 files/);

    const large = await folderOf(await sample());
    const limited = readModel(large, { limitBytes: 10 });
    await assert.rejects(limited, { code: 'MODEL_TOO_LARGE' });

    await symlink(large, join(root, 'a-link'));
    await refuses(join(root, 'a-link'), 'MODEL_NOT_ALLOWED', /symbolic link/);
    if (process.platform === 'win32') {
      console.log('      skipped: Windows has no such links and pipes among its files');
      this.skip();
    }
    const named = await folderOf(await sample());
    await writeFile(Buffer.concat([Buffer.from(`${named}/`), Buffer.from([0xc3, 0x28])]), '');
    await refuses(named, 'BUNDLE_INVALID', /cannot be shown/);
    execFileSync('mkfifo', [join(large, 'pipe')]);
    await refuses(large, 'MODEL_NOT_ALLOWED', /"pipe", which is no file/);
  });

  it('is refused when its golden pictures are none, cut off or too large', async () => {
    const text = { 'golden/red.png': Buffer.from('no picture') };
    await refuses(await folderOf(await sample(undefined, text)), 'BUNDLE_INVALID', /no whole JPEG/);
    const cut = { 'golden/red.png': (await picture(200)).subarray(0, -8) };
    await refuses(await folderOf(await sample(undefined, cut)), 'BUNDLE_INVALID', /no whole JPEG/);
    const large = Buffer.concat([await picture(1), Buffer.alloc(17 * 1024 ** 2)]);
    const over = await folderOf(await sample(undefined, { 'golden/red.png': large }));
    await refuses(over, 'BUNDLE_TOO_LARGE', /golden\/red.png" is \d+ bytes/);
    const wide = await picture(1);
    wide.writeUInt32BE(50_000, 16);
    wide.writeUInt32BE(50_000, 20);
    const pixels = await folderOf(await sample(undefined, { 'golden/red.png': wide }));
    await refuses(pixels, 'BUNDLE_TOO_LARGE', /50000 × 50000 pixels/);
  });

  it('is refused when its outputs are not those of the graph', async () => {
    const name = await sample((manifest) => {
      manifest.outputs = [{ name: 'scores' }];
    });
    await refuses(await folderOf(name), 'BUNDLE_INVALID', /no output "scores"; it has "logits"/);
    const shape = await sample((manifest) => {
      manifest.outputs = [{ name: 'logits', shape: [1, 4] }];
    });
    await refuses(await folderOf(shape), 'BUNDLE_INVALID', /"logits" is 1×3, model.json says 1×4/);
  });

  it('is scanned like any model', async () => {
    const zip = await zipOf(await sample());
    const nested = await folderOf(await sample(undefined, { 'model.onnx': zip }));
    await refuses(nested, 'MODEL_INVALID', /./);
  });

  describe('with weights beside the graph', () => {
    const weights = Buffer.from(Float32Array.of(9, 9, 1, 2, 3).buffer);

    /** A tensor `offsets` of three floats that lie in a file. */
    function external(entries: Record<string, string>, name = 'offsets'): Field {
      return bytes(
        5,
        integerField(1, 3),
        integerField(2, FLOAT),
        bytes(8, name),
        ...Object.entries(entries).map(([key, text]) => bytes(13, bytes(1, key), bytes(2, text))),
        integerField(14, 1),
      );
    }

    function graph(...tensors: Field[]): Buffer {
      return model(
        value(11, 'x', FLOAT, [1, 3, 'height', 'width']),
        node('GlobalAveragePool', ['x'], ['pooled']),
        node('Flatten', ['pooled'], ['flat'], { axis: 1 }),
        node('Add', ['flat', 'offsets'], ['logits']),
        value(12, 'logits', FLOAT, [1, 3]),
        ...tensors,
      );
    }

    const bundleOf = async (onnx: Buffer): Promise<string> =>
      await folderOf(await sample(undefined, { 'model.onnx': onnx, 'weights.bin': weights }));

    it('brings them in where the bundle lists their file', async () => {
      const onnx = graph(external({ location: 'weights.bin', offset: '8', length: '12' }));
      const inside = graph(floats('offsets', [3], [1, 2, 3]));
      const { bytes: read } = await readModel(await bundleOf(onnx));
      const { readDocument, writeDocument } = await import('../../../../lib/onnx/document.ts');
      assert.deepEqual(read, writeDocument(readDocument(inside)));
    });

    it('refuses files that the bundle does not list, and places that are not in the file', async () => {
      const code = 'MODEL_EXTERNAL_DATA';
      const at = async (...entries: Record<string, string>[]): Promise<string> =>
        await bundleOf(
          graph(...entries.map((entry, index) => external(entry, index === 0 ? 'offsets' : 'more'))),
        );
      for (const location of [
        '../weights.bin',
        '/etc/passwd',
        './weights.bin',
        'weights.BIN',
        '',
        '__proto__',
      ]) {
        await refuses(await at({ location }), code, /"offsets" lie in .* lists/);
      }
      await refuses(
        await at({ location: 'weights.bin', offset: '12', length: '12' }),
        code,
        /end at byte 24/,
      );
      await refuses(await at({ location: 'weights.bin', offset: '1e3' }), code, /offset "1e3"/);
      await refuses(await at({ location: 'weights.bin', offset: '-8', length: '12' }), code, /offset "-8"/);
      await refuses(await at({ location: 'weights.bin', offset: '999999' }), code, /end at byte 999999/);
      const first = { location: 'weights.bin', offset: '0', length: '12' };
      await refuses(await at(first, { ...first, offset: '8' }), code, /share bytes/);
      const short = { location: 'weights.bin', offset: '8', length: '8' };
      await refuses(await at(short), 'MODEL_INVALID', /declares 12 bytes and holds 8/);
    });

    it('refuses them in the constant of a node, where no exporter puts them', async () => {
      const constant = bytes(
        1,
        bytes(2, 'offsets'),
        bytes(4, 'Constant'),
        bytes(5, bytes(1, 'value'), external({ location: 'weights.bin', offset: '8', length: '12' })),
      );
      await refuses(await bundleOf(graph(constant)), 'MODEL_EXTERNAL_DATA', /another file/);
    });

    it('looks at the structure before it takes a graph apart for them', async () => {
      const weight = external({ location: 'weights.bin', offset: '8', length: '12' });
      const dims = bytes(5, integerField(2, FLOAT), bytes(8, 'deep'), bytes(1, Buffer.alloc(2_000_000, 1)));
      await refuses(await bundleOf(graph(weight, dims)), 'MODEL_INVALID', /"deep" has the impossible shape/);
      const many = Buffer.concat(Array.from({ length: 60_001 }, (_, index) => floats(`w${index}`, [1], [1])));
      await refuses(await bundleOf(graph(weight, many)), 'MODEL_TOO_LARGE', /60000 initializers/);
    });

    it('refuses them of a bare graph', async () => {
      const path = join(root, 'bare.onnx');
      await writeFile(path, graph(external({ location: 'weights.bin', offset: '8', length: '12' })));
      await writeFile(join(root, 'weights.bin'), weights);
      await refuses(path, 'MODEL_EXTERNAL_DATA', /another file/);
    });
  });
});
