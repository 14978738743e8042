import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  areaOf,
  boxAround,
  paintBlack,
  runsInside,
  runsOutside,
  shifted,
  type Point,
  type Runs,
} from '../../../lib/frame/polygon.ts';

const WIDTH = 23;
const HEIGHT = 17;

/** Corners on quarters of a pixel, so that edges run through centres too, and beyond the picture. */
const corner = fc
  .tuple(fc.nat(4 * (WIDTH + 6)), fc.nat(4 * (HEIGHT + 6)))
  .map(([x, y]): Point => [x / 4, y / 4]);
const outline = fc.array(corner, { minLength: 3, maxLength: 9 });

/** Winding number of a polygon around a point that no edge touches (Sunday, "Inclusion of a point in a polygon"). */
function winding(points: readonly Point[], x: number, y: number): number {
  let count = 0;
  points.forEach(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length] as Point;
    const side = (bx - ax) * (y - ay) - (x - ax) * (by - ay);
    if (ay <= y && by > y && side > 0) count += 1;
    if (ay > y && by <= y && side < 0) count -= 1;
  });
  return count;
}

/** True when the point lies on an edge, where inside and outside are a matter of convention. */
function isOnEdge(points: readonly Point[], x: number, y: number): boolean {
  return points.some(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length] as Point;
    const side = (bx - ax) * (y - ay) - (x - ax) * (by - ay);
    const along = (x - ax) * (x - bx) + (y - ay) * (y - by);
    return Math.abs(side) < 1e-9 && along <= 0;
  });
}

function paintedBy(runs: Runs): Buffer {
  const picture = Buffer.alloc(WIDTH * HEIGHT, 255);
  paintBlack(picture, WIDTH, 1, runs);
  return picture;
}

const isPainted = (picture: Buffer, x: number, y: number): boolean => picture[y * WIDTH + x] === 0;

describe('polygon', () => {
  it('holds a pixel exactly when the winding number around its centre is not zero', () => {
    fc.assert(
      fc.property(outline, (points) => {
        const picture = paintedBy(runsInside(points, WIDTH, HEIGHT));
        for (let y = 0; y < HEIGHT; y += 1) {
          for (let x = 0; x < WIDTH; x += 1) {
            if (isOnEdge(points, x + 0.5, y + 0.5)) continue;
            const expected = winding(points, x + 0.5, y + 0.5) !== 0;
            assert.equal(isPainted(picture, x, y), expected, `pixel ${x}, ${y}`);
          }
        }
      }),
    );
  });

  it('gives every pixel to exactly one of two polygons that share an edge', () => {
    const left = fc.tuple(corner, corner);
    fc.assert(
      fc.property(left, ([[topX], [bottomX]]) => {
        const [a, b]: Point[] = [
          [Math.min(topX, WIDTH), 0],
          [Math.min(bottomX, WIDTH), HEIGHT],
        ] as const;
        const one = paintedBy(runsInside([[0, 0], a, b, [0, HEIGHT]], WIDTH, HEIGHT));
        const other = paintedBy(runsInside([a, [WIDTH, 0], [WIDTH, HEIGHT], b], WIDTH, HEIGHT));
        for (let i = 0; i < one.length; i += 1) assert.equal((one[i] === 0) !== (other[i] === 0), true);
      }),
    );
  });

  it('covers with a rectangle on whole numbers the pixels between them, in either direction', () => {
    const corners: Point[] = [
      [3, 2],
      [9, 2],
      [9, 6],
      [3, 6],
    ];
    for (const points of [corners, corners.toReversed()]) {
      const runs = runsInside(points, WIDTH, HEIGHT);
      assert.deepEqual([...runs], [2, 3, 9, 3, 3, 9, 4, 3, 9, 5, 3, 9]);
      assert.deepEqual(boxAround(runs), [3, 2, 6, 4]);
      assert.equal(areaOf(points), 24);
    }
  });

  it('leaves no hole where an outline crosses itself', () => {
    const star: Point[] = [0, 2, 4, 1, 3].map((step): Point => {
      const angle = (step * 2 * Math.PI) / 5;
      return [11 + 8 * Math.sin(angle), 8.5 - 8 * Math.cos(angle)];
    });
    assert.equal(isPainted(paintedBy(runsInside(star, WIDTH, HEIGHT)), 11, 8), true);
  });

  it('splits its box into the pixels inside and those outside', () => {
    fc.assert(
      fc.property(outline, (points) => {
        const runs = runsInside(points, WIDTH, HEIGHT);
        const box = boxAround(runs);
        fc.pre(box !== undefined);
        const [left, top, width, height] = box;
        for (let i = 3; i < runs.length; i += 3) {
          const isLater = (runs[i] as number) > (runs[i - 3] as number);
          assert.ok(isLater || (runs[i + 1] as number) >= (runs[i - 1] as number), 'runs in order and apart');
        }
        const inside = paintedBy(runs);
        const outside = Buffer.alloc(width * height, 255);
        paintBlack(outside, width, 1, shifted(runsOutside(runs, box), left, top));
        for (let y = 0; y < HEIGHT; y += 1) {
          for (let x = 0; x < WIDTH; x += 1) {
            const isInBox = x >= left && x < left + width && y >= top && y < top + height;
            const isOutside = isInBox ? outside[(y - top) * width + x - left] === 0 : true;
            assert.equal(isPainted(inside, x, y), !isOutside);
          }
        }
      }),
    );
  });

  it('paints every channel of a pixel', () => {
    const picture = Buffer.alloc(4 * 2 * 3, 255);
    paintBlack(picture, 4, 3, Int32Array.from([1, 1, 3]));
    const black = [...picture].map((value, index) => (value === 0 ? index : -1)).filter((i) => i >= 0);
    assert.deepEqual(black, [15, 16, 17, 18, 19, 20]);
  });

  it('has no pixels beside the picture', () => {
    const beside: Point[] = [
      [WIDTH, 0],
      [WIDTH + 5, 0],
      [WIDTH + 5, 9],
    ];
    assert.equal(runsInside(beside, WIDTH, HEIGHT).length, 0);
    assert.equal(boxAround(runsInside(beside, WIDTH, HEIGHT)), undefined);
  });
});
