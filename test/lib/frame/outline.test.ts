import assert from 'node:assert/strict';
import fc from 'fast-check';
import { labelComponents } from '../../../lib/frame/components.ts';
import { ringArea, simplifyRing, traceOutlines, type Ring } from '../../../lib/frame/outline.ts';

const picture = fc
  .tuple(fc.integer({ min: 1, max: 15 }), fc.integer({ min: 1, max: 15 }), fc.integer({ min: 1, max: 4 }))
  .chain(([width, height, share]) =>
    fc.record({
      width: fc.constant(width),
      height: fc.constant(height),
      values: fc
        .uint8Array({ min: 0, max: share, minLength: width * height, maxLength: width * height })
        .map((values) => values.map((value) => (value === 0 ? 0 : 1))),
    }),
  );

/** Even-odd: the pixels whose centre has an odd number of borders to its left. */
function fill(rings: readonly Ring[], width: number, height: number): Uint8Array {
  const mask = new Uint8Array(width * height);
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i += 2) {
      const [x, y] = [ring[i] as number, ring[i + 1] as number];
      const nextY = ring[(i + 3) % ring.length] as number;
      for (let row = Math.min(y, nextY); row < Math.max(y, nextY); row += 1) {
        for (let column = x; column < width; column += 1) {
          mask[row * width + column] = 1 - (mask[row * width + column] as number);
        }
      }
    }
  }
  return mask;
}

function pointsOf(ring: Ring): [number, number][] {
  return Array.from({ length: ring.length / 2 }, (_, i) => [
    ring[2 * i] as number,
    ring[2 * i + 1] as number,
  ]);
}

function distance([x, y]: [number, number], [ax, ay]: [number, number], [bx, by]: [number, number]): number {
  const squared = (bx - ax) ** 2 + (by - ay) ** 2;
  const along = squared === 0 ? 0 : ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / squared;
  const t = Math.min(Math.max(along, 0), 1);
  return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay));
}

describe('outlines', () => {
  it('filled give back exactly the pixels of each area', () => {
    fc.assert(
      fc.property(picture, ({ width, height, values }) => {
        const areas = labelComponents(values, width, height);
        const { labels, count } = areas;
        const wanted = Array.from({ length: count }, (_, index) => index + 1);
        traceOutlines(areas, width, wanted).forEach((rings, index) => {
          const pixels = Uint8Array.from(labels, (label) => (label === index + 1 ? 1 : 0));
          assert.deepEqual(fill(rings, width, height), pixels);
        });
      }),
    );
  });

  it('are one clockwise outer ring before the holes, together as large as the area', () => {
    fc.assert(
      fc.property(picture, ({ width, height, values }) => {
        const areas = labelComponents(values, width, height);
        const { count, pixels } = areas;
        const wanted = Array.from({ length: count }, (_, index) => index + 1);
        traceOutlines(areas, width, wanted).forEach((rings, index) => {
          const areas = rings.map(ringArea);
          assert.deepEqual(
            areas.map((area) => area > 0),
            areas.map((_, ring) => ring === 0),
          );
          assert.equal(
            areas.reduce((sum, area) => sum + area, 0),
            pixels[index],
          );
        });
      }),
    );
  });

  it('have a corner only where they turn', () => {
    const square = Uint8Array.of(0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0);
    const rings = traceOutlines(labelComponents(square, 4, 3), 4, [1]);
    assert.deepEqual(
      rings.flat().map(({ length }) => length),
      [8],
    );
  });

  it('follow a hole, and leave out areas that nobody wants', () => {
    const values = Uint8Array.of(1, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1);
    const areas = labelComponents(values, 5, 3);
    const [ring, ...others] = traceOutlines(areas, 5, [1]);
    assert.deepEqual(ring?.map(ringArea), [9, -1]);
    assert.deepEqual(others, []);
  });
});

describe('simpler outlines', () => {
  const outline = picture.map(({ width, height, values }) => {
    const areas = labelComponents(values, width, height);
    return areas.count === 0 ? [] : (traceOutlines(areas, width, [1])[0] ?? []);
  });

  it('leave no corner farther than the tolerance from the side that stands for it', () => {
    fc.assert(
      fc.property(outline, fc.double({ min: 0, max: 3, noNaN: true }), (rings, tolerance) => {
        for (const ring of rings) {
          const simple = pointsOf(simplifyRing(ring, tolerance, Infinity));
          const all = pointsOf(ring);
          const at = simple.map((point) => all.findIndex(([x, y]) => x === point[0] && y === point[1]));
          for (const point of all) {
            const near = at.map((_, side) =>
              distance(
                point,
                simple[side] as [number, number],
                simple[(side + 1) % simple.length] as [number, number],
              ),
            );
            assert.ok(Math.min(...near) <= tolerance + 1e-9);
          }
          assert.ok(at.every((index) => index >= 0));
        }
      }),
    );
  });

  it('never have more corners than asked for', () => {
    fc.assert(
      fc.property(outline, fc.integer({ min: 4, max: 12 }), (rings, most) => {
        for (const ring of rings) assert.ok(simplifyRing(ring, 0.1, most).length / 2 <= most);
      }),
    );
  });

  it('of a long slope of steps have few corners and nearly its area', () => {
    const side = 300;
    const disc = Uint8Array.from({ length: side * side }, (_, pixel) =>
      Math.hypot((pixel % side) - 149.5, Math.floor(pixel / side) - 149.5) < 140 ? 1 : 0,
    );
    const ring = traceOutlines(labelComponents(disc, side, side), side, [1])[0]?.[0] as Ring;
    const simple = simplifyRing(ring, 0.5, 200);
    assert.ok(simple.length / 2 <= 200);
    assert.ok(Math.abs(ringArea(simple) / ringArea(ring) - 1) < 0.01);
  });

  it('of a ring as ragged as can be take no time', () => {
    const side = 512;
    const comb = Uint8Array.from({ length: side * side }, (_, pixel) =>
      (pixel % side) % 2 === 0 || pixel < side ? 1 : 0,
    );
    const ring = traceOutlines(labelComponents(comb, side, side), side, [1])[0]?.[0] as Ring;
    const started = performance.now();
    assert.equal(simplifyRing(ring, 0.5, 200).length / 2, 200);
    assert.ok(performance.now() - started < 1000);
  });
});
