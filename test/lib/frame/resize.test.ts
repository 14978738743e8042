import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RgbImage } from '../../../lib/frame/decode.ts';
import { resizeRgb } from '../../../lib/frame/resize.ts';

const side = fc.integer({ min: 1, max: 24 });
const image = fc
  .tuple(side, side, fc.uint8Array({ minLength: 24 * 24 * 3, maxLength: 24 * 24 * 3 }))
  .map(([width, height, noise]): RgbImage => ({
    width,
    height,
    data: Buffer.from(noise.subarray(0, width * height * 3)),
  }));

function pixel({ data, width, height }: RgbImage, x: number, y: number, channel: number): number {
  const column = Math.min(Math.max(x, 0), width - 1);
  const row = Math.min(Math.max(y, 0), height - 1);
  return data[(row * width + column) * 3 + channel] as number;
}

/** Both methods as their definitions say, one pixel at a time, in floating point. */
function reference(source: RgbImage, width: number, height: number): number[] {
  const scaleX = source.width / width;
  const scaleY = source.height / height;
  const values: number[] = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        let value = 0;
        if (scaleX > 1 || scaleY > 1) {
          for (let row = 0; row < source.height; row += 1) {
            const covered = Math.max(0, Math.min((y + 1) * scaleY, row + 1) - Math.max(y * scaleY, row));
            for (let column = 0; column < source.width && covered > 0; column += 1) {
              const wide = Math.max(0, Math.min((x + 1) * scaleX, column + 1) - Math.max(x * scaleX, column));
              value += (pixel(source, column, row, channel) * covered * wide) / (scaleX * scaleY);
            }
          }
        } else {
          const px = Math.min(Math.max((x + 0.5) * scaleX - 0.5, 0), source.width - 1);
          const py = Math.min(Math.max((y + 0.5) * scaleY - 0.5, 0), source.height - 1);
          const [left, top] = [Math.floor(px), Math.floor(py)];
          for (const [dx, dy] of [
            [0, 0],
            [1, 0],
            [0, 1],
            [1, 1],
          ] as const) {
            const share = (dx === 1 ? px - left : 1 - px + left) * (dy === 1 ? py - top : 1 - py + top);
            value += share * pixel(source, left + dx, top + dy, channel);
          }
        }
        values.push(value);
      }
    }
  }
  return values;
}

describe('resize', () => {
  it('agrees with the definition of area average and bilinear to one grey level', () => {
    fc.assert(
      fc.property(image, side, side, (source, width, height) => {
        const { data } = resizeRgb(source, { width, height, fit: 'stretch' });
        reference(source, width, height).forEach((expected, i) => {
          assert.ok(
            Math.abs((data[i] as number) - expected) <= 1.51,
            `${data[i]} is not ${expected} at ${i}`,
          );
        });
      }),
    );
  });

  it('leaves a flat picture flat, at any size', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.nat(255), (width, height, toWidth, toHeight, value) => {
        const source = { width, height, data: Buffer.alloc(width * height * 3, value) };
        const { data } = resizeRgb(source, { width: toWidth, height: toHeight, fit: 'stretch' });
        assert.ok(data.every((sample) => sample === value));
      }),
    );
  });

  it('keeps a hairline visible that bilinear would step over', () => {
    const width = 1000;
    const data = Buffer.alloc(width * 10 * 3);
    for (let row = 0; row < 10; row += 1) data.fill(255, (row * width + 503) * 3, (row * width + 504) * 3);
    const small = resizeRgb({ data, width, height: 10 }, { width: 100, height: 10, fit: 'stretch' });
    assert.ok(small.data.some((sample) => sample > 20));
  });

  it('returns the way back to pixels of the source', () => {
    const source = { width: 640, height: 480, data: Buffer.alloc(640 * 480 * 3, 255) };
    const stretched = resizeRgb(source, { width: 320, height: 320, fit: 'stretch' });
    assert.deepEqual([stretched.scaleX, stretched.scaleY], [2, 1.5]);
    const letterboxed = resizeRgb(source, { width: 320, height: 320, fit: 'letterbox' });
    assert.deepEqual([letterboxed.scaleX, letterboxed.scaleY], [2, 2]);
  });

  it('fills the rest of a letterbox with grey, below and to the right', () => {
    const source = { width: 4, height: 2, data: Buffer.alloc(24, 255) };
    const { data } = resizeRgb(source, { width: 4, height: 4, fit: 'letterbox' });
    assert.deepEqual([...data], [...Array<number>(24).fill(255), ...Array<number>(24).fill(114)]);
  });

  it('writes into the buffer offered, and not at all where the size is right already', () => {
    const source = { width: 2, height: 2, data: Buffer.alloc(12, 9) };
    const output = Buffer.alloc(3);
    assert.equal(resizeRgb(source, { width: 1, height: 1, fit: 'stretch' }, output).data, output);
    assert.equal(resizeRgb(source, { width: 2, height: 2, fit: 'letterbox' }).data, source.data);
  });

  it('reads a part of a larger picture where it lies, to the same pixels as from a copy of it', () => {
    const part = fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat());
    fc.assert(
      fc.property(image, part, side, side, (source, [x, y, w, h], width, height) => {
        const [left, top] = [x % source.width, y % source.height];
        const size = { width: 1 + (w % (source.width - left)), height: 1 + (h % (source.height - top)) };
        const stride = source.width * 3;
        const begin = top * stride + left * 3;
        const rows = Array.from({ length: size.height }, (_, row) =>
          source.data.subarray(begin + row * stride, begin + row * stride + size.width * 3),
        );
        const target = { width, height, fit: 'letterbox' } as const;
        const there = resizeRgb({ ...size, data: source.data.subarray(begin), stride }, target);
        const copied = resizeRgb({ ...size, data: Buffer.concat(rows) }, target);
        assert.deepEqual([...there.data.subarray(0, width * height * 3)], [...copied.data]);
      }),
    );
  });
});
