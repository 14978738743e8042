import assert from 'node:assert/strict';
import { ReviewCapacity, type Band } from '../../../lib/gate/capacity.ts';

const MINUTE = 60_000;

describe('the review band by capacity', () => {
  let nowMs: number;
  let capacity: ReviewCapacity;
  beforeEach(() => {
    nowMs = 0;
    capacity = new ReviewCapacity(30, () => nowMs);
  });

  /** Parts at an even pace; the bands that came of it. */
  function run(minutes: number, perMinute: number, reviewed = false): Band[] {
    const bands: Band[] = [];
    for (let part = 0; part < minutes * perMinute; part += 1) {
      nowMs += MINUTE / perMinute;
      const band = capacity.part(reviewed);
      if (band !== undefined) bands.push(band);
    }
    return bands;
  }

  it('is closed until the rate of parts is known', () => {
    assert.deepEqual(run(9, 10), []);
    assert.deepEqual(capacity.band, { share: 0, version: 0, partsPerHour: null });
  });

  it('is the share that the reviews are of the parts of an hour', () => {
    const [band] = run(12, 10);
    assert.equal(band?.version, 1);
    assert.ok(Math.abs(band.share - 30 / 600) < 0.002, String(band.share));
  });

  it('follows the rate slowly, and not for a small change', () => {
    run(60, 10);
    assert.equal(capacity.band.version, 1);
    assert.deepEqual(run(60, 11), [], 'a tenth is no change');
    const bands = run(120, 30);
    assert.ok(bands.length >= 1 && bands.length <= 8, `${bands.length} changes in two hours`);
    assert.ok(Math.abs(capacity.band.share - 30 / 1800) < 0.003, String(capacity.band.share));
  });

  it('never takes more than half of the good parts', () => {
    capacity = new ReviewCapacity(100_000, () => nowMs);
    run(12, 10);
    assert.equal(capacity.band.share, 0.5);
  });

  it('says when more was sent to people than they can look at', () => {
    run(3, 10, true);
    assert.deepEqual([capacity.reviewsInHour(), capacity.isOver], [30, false]);
    run(1, 1, true);
    assert.equal(capacity.isOver, true);
    nowMs += 61 * MINUTE;
    assert.equal(capacity.isOver, false);
  });

  it('follows a person at once', () => {
    run(12, 10);
    capacity.setReviewsPerHour(60);
    const [band] = run(1, 10);
    assert.ok(band !== undefined && Math.abs(band.share - 0.1) < 0.005);
    assert.equal(band.version, 2);
  });

  it('keeps its band over a restart and counts on', () => {
    run(12, 10);
    const again = new ReviewCapacity(30, () => nowMs);
    again.restore(JSON.parse(JSON.stringify(capacity.state())));
    assert.deepEqual(again.band, capacity.band);
    for (const nonsense of [null, { share: 7, version: 1 }]) again.restore(nonsense);
    assert.deepEqual(again.band, capacity.band);
  });
});
