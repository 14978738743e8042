import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Candidates, MAX_CANDIDATES } from '../../../../lib/inference/heads/detect/suppression.ts';
import { Hits } from '../../../../lib/inference/heads/detect/hits.ts';
import { overlap, suppressed, type Found } from './detect-reference.ts';

const length = fc.integer({ min: 1, max: 30 });
const found = fc
  .record({
    x: fc.nat(50),
    y: fc.nat(50),
    width: length,
    height: length,
    score: fc.nat(20),
    index: fc.nat(2),
  })
  .map(({ x, y, width, height, score, index }): Found => ({
    score: score / 20,
    index,
    box: [x, y, x + width, y + height],
  }));
/** Whole numbers, so that many scores are the same and many overlaps are just the limit. */
const scene = fc.array(found, { maxLength: 80 }).map((list) => list.toSorted((a, b) => b.score - a.score));

function keep(candidates: Candidates, list: readonly Found[], iou: number, maxObjects: number): Found[] {
  candidates.clear();
  list.forEach(({ index, box }, i) => {
    candidates.add(i, index, Float64Array.from(box));
  });
  const kept: Found[] = [];
  candidates.keep(iou, maxObjects, (candidate) =>
    kept.push(list[candidates.anchors[candidate] as number] as Found),
  );
  return kept;
}

describe('suppression of overlapping detections', () => {
  it('keeps what comparing every pair keeps, again and again with the same arrays', () => {
    const candidates = new Candidates();
    fc.assert(
      fc.property(
        scene,
        fc.constantFrom(0, 0.25, 0.45, 0.5, 1),
        fc.integer({ min: 1, max: 90 }),
        (list, iou, max) => {
          assert.deepEqual(keep(candidates, list, iou, max), suppressed(list, iou).slice(0, max));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps no two boxes of a class that overlap too much, and the best of every heap', () => {
    fc.assert(
      fc.property(scene, (list) => {
        const kept = keep(new Candidates(), list, 0.5, MAX_CANDIDATES);
        const covers = (a: Found, b: Found): boolean => a.index === b.index && overlap(a.box, b.box) > 0.5;
        for (const one of kept) assert.ok(!kept.some((other) => other !== one && covers(one, other)));
        for (const gone of list.filter((one) => !kept.includes(one))) {
          assert.ok(kept.some((other) => other.score >= gone.score && covers(other, gone)));
        }
      }),
    );
  });

  it('takes no boxes that are none', () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const at of [0, 1, 2, 3]) {
        const box = Float64Array.of(1, 1, 2, 2);
        box[at] = bad;
        assert.throws(() => new Candidates().add(0, 0, box), { code: 'SCORE_NOT_FINITE' });
      }
    }
  });
});

describe('anchors over the threshold', () => {
  const hit = fc.record({ anchor: fc.nat(40), score: fc.nat(50), index: fc.nat(3) });

  it('come best first, of equal ones the first first, each with its best class', () => {
    const hits = new Hits();
    fc.assert(
      fc.property(fc.array(hit, { maxLength: 60 }), fc.integer({ min: 1, max: 70 }), (list, limit) => {
        const best = new Map<number, { score: number; index: number }>();
        hits.clear(41);
        for (const { anchor, score, index } of list) {
          hits.add(anchor, score / 50, index);
          if (score > (best.get(anchor)?.score ?? -1)) best.set(anchor, { score, index });
        }
        const ranked: [number, number][] = [];
        hits.ranked(limit, (anchor) => ranked.push([anchor, hits.classes[anchor] as number]));
        const expected = [...best]
          .sort(([a, one], [b, other]) => other.score - one.score || a - b)
          .map(([anchor, { index }]) => [anchor, index]);
        assert.deepEqual(ranked, expected.slice(0, limit));
      }),
      { numRuns: 300 },
    );
  });

  it('are ranked to the last bit of a score', () => {
    const scores = [1e-30, 0.3, 0.30000001192092896 + 2 ** -25, 0.5, 0.5 + 2 ** -24, 1, 7];
    const hits = new Hits();
    hits.clear(2 ** 21);
    scores.forEach((score, i) => {
      hits.add(2 ** 21 - 1 - i * 1000, score, i);
    });
    const ranked: number[] = [];
    hits.ranked(9, (anchor) => ranked.push(hits.classes[anchor] as number));
    assert.deepEqual(ranked, [6, 5, 4, 3, 2, 1, 0]);
  });
});
