import assert from 'node:assert/strict';
import { perRegionOverlap, pixelAuroc, type PixelTruth } from '../../../bench/eval/pixel-metrics.ts';
import { auroc } from '../../../lib/statistics/auroc.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

/** Pictures with defects of very different size, scores with many ties. */
function drawn(seed: number): PixelTruth[] {
  const random = seededRandom(seed);
  return Array.from({ length: 4 }, (_, picture) => {
    const regions = new Int32Array(400);
    if (picture > 0) {
      regions.fill(1, 20, 24);
      regions.fill(2, 100, 100 + 40 * picture);
    }
    const scores = Float32Array.from(
      regions,
      (region) => Math.round((random.normal() + (region === 0 ? 0 : region === 1 ? 0.5 : 1.5)) * 10) / 10,
    );
    return { scores, regions };
  });
}

/** As the paper says it: for each threshold count everything anew. */
function plainOverlap(pictures: readonly PixelTruth[], limit: number): number {
  const thresholds = [...new Set(pictures.flatMap(({ scores }) => [...scores]))].sort((a, b) => b - a);
  const points = thresholds.map((threshold): [number, number] => {
    const overlaps: number[] = [];
    let [falsePositives, good] = [0, 0];
    for (const { scores, regions } of pictures) {
      for (let region = 0; region <= Math.max(...regions); region += 1) {
        const inRegion = [...scores].filter((_, index) => regions[index] === region);
        const above = inRegion.filter((score) => score >= threshold).length;
        if (region > 0) overlaps.push(above / inRegion.length);
        else [falsePositives, good] = [falsePositives + above, good + inRegion.length];
      }
    }
    return [falsePositives / good, overlaps.reduce((sum, overlap) => sum + overlap, 0) / overlaps.length];
  });
  let sum = 0;
  let [x, y] = [0, 0];
  for (const [nextX, nextY] of points) {
    if (nextX > limit) {
      const atLimit = y + ((nextY - y) * (limit - x)) / (nextX - x);
      return (sum + ((limit - x) * (y + atLimit)) / 2) / limit;
    }
    sum += ((nextX - x) * (y + nextY)) / 2;
    [x, y] = [nextX, nextY];
  }
  return sum / limit;
}

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);
}

describe('pixel metrics', () => {
  for (const seed of [1, 2, 3]) {
    it(`give the overlap per region that counting by hand gives (${seed})`, () => {
      for (const limit of [0.05, 0.3, 1]) {
        assertNear(perRegionOverlap(drawn(seed), limit), plainOverlap(drawn(seed), limit));
      }
    });

    it(`give the AUROC of all pixels together (${seed})`, () => {
      const pictures = drawn(seed);
      const pixels = (isBad: boolean): number[] =>
        pictures.flatMap(({ scores, regions }) =>
          [...scores].filter((_, index) => (regions[index] !== 0) === isBad),
        );
      assertNear(pixelAuroc(pictures), auroc(pixels(false), pixels(true)));
    });
  }

  it('are 1 for a perfect map and a half for one that knows nothing', () => {
    const regions = Int32Array.from({ length: 100 }, (_, index) => (index < 10 ? 1 : 0));
    const perfect = [{ scores: Float32Array.from(regions), regions }];
    assertNear(perRegionOverlap(perfect), 1);
    assertNear(pixelAuroc(perfect), 1);
    const blank = [{ scores: new Float32Array(100), regions }];
    assertNear(pixelAuroc(blank), 0.5);
    assertNear(perRegionOverlap(blank), 0.15);
  });

  it('count a small defect as much as a large one', () => {
    const regions = new Int32Array(1000);
    regions.fill(1, 0, 2);
    regions.fill(2, 10, 110);
    // the large one is found, the small one is not
    const scores = Float32Array.from(regions, (region) => (region === 2 ? 2 : region === 1 ? -1 : 0));
    assertNear(perRegionOverlap([{ scores, regions }]), 0.5);
  });
});
