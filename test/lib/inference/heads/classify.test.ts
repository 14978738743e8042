import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  planClassify,
  softmax,
  topIndices,
  type ClassPrediction,
} from '../../../../lib/inference/heads/classify.ts';
import type { ClassifyOptions, HeadResult } from '../../../../lib/inference/heads/head.ts';
import { resolveInput } from '../../../../lib/inference/graph/input.ts';

const INPUT = { name: 'x', type: 'float32', shape: [1, 3, 8, 8] };
const PLACEMENT = { scaleX: 1, scaleY: 1, frameWidth: 8, frameHeight: 8 };

function read(
  values: number[],
  options: Partial<ClassifyOptions> = {},
  dims = [1, values.length],
): HeadResult {
  const outputs = [{ name: 'y', type: 'float32', shape: dims }];
  const plan = planClassify({ task: 'classify', ...options }, { inputs: [INPUT], outputs });
  const head = plan.bind(resolveInput([INPUT], {}));
  return head.read({ y: { dims, data: Float32Array.from(values) } }, PLACEMENT);
}

const classes = (result: HeadResult): ClassPrediction[] => result.prediction['classes'] as ClassPrediction[];
const logits = fc.array(fc.float({ min: -300, max: 300, noNaN: true }), { minLength: 1, maxLength: 50 });

describe('classification head', () => {
  it('turns any logits into a distribution that keeps their order', () => {
    fc.assert(
      fc.property(logits, (values) => {
        const scores = softmax(Float32Array.from(values));
        const sum = scores.reduce((total, score) => total + score, 0);
        assert.ok(Math.abs(sum - 1) < 1e-4);
        const [best] = topIndices(scores, 1) as [number];
        assert.ok((values[best] as number) >= Math.max(...values) - 1e-6);
      }),
    );
  });

  it('names the best classes, best first', () => {
    const result = read([0, 2, 1], { labels: ['scratch', 'dent'], topK: 2 });
    assert.deepEqual(
      classes(result).map(({ index, label }) => [index, label]),
      [
        [1, 'dent'],
        [2, '2'],
      ],
    );
  });

  it('leaves a distribution alone', () => {
    assert.deepEqual(
      classes(read([0.25, 0.75])).map(({ score }) => score),
      [0.75, 0.25],
    );
  });

  it('reads every row as the first one, and takes probabilities of a quantised graph for such', () => {
    const bound = (options: Partial<ClassifyOptions> = {}): ((...values: number[]) => number[]) => {
      const outputs = [{ name: 'y', type: 'float32', shape: [1, 3] }];
      const plan = planClassify({ task: 'classify', ...options }, { inputs: [INPUT], outputs });
      const head = plan.bind(resolveInput([INPUT], {}));
      return (...values) =>
        classes(head.read({ y: { dims: [1, 3], data: Float32Array.from(values) } }, PLACEMENT)).map(
          ({ score }) => score,
        );
    };
    const rounded = [0.8984375, 0.05859375, 0.046875];
    assert.ok(rounded.reduce((sum, score) => sum + score) > 1.003);
    assert.deepEqual(bound()(...rounded), rounded);
    assert.deepEqual(bound()(1, 0, -0), [1, 0, -0]);

    const logits = bound();
    logits(0, 0, 0);
    logits(4, 1, -2);
    assert.ok((logits(...rounded)[0] as number) < 0.6, 'logits that look like a distribution stay logits');
    const ready = bound();
    ready(0.5, 0.25, 0.25);
    assert.throws(() => ready(4, 1, -2), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
    assert.deepEqual(bound({ scores: 'as-is' })(4, 1, -2), [4, 1, -2]);
  });

  it('cuts endless names', () => {
    assert.equal(classes(read([1], { labels: ['x'.repeat(1000)] }))[0]?.label.length, 64);
  });

  it('refuses scores that are not numbers, and outputs that are not one row', () => {
    assert.throws(() => read([0, NaN]), { code: 'SCORE_NOT_FINITE' });
    assert.throws(() => read([1, 2, 3, 4], {}, [1, 2, 2]), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
    assert.throws(() => read([1], { output: 'z' }), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
  });

  it('reads one value as yes or no: by the name of the output a logit, else a probability', () => {
    const one = (name: string, value: number, options: Partial<ClassifyOptions> = {}): number[] => {
      const outputs = [{ name, type: 'float32', shape: [1, 1] }];
      const plan = planClassify({ task: 'classify', ...options }, { inputs: [INPUT], outputs });
      const head = plan.bind(resolveInput([INPUT], {}));
      const result = head.read({ [name]: { dims: [1, 1], data: Float32Array.of(value) } }, PLACEMENT);
      return classes(result)
        .toSorted((a, b) => a.index - b.index)
        .map(({ score }) => score);
    };
    assert.deepEqual(one('prob', 0.75), [0.25, 0.75]);
    assert.deepEqual(one('logits', 0), [0.5, 0.5]);
    assert.deepEqual(one('y', 0, { scores: 'sigmoid' }), [0.5, 0.5]);
    assert.throws(() => one('y', 3), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
  });

  it('names the yes by the only label', () => {
    const labels = classes(read([0.75], { labels: ['dent'] })).map(({ label }) => label);
    assert.deepEqual(labels, ['dent', '0']);
  });

  it('scores classes that exclude each other not, each by its own sigmoid', () => {
    const scores = classes(read([0, 0], { scores: 'sigmoid' })).map(({ score }) => score);
    assert.deepEqual(scores, [0.5, 0.5]);
  });

  it('reads the first output that is a row of classes, or the one that is named', () => {
    const outputs = [
      { name: 'map', type: 'float32', shape: [1, 4, 8, 8] },
      { name: 'kind', type: 'float32', shape: ['batch', 3] },
      { name: 'colour', type: 'float32', shape: ['batch', 5] },
    ];
    const chosen = (options: Partial<ClassifyOptions>): readonly string[] =>
      planClassify({ task: 'classify', ...options }, { inputs: [INPUT], outputs }).bind(
        resolveInput([INPUT], {}),
      ).outputs;
    assert.deepEqual(chosen({}), ['kind']);
    assert.deepEqual(chosen({ output: 'colour' }), ['colour']);
  });

  it('names no more than 100 classes, in labels of one line', () => {
    const many = read(
      Array.from({ length: 1000 }, (_, index) => index),
      { topK: 1000, labels: ['a\nb\ud800'] },
    );
    assert.equal(classes(many).length, 100);
    assert.equal(classes(read([1, 0], { labels: ['a\nb\ud800'] }))[0]?.label, 'a b ');
  });
});
