import assert from 'node:assert/strict';
import { isInspection, isLate, openInspection } from '../../../lib/inspection/inspection.ts';

describe('a part', () => {
  const part = openInspection({ station: 'press 4', sequence: 1, deadlineMs: 900, monotonicNow: 1000 });

  it('is late when its deadline has passed', () => {
    assert.deepEqual(
      [1000, 1900, 1901].map((now) => isLate(part, now)),
      [false, false, true],
    );
  });

  it('is recognised on a message with what nodes have filled in, and with nothing else in their place', () => {
    const model = { name: 'top', version: '1', digest: 'sha256:aa' };
    const filled = { ...part, anomaly: { score: 1, model }, inference: [{ model }], verdict: {}, frame: {} };
    assert.ok(isInspection(part) && isInspection(filled) && isInspection({ ...part, inference: undefined }));
    const spoilt = [
      ...[null, undefined, 'part', 7, [], {}, { part }, { timings: {} }],
      { ...part, part: { ...part.part, id: 7 } },
      { ...part, part: null },
      { ...part, timings: null },
      { ...part, timings: [] },
      { ...part, inference: {} },
      { ...part, inference: [null] },
      { ...part, inference: [{}] },
      { ...part, anomaly: null },
      { ...part, anomaly: { score: 1 } },
      { ...part, anomaly: { score: 1, model: { digest: 7 } } },
      { ...part, verdict: null },
      { ...part, verdict: 'accept' },
      { ...part, frame: [] },
    ];
    for (const value of spoilt) assert.equal(isInspection(value), false, JSON.stringify(value));
  });

  it('is late when its clock is that of an earlier process, or none', () => {
    assert.equal(isLate(part, 999), true);
    assert.equal(isLate(part, NaN), true);
  });
});
