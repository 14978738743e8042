import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MAX_REGIONS, regionsOf, type LookAt } from '../../../lib/inference/look-at.ts';
import type { Box, InferenceSection } from '../../../lib/inspection/inspection.ts';

const FRAME = { width: 100, height: 80 };
const ALL: LookAt = { labels: [], marginPercent: 0 };

function found(...objects: [label: string, score: number, box: Box][]): InferenceSection[] {
  const model = { name: 'detector', version: '1', digest: 'sha256:0' };
  const section = { model, provider: 'cpu', ms: 1, task: 'detect', count: objects.length };
  return [{ ...section, objects: objects.map(([label, score, box]) => ({ label, score, box })) }];
}

describe('the regions a model looks at', () => {
  it('are what the detector found, best first, on whole pixels', () => {
    const sections = found(['screw', 0.5, [1.5, 2.5, 10, 10]], ['nut', 0.9, [20, 20, 5, 5]]);
    const { regions, left } = regionsOf(sections, FRAME, ALL);
    assert.deepEqual(
      regions.map(({ label, box, crop }) => [label, box, crop]),
      [
        ['nut', [20, 20, 5, 5], [20, 20, 5, 5]],
        ['screw', [1.5, 2.5, 10, 10], [1, 2, 11, 11]],
      ],
    );
    assert.equal(left, 0);
  });

  it('have a margin on each side, cut at the edge of the frame', () => {
    const sections = found(['a', 1, [0, 10, 20, 40]], ['b', 0.9, [90, 70, 10, 10]]);
    const { regions } = regionsOf(sections, FRAME, { labels: [], marginPercent: 50 });
    assert.deepEqual(
      regions.map(({ crop }) => crop),
      [
        [0, 0, 30, 70],
        [85, 65, 15, 15],
      ],
    );
  });

  it('are only those of the labels asked for', () => {
    const sections = found(['screw', 0.5, [1, 1, 5, 5]], ['nut', 0.9, [2, 2, 5, 5]]);
    const { regions } = regionsOf(sections, FRAME, { labels: ['screw'], marginPercent: 0 });
    assert.deepEqual(
      regions.map(({ label }) => label),
      ['screw'],
    );
  });

  it('are those of the last detector', () => {
    const sections = [...found(['first', 1, [1, 1, 5, 5]]), ...found(['second', 1, [1, 1, 5, 5]])];
    const classified: InferenceSection = { ...(sections[0] as InferenceSection), task: 'classify' };
    delete classified.objects;
    const { regions } = regionsOf([...sections, classified], FRAME, ALL);
    assert.deepEqual(
      regions.map(({ label }) => label),
      ['second'],
    );
  });

  it('are none where the detector found none, and an error where there was no detector', () => {
    assert.deepEqual(regionsOf(found(), FRAME, ALL), { regions: [], left: 0 });
    for (const sections of [undefined, []]) {
      assert.throws(() => regionsOf(sections, FRAME, ALL), { code: 'OBJECTS_MISSING' });
    }
  });

  it('are at most 32, and the others are counted', () => {
    const many = Array.from({ length: 40 }, (_, index): [string, number, Box] => [
      'a',
      index / 40,
      [index, 0, 5, 5],
    ]);
    const { regions, left } = regionsOf(found(...many), FRAME, ALL);
    assert.equal(regions.length, MAX_REGIONS);
    assert.equal(left, 8);
    assert.equal(regions[0]?.score, 39 / 40);
  });

  it('are refused where a message says nonsense of them', () => {
    for (const object of [
      null,
      'x',
      { label: 'a', score: 1 },
      { label: 'a', score: NaN, box: [0, 0, 1, 1] },
    ]) {
      const [section] = found();
      const sections = [{ ...section, objects: [object] }] as unknown as InferenceSection[];
      assert.throws(() => regionsOf(sections, FRAME, ALL), { code: 'OBJECTS_INVALID' });
    }
  });

  it('lie in the frame and hold some of it, whatever the boxes are', () => {
    const side = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const box = fc.tuple(side, side, side, side);
    fc.assert(
      fc.property(
        fc.array(box, { maxLength: 40 }),
        fc.integer({ min: 0, max: 200 }),
        (boxes, marginPercent) => {
          const sections = found(...boxes.map((each): [string, number, Box] => ['a', 0.5, each]));
          for (const { crop } of regionsOf(sections, FRAME, { labels: [], marginPercent }).regions) {
            const [x, y, width, height] = crop;
            assert.ok(crop.every(Number.isInteger));
            assert.ok(x >= 0 && y >= 0 && width > 0 && height > 0);
            assert.ok(x + width <= FRAME.width && y + height <= FRAME.height);
          }
        },
      ),
    );
  });
});
