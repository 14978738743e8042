import assert from 'node:assert/strict';
import type { Manifest } from '../../../../lib/inference/bundle/manifest.ts';
import { modelOptions } from '../../../../lib/inference/bundle/options.ts';
import type { InferenceError } from '../../../../lib/inference/errors.ts';
import type { LoadOptions } from '../../../../lib/inference/host/host.ts';
import type { ModelSource } from '../../../../lib/inference/model/model.ts';
import { source } from '../fixtures.ts';
import { colourModel } from '../onnx.ts';
import { manifestFor } from './samples.ts';

function bundled(change?: (manifest: Manifest) => void): ModelSource {
  const manifest = manifestFor({ 'model.onnx': colourModel() }, change);
  return { ...source(colourModel(), 'cap'), bundle: { manifest, golden: [] } };
}

const detector = (manifest: Manifest): void => {
  manifest.task = 'detect';
  manifest.postprocessing = { format: 'yolox', confidence: 0.25 };
};

function refuses(model: ModelSource, wanted: Partial<LoadOptions>, message: RegExp): void {
  const read = (): LoadOptions =>
    modelOptions(model, { providers: ['cpu'], head: { task: 'auto' }, ...wanted });
  assert.throws(read, (error: InferenceError) => {
    assert.equal(error.code, 'BUNDLE_CONTRADICTED');
    assert.match(error.message, message);
    assert.match(error.hint ?? '', /^Leave \w+ to the bundle/);
    return true;
  });
}

describe('options of a model', () => {
  it('are what the node says for a bare graph', () => {
    const wanted: LoadOptions = { providers: ['cpu'], head: { task: 'auto' } };
    assert.equal(modelOptions(source(colourModel()), wanted), wanted);
  });

  it('are what the bundle says for task, format, labels and input, where the node leaves that open', () => {
    const wanted: LoadOptions = { providers: ['cpu'], strict: true, queue: 'block', head: { task: 'auto' } };
    assert.deepEqual(modelOptions(bundled(), wanted), {
      ...wanted,
      head: { task: 'classify', topK: 2, scores: 'softmax', labels: ['red', 'green', 'blue'] },
      input: {
        width: 8,
        height: 8,
        layout: 'nchw',
        colour: 'rgb',
        scale: 1 / 255,
        mean: [0, 0, 0],
        std: [1, 1, 1],
        fit: 'stretch',
      },
    });
  });

  it('take thresholds from the node, else from the bundle', () => {
    const load = (head: LoadOptions['head']): LoadOptions['head'] =>
      modelOptions(bundled(detector), { providers: ['cpu'], head }).head;
    const labels = ['red', 'green', 'blue'];
    const own = { task: 'detect', format: 'yolox', labels };
    assert.deepEqual(load({ task: 'auto' }), { ...own, confidence: 0.25 });
    const stricter = load({ task: 'detect', format: 'auto', confidence: 0.6, iou: 0.5 });
    assert.deepEqual(stricter, { ...own, confidence: 0.6, iou: 0.5 });
  });

  it('take from the node what the bundle leaves open', () => {
    const model = bundled((manifest) => {
      delete manifest.labels;
      manifest.postprocessing = { scores: 'auto' };
    });
    const head = { task: 'classify', labels: ['a', 'b', 'c'], scores: 'as-is' } as const;
    assert.deepEqual(modelOptions(model, { providers: ['cpu'], head }).head, head);
  });

  it('are refused where the node says something else than the bundle', () => {
    refuses(bundled(), { head: { task: 'detect' } }, /says task "classify", the configuration "detect"/);
    refuses(bundled(detector), { head: { task: 'detect', format: 'yolov8' } }, /says format "yolox"/);
    refuses(bundled(), { input: { colour: 'bgr' } }, /says colour "rgb", the configuration "bgr"/);
    refuses(bundled(), { input: { mean: [0.5, 0.5, 0.5] } }, /says mean \[0,0,0\]/);
    refuses(bundled(), { head: { task: 'classify', labels: ['rot'] } }, /says labels \["red"/);
    const same = { input: { scale: 0.003_921_57, width: 8 }, head: { task: 'classify' } } as const;
    assert.doesNotThrow(() => modelOptions(bundled(), { providers: ['cpu'], ...same }));
  });
});
