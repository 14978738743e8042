import assert from 'node:assert/strict';
import fc from 'fast-check';
import { labelComponents } from '../../../lib/frame/components.ts';

/** Any small picture of classes: mostly a few large areas, at times noise. */
const picture = fc
  .tuple(fc.integer({ min: 1, max: 17 }), fc.integer({ min: 1, max: 13 }))
  .chain(([width, height]) =>
    fc.record({
      width: fc.constant(width),
      values: fc.uint8Array({ min: 0, max: 2, minLength: width * height, maxLength: width * height }),
    }),
  );

/** As a book has it: from every pixel not seen yet to its eight neighbours of the same value. */
function flood(values: Uint8Array, width: number): Int32Array {
  const height = values.length / width;
  const labels = new Int32Array(values.length);
  let count = 0;
  for (const [first, value] of values.entries()) {
    if (value === 0 || labels[first] !== 0) continue;
    count += 1;
    const waiting = [first];
    labels[first] = count;
    for (let pixel = waiting.pop(); pixel !== undefined; pixel = waiting.pop()) {
      for (const dy of [-1, 0, 1]) {
        for (const dx of [-1, 0, 1]) {
          const x = (pixel % width) + dx;
          const y = Math.floor(pixel / width) + dy;
          const next = y * width + x;
          if (x < 0 || x >= width || y < 0 || y >= height) continue;
          if (labels[next] !== 0 || values[next] !== value) continue;
          labels[next] = count;
          waiting.push(next);
        }
      }
    }
  }
  return labels;
}

describe('connected areas', () => {
  it('are those of a flood fill, in the same order', () => {
    fc.assert(
      fc.property(picture, ({ width, values }) => {
        const { labels, count } = labelComponents(values, width, values.length / width);
        const expected = flood(values, width);
        assert.deepEqual(labels, expected);
        assert.equal(count, Math.max(0, ...expected));
      }),
    );
  });

  it('have the value, the pixels and the box of what carries their number', () => {
    fc.assert(
      fc.property(picture, ({ width, values }) => {
        const found = labelComponents(values, width, values.length / width);
        for (let area = 0; area < found.count; area += 1) {
          const pixels = [...found.labels.keys()].filter((pixel) => found.labels[pixel] === area + 1);
          const columns = pixels.map((pixel) => pixel % width);
          const rows = pixels.map((pixel) => Math.floor(pixel / width));
          const { left, top, right, bottom } = found;
          assert.equal(found.pixels[area], pixels.length);
          assert.ok(pixels.every((pixel) => values[pixel] === found.values[area]));
          assert.deepEqual(
            [left[area], top[area], right[area], bottom[area]],
            [Math.min(...columns), Math.min(...rows), Math.max(...columns) + 1, Math.max(...rows) + 1],
          );
        }
      }),
    );
  });

  it('are one where many rows join late, as in a comb', () => {
    const side = 255;
    const comb = Uint8Array.from({ length: side * side }, (_, pixel) =>
      (pixel % side) % 2 === 0 || pixel >= side * (side - 1) ? 1 : 0,
    );
    assert.equal(labelComponents(comb, side, side).count, 1);
  });

  it('are none in an empty picture', () => {
    assert.equal(labelComponents(new Uint8Array(0), 0, 0).count, 0);
    assert.equal(labelComponents(new Uint8Array(6), 3, 2).count, 0);
  });
});
