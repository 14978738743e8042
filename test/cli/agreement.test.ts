import assert from 'node:assert/strict';
import {
  agreement,
  cosine,
  matched,
  overlap,
  rankCorrelation,
  type Pair,
  type Said,
} from '../../cli/agreement.ts';

function said(prediction: Record<string, unknown>, pictures?: Said['pictures']): Said {
  return { prediction, pictures, outputs: {} };
}

function valueOf(pairs: Pair[], id: string): number | undefined {
  return agreement(pairs).find((figure) => figure.id === `compare.${id}`)?.value;
}

describe('agreement of two models', () => {
  it('is the share of pictures with the same first class', () => {
    const classes = (label: string): Said => said({ task: 'classify', classes: [{ label, score: 0.8 }] });
    const pairs = ['a', 'b', 'c', 'd'].map((label) => ({
      a: classes(label),
      b: classes(label === 'd' ? 'a' : label),
    }));
    assert.equal(valueOf(pairs, 'agreement'), 0.75);
    assert.equal(valueOf(pairs, 'score.difference'), 0);
  });

  it('matches boxes of one label that overlap by half, each once', () => {
    const box = (label: string, left: number, score: number) => ({
      label,
      score,
      box: [left, 0, 10, 10] as const,
    });
    assert.equal(overlap([0, 0, 10, 10], [5, 0, 10, 10]), 1 / 3);
    assert.equal(overlap([0, 0, 10, 10], [20, 0, 10, 10]), 0);
    assert.equal(matched([box('a', 0, 0.9), box('a', 1, 0.8)], [box('a', 0, 0.9)]).length, 1);
    assert.equal(matched([box('a', 0, 0.9)], [box('b', 0, 0.9)]).length, 0);
    const a = said({ task: 'detect', objects: [box('a', 0, 0.9), box('a', 50, 0.5)] });
    const b = said({ task: 'detect', objects: [box('a', 0, 0.7), box('a', 90, 0.5)] });
    assert.equal(valueOf([{ a, b }], 'agreement'), 0.5);
    assert.ok(Math.abs((valueOf([{ a, b }], 'score.difference') ?? 0) - 0.2) < 1e-9);
  });

  it('counts pixels of masks', () => {
    const mask = (...data: number[]): Said['pictures'] => ({
      mask: { width: 2, height: 2, data: Uint8Array.from(data) },
    });
    const pair = {
      a: said({ task: 'segment' }, mask(0, 1, 2, 3)),
      b: said({ task: 'segment' }, mask(0, 1, 2, 0)),
    };
    assert.equal(valueOf([pair], 'agreement'), 0.75);
  });

  it('holds scores against each other by difference and order', () => {
    const scores = (...values: number[]): Said[] =>
      values.map((score) => said({ task: 'anomaly-map', score }));
    const pairs = scores(1, 2, 3).map((a, index) => ({ a, b: scores(1.5, 2.5, 3.5)[index] as Said }));
    assert.equal(valueOf(pairs, 'score.difference'), 0.5);
    assert.equal(valueOf(pairs, 'score.order'), 1);
    assert.equal(rankCorrelation([1, 2, 3], [3, 2, 1]), -1);
    assert.equal(rankCorrelation([1, 1, 2], [5, 5, 9]), 1);
  });

  it('gives the cosine of every output', () => {
    assert.equal(cosine(Float32Array.of(1, 0), Float32Array.of(0, 1)), 0);
    assert.equal(cosine(Float32Array.of(0, 0), Float32Array.of(0, 0)), 1);
    const outputs = { map: { data: Float32Array.of(1, 2) } };
    const one: Said = { prediction: undefined, pictures: undefined, outputs };
    assert.ok(Math.abs((valueOf([{ a: one, b: one }], 'cosine.map') ?? 0) - 1) < 1e-9);
  });

  it('says nothing of predictions of different kinds', () => {
    const pair = { a: said({ task: 'detect', objects: [] }), b: said({ task: 'classify', classes: [] }) };
    assert.deepEqual(agreement([pair]), []);
  });
});
