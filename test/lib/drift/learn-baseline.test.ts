import assert from 'node:assert/strict';
import { driftBaseline, embeddingBaseline } from '../../../lib/drift/baseline.ts';
import { learnBaseline } from '../../../lib/drift/learn-baseline.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const FEATURES = 16;

function embeddings(parts: number): Float32Array {
  const random = seededRandom(1);
  return Float32Array.from({ length: parts * FEATURES }, () => random.normal());
}

describe('the baseline of a model', () => {
  it('is worked out in a thread as it would be here', async () => {
    const rows = embeddings(30);
    const scores = [3, 1, 2, 5, 4, 9, 8, 7, 6, 10];
    const baseline = await learnBaseline(scores, { rows, features: FEATURES });
    assert.deepEqual(baseline.scores, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const parts = Array.from({ length: 30 }, (_, part) =>
      rows.subarray(part * FEATURES, (part + 1) * FEATURES),
    );
    assert.deepEqual(baseline.embedding, embeddingBaseline(parts));
  });

  it('is of the scores alone where a model gives no embedding', async () => {
    const scores = Array.from({ length: 12 }, (_, index) => index);
    assert.deepEqual(await learnBaseline(scores), driftBaseline(scores));
    assert.equal(driftBaseline(scores).embedding, undefined);
  });

  it('of a thousand parts is no larger and takes a sample', async () => {
    const { embedding } = await learnBaseline([...embeddings(1)], {
      rows: embeddings(1000),
      features: FEATURES,
    });
    assert.equal(embedding?.distances.length, 500);
  });

  it('is refused for too few parts, and can be given up', async () => {
    const order = { rows: embeddings(3), features: FEATURES };
    await assert.rejects(learnBaseline([...embeddings(1)], order), { code: 'DRIFT_BASELINE_TOO_SMALL' });
    await assert.rejects(
      learnBaseline([...embeddings(1)], order, AbortSignal.abort(new Error('closed'))),
      /closed/,
    );
  });
});
