import assert from 'node:assert/strict';
import fc from 'fast-check';
import { headOf, inputOf, parseManifest, type Manifest } from '../../../../lib/inference/bundle/manifest.ts';
import { InferenceError } from '../../../../lib/inference/errors.ts';
import { manifestFor, type Files } from './samples.ts';

const files: Files = { 'model.onnx': Buffer.from('1'), 'golden/red.png': Buffer.from('2') };

function parsed(value: unknown): ReturnType<typeof parseManifest> {
  return parseManifest(Buffer.from(JSON.stringify(value)));
}

/** A sound manifest with the fields of `change` in place of its own. */
function changed(change: object): object {
  return { ...manifestFor(files), ...change };
}

function refuses(value: unknown, message: RegExp): void {
  const read = (): unknown => (Buffer.isBuffer(value) ? parseManifest(value) : parsed(value));
  assert.throws(read, (error: InferenceError) => {
    assert.ok(error instanceof InferenceError, String(error));
    assert.equal(error.code, 'BUNDLE_INVALID');
    assert.match(error.message, message);
    return true;
  });
}

describe('manifest of a bundle', () => {
  it('says how the model is fed and read', () => {
    const { manifest } = parsed(manifestFor(files));
    assert.deepEqual(inputOf(manifest), {
      width: 8,
      height: 8,
      layout: 'nchw',
      colour: 'rgb',
      scale: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      fit: 'stretch',
    });
    assert.deepEqual(headOf(manifest), {
      task: 'classify',
      topK: 2,
      scores: 'softmax',
      labels: ['red', 'green', 'blue'],
    });
  });

  it('may tell of every task', () => {
    const tasks = {
      detect: { format: 'yolox', confidence: 0.4, iou: 0.5, maxObjects: 20, output: 'logits' },
      segment: { threshold: 0.5, minArea: 12, confidence: 0.3, iou: 0.4 },
      regress: { names: ['width'], units: [''] },
      embed: { normalise: false },
      'anomaly-map': { map: 'logits', score: 'logits', level: 3.5 },
      raw: { outputs: ['logits'] },
    };
    for (const [task, postprocessing] of Object.entries(tasks)) {
      const { manifest } = parsed(changed({ task, postprocessing, labels: undefined, golden: [] }));
      assert.deepEqual(headOf(manifest), { task, ...postprocessing });
    }
  });

  it('may leave sides of outputs open, with a name or without', () => {
    for (const shape of [[], [1, 3], ['batch', 3], ['', 0]]) {
      const { manifest } = parsed(changed({ outputs: [{ name: 'logits', shape }] }));
      assert.deepEqual(manifest.outputs, [{ name: 'logits', shape }]);
    }
  });

  it('is refused with the field that is wrong', () => {
    const { input, golden = [] } = manifestFor(files);
    const [sample] = golden;
    refuses(changed({ schema: 2 }), /: schema must be 1$/);
    refuses(changed({ version: 3 }), /: version must be string/);
    refuses(changed({ name: 'two\nlines' }), /: name is not written as it must be/);
    refuses(changed({ task: 'auto' }), /: task must be one of classify, detect, .*, raw$/);
    refuses(changed({ labelz: [] }), /: it has the unknown field "labelz"/);
    refuses(changed({ input: { ...input, mean: [0, 0] } }), /: input.mean must NOT have fewer than 3 items/);
    refuses(changed({ input: { ...input, std: [1, 0, 1] } }), /: input.std\[1\] must be > 0/);
    refuses(changed({ input: { ...input, fit: 'stretch' } }), /: input has the unknown field "fit"/);
    refuses(changed({ input: { width: 8 } }), /: input lacks “height”/);
    refuses(changed({ labels: ['a', 7] }), /: labels\[1\] must be string/);
    refuses(changed({ outputs: [{ name: 'logits', shape: [-1] }] }), /: outputs\[0\].shape\[0\] must/);
    refuses(changed({ outputs: [] }), /: outputs must NOT have fewer than 1 items/);
    refuses(
      changed({ golden: [{ ...sample, tolerance: { absolute: -1, relative: 0 } }] }),
      /tolerance.absolute/,
    );
    refuses(changed({ golden: Array(17).fill(sample) }), /: golden must NOT have more than 16 items/);
    refuses(changed({ files: { 'model.onnx': 'sha256:1' } }), /: files.model.onnx is not written as it must/);
    refuses(changed({ postprocessing: { topK: 0 } }), /: postprocessing.topK must be >= 1/);
    refuses(changed({ postprocessing: { iou: 0.5 } }), /: postprocessing has the unknown field "iou"/);
  });

  it('is refused where its fields do not hang together', () => {
    const { golden = [], files: listed } = manifestFor(files);
    const [sample] = golden;
    const digest = listed['model.onnx'];
    refuses(changed({ postprocessing: { output: 'other' } }), /reads the output "other"/);
    refuses(changed({ task: 'embed', postprocessing: {} }), /a model for embed has no labels/);
    refuses(
      changed({ golden: [{ ...sample, image: 'other.png' }] }),
      /golden\[0\].image "other.png" is not in/,
    );
    refuses(
      changed({ golden: [{ ...sample, expected: { task: 'raw' } }] }),
      /expected.task must be classify/,
    );
    refuses(changed({ golden: [], files: { 'weights.bin': digest } }), /files lacks “model.onnx”/);
    for (const name of [
      '../model.json',
      '/x',
      'a\\b',
      'a//b',
      'COM1',
      'x.',
      'Model.ONNX',
      'model.json',
      'a:b',
    ]) {
      refuses(changed({ files: { ...listed, [name]: digest } }), /name "|the same file/);
    }
  });

  it('is refused when it is no JSON, no UTF-8, nested without end or more than numbers can say', () => {
    refuses(Buffer.from('{"schema":1'), /not JSON/);
    refuses(Buffer.from([0x22, 0xff, 0x22]), /not JSON in UTF-8/);
    refuses(Buffer.from('['.repeat(100_000) + ']'.repeat(100_000)), /nested more than 16/);
    refuses([], /must be object/);
    refuses(null, /must be object/);
    const infinite = JSON.stringify(manifestFor(files)).replace('"score":0.5', '"score":1e999');
    refuses(Buffer.from(infinite), /Infinity is not JSON/);
  });

  it('has one digest however it is spelled, and another for every change', () => {
    const manifest = manifestFor(files);
    const { digest } = parsed(manifest);
    const reversed = Object.fromEntries(Object.entries(manifest).toReversed());
    assert.equal(parsed(reversed).digest, digest);
    assert.equal(parseManifest(Buffer.from(JSON.stringify(manifest, null, 7))).digest, digest);
    assert.notEqual(parsed(changed({ version: '4' })).digest, digest);
  });

  it('is read or refused by code, whatever stands in a field', () => {
    const fields = Object.keys(manifestFor(files)) as (keyof Manifest)[];
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue(), (field, value) => {
        try {
          parsed(changed({ [field]: value }));
        } catch (error) {
          assert.ok(error instanceof InferenceError, String((error as Error).stack));
        }
      }),
      { numRuns: 500 },
    );
  });
});
