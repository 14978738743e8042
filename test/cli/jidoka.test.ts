import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Figure } from '../../cli/figures.ts';
import { FLOAT, floats, modelOf, node, value } from '../lib/inference/onnx.ts';
import { repositoryRoot } from '../support/shared.ts';

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

function jidoka(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const entry = join(repositoryRoot, 'cli', 'jidoka.ts');
    execFile(process.execPath, [entry, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** Three classes by colour: a convolution that looks at each channel, and the mean of the picture. */
function colourNet(): Buffer {
  return modelOf({
    graph: [
      value(11, 'x', FLOAT, [1, 3, 'height', 'width']),
      floats('w', [3, 3, 1, 1], [2, -1, -1, -1, 2, -1, -1, -1, 2]),
      node('Conv', ['x', 'w'], ['c']),
      node('Relu', ['c'], ['r']),
      floats('v', [3, 3, 1, 1], [3, 0, 0, 0, 3, 0, 0, 0, 3]),
      node('Conv', ['r', 'v'], ['d']),
      node('GlobalAveragePool', ['d'], ['pooled']),
      node('Flatten', ['pooled'], ['logits'], { axis: 1 }),
      value(12, 'logits', FLOAT, [1, 3]),
    ],
  });
}

const SIZE = ['--width', '32', '--height', '32', '--task', 'classify'];

describe('jidoka on the command line', function () {
  this.timeout(60_000);
  let folder = '';
  let model = '';
  let images = '';
  const at = (name: string): string => join(folder, name);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-cli-'));
    [model, images] = [at('colour.onnx'), at('images')];
    await writeFile(model, colourNet());
    const colours = { red: [230, 40, 30], green: [30, 200, 60], blue: [20, 40, 220] };
    for (const [name, [r = 0, g = 0, b = 0]] of Object.entries(colours)) {
      await mkdir(join(images, name), { recursive: true });
      for (const shade of [0.5, 0.75, 1]) {
        const background = { r: r * shade, g: g * shade, b: b * shade };
        const picture = sharp({ create: { width: 48, height: 40, channels: 3, background } });
        await picture.png().toFile(join(images, name, `${shade * 100}.png`));
      }
    }
    await writeFile(join(images, 'notes.txt'), 'no picture');
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('shows what a model is', async () => {
    const { code, stdout } = await jidoka('inspect', model, ...SIZE, '--nodes');
    assert.equal(code, 0);
    for (const part of [
      'opset 13',
      'Conv 2',
      'sha256:',
      'float32 [1, 3, height, width]',
      '32 × 32 rgb',
      'classify',
    ]) {
      assert.ok(stdout.includes(part), part);
    }
    assert.match(stdout, /^Conv {2}.*→ d$/m);
  });

  it('quantises a model and shows that it says the same', async () => {
    const out = at('colour-int8.onnx');
    const done = await jidoka('quantize', model, '--images', images, '--out', out, ...SIZE);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /int8: +2 Conv/);
    assert.match(done.stderr, /calibrated on 9 of 9/);
    const json = at('figures.json');
    const compared = await jidoka(
      'compare',
      model,
      out,
      '--images',
      images,
      ...SIZE,
      '--json',
      json,
      '--least',
      '1',
    );
    assert.equal(compared.code, 0, compared.stderr);
    assert.match(compared.stdout, /same first class on 9 of 9 pictures/);
    const figures = JSON.parse(await readFile(json, 'utf8')) as Figure[];
    const figure = (id: string): Figure => {
      const found = figures.find((candidate) => candidate.id === id);
      assert.ok(found !== undefined, id);
      return found;
    };
    assert.equal(figure('compare.agreement').goal, 1);
    assert.ok(figure('compare.cosine.logits').value >= 0.99);
    assert.ok(figure('compare.a.p50').value > 0 && figure('compare.b.p99').value > 0);
    assert.equal(figure('compare.b.bytes').value, (await readFile(out)).length);
    assert.deepEqual(Object.keys(figure('compare.ratio.p50')), [
      'id',
      'value',
      'unit',
      'goal',
      'better',
      'detail',
    ]);
  });

  it('ends with 1 where two models do not say the same', async () => {
    const other = at('other.onnx');
    const swapped = colourNet();
    const weights = Buffer.from(Float32Array.of(2, -1, -1, -1, 2, -1, -1, -1, 2).buffer);
    Buffer.from(Float32Array.of(-1, 2, -1, 2, -1, -1, -1, -1, 2).buffer).copy(
      swapped,
      swapped.indexOf(weights),
    );
    await writeFile(other, swapped);
    const { code, stdout, stderr } = await jidoka(
      'compare',
      model,
      other,
      '--images',
      images,
      ...SIZE,
      '--least',
      '0.9',
    );
    assert.equal(code, 1, stderr);
    assert.match(stdout, /same first class on 3 of 9 pictures/);
    assert.match(stderr, /compare\.agreement is 0\.3333, below 0\.9/);
  });

  it('lets no name of a file steer the terminal', async () => {
    const graph = [
      value(11, 'x', FLOAT, [1, 3, 32, 32]),
      node('GlobalAveragePool', ['x'], ['pooled']),
      node('Flatten', ['pooled'], ['\u001b[31mred'], { axis: 1 }),
      value(12, '\u001b[31mred', FLOAT, [1, 3]),
    ];
    const odd = at('odd.onnx');
    await writeFile(odd, modelOf({ graph }));
    const compared = await jidoka('compare', odd, odd, '--images', images, '--task', 'raw');
    assert.equal(compared.code, 0, compared.stderr);
    assert.match(compared.stdout, /·\[31mred/);
    assert.ok(!compared.stdout.includes('\u001b'));
    const failed = await jidoka('inspect', at('\u001b[31mred'));
    assert.match(failed.stderr, /MODEL_NOT_FOUND/);
    assert.ok(!failed.stderr.includes('\u001b'));
  });

  it('packs a bundle whose golden pictures it has answered', async () => {
    const out = at('bundle');
    const labels = at('labels.txt');
    await writeFile(labels, 'red\ngreen\nblue\n');
    const args = ['--out', out, '--name', 'colour', '--version', '1', '--labels', labels, ...SIZE];
    const golden = ['--golden', join(images, 'green', '100.png'), '--tolerance', '0.002,0.05'];
    const { code, stdout, stderr } = await jidoka('pack', model, ...args, ...golden);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /sha256:[0-9a-f]{64}\nclassify, 1 golden pictures/);
    const manifest = JSON.parse(await readFile(join(out, 'model.json'), 'utf8')) as {
      golden: { tolerance: object; expected: { classes: { label: string }[] } }[];
    };
    assert.equal(manifest.golden[0]?.expected.classes[0]?.label, 'green');
    assert.deepEqual(manifest.golden[0].tolerance, { absolute: 0.002, relative: 0.05 });
    assert.match((await jidoka('inspect', out)).stdout, /1 golden pictures/);
  });

  it('says what is wrong with the arguments, does nothing, and ends with 2', async () => {
    const out = at('never.onnx');
    const wrong: [RegExp, ...string[]][] = [
      [/there is no command 'quantise'/, 'quantise'],
      [/MODEL is needed/, 'quantize', '--out', out, '--images', images],
      [/--out is missing/, 'quantize', model, '--images', images],
      [/--images is missing/, 'quantize', model, '--out', out],
      [/Unknown option '--imges'/, 'quantize', model, '--imges', images],
      [/--percentile is above 50/, 'quantize', model, '--out', out, '--images', images, '--percentile', '20'],
      [/--colour is one of rgb, bgr, gray/, 'inspect', model, '--colour', 'cmyk'],
      [/--mean is one number or three/, 'inspect', model, '--mean', '1,2'],
      [/--scale is a number, not 'a'/, 'inspect', model, '--scale', 'a'],
      [/A and B are needed/, 'compare', model, '--images', images],
      [/--least is between 0 and 1/, 'compare', model, model, '--images', images, '--least', '98'],
    ];
    for (const [message, ...args] of wrong) {
      const { code, stderr } = await jidoka(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, message);
    }
    assert.ok(!(await readdir(folder)).includes('never.onnx'));
  });

  it('says what failed with code and hint, and ends with 1', async () => {
    const text = at('text.onnx');
    await writeFile(text, 'version https://git-lfs.github.com/spec/v1');
    const empty = at('empty');
    await mkdir(empty);
    const out = at('failed.onnx');
    const failing: [RegExp, ...string[]][] = [
      [/MODEL_NOT_FOUND/, 'inspect', at('absent.onnx')],
      [
        /labels cannot be read[^]*BUNDLE_INVALID[^]*one class on each line/,
        ...['pack', model, '--out', at('unlabelled'), '--name', 'colour', '--version', '1'],
        ...['--labels', at('absent.txt'), ...SIZE],
      ],
      [/MODEL_INVALID[^]*Git LFS/, 'inspect', text],
      [/PICTURES_MISSING/, 'quantize', model, '--out', out, '--images', empty, ...SIZE],
      [/FILE_EXISTS/, 'quantize', model, '--out', model, '--images', images, ...SIZE],
      [
        /QUANTIZE_NODE_UNKNOWN/,
        'quantize',
        model,
        '--out',
        out,
        '--images',
        images,
        '--exclude',
        'zz',
        ...SIZE,
      ],
      [
        /MODEL_INPUT_UNSUPPORTED[^]*width and height/,
        'quantize',
        model,
        '--out',
        out,
        '--images',
        images,
        '--task',
        'classify',
      ],
    ];
    for (const [message, ...args] of failing) {
      const { code, stderr } = await jidoka(...args);
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
    }
    assert.ok(!(await readdir(folder)).some((name) => name.startsWith('failed.onnx')));
  });

  it('explains every command', async () => {
    const { code, stdout } = await jidoka('--help');
    assert.equal(code, 0);
    for (const name of ['inspect', 'quantize', 'compare', 'pack']) {
      assert.ok(stdout.includes(name));
      const help = await jidoka(name, '--help');
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`^Usage: jidoka ${name} `));
    }
  });
});
