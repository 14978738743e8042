import assert from 'node:assert/strict';
import fc from 'fast-check';
import { resizeRgb } from '../../../lib/frame/resize.ts';
import { AT_REST } from '../../../lib/frame/similarity.ts';
import { warpRgb, warpSource } from '../../../lib/frame/warp.ts';

describe('warping', () => {
  it('of a part that lies right is resizing, to a grey level or two', () => {
    const side = fc.integer({ min: 2, max: 60 });
    const fit = fc.constantFrom('stretch' as const, 'letterbox' as const);
    fc.assert(
      fc.property(side, side, fc.constantFrom(1, 2, 4), fit, (width, height, shrink, way) => {
        // waves, because single pixels of noise come out otherwise where sides do not divide
        const wave = (i: number): number => 128 + 100 * Math.sin((i % 3) + Math.floor(i / 3) / width / 9);
        const data = Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => wave(i)));
        const target = { width: Math.ceil(width / shrink), height: Math.ceil(height / shrink), fit: way };
        const picture = { data, width, height };
        const warped = warpRgb(warpSource(picture, target), picture, AT_REST, target);
        const resized = resizeRgb(picture, target);
        assert.deepEqual({ ...warped, data: 0 }, { ...resized, data: 0 });
        warped.data.forEach((level, i) => {
          assert.ok(Math.abs(level - (resized.data[i] as number)) <= 2, `${level}, ${resized.data[i]}`);
        });
      }),
    );
  });

  it('brings what lies 3 pixels to the right and 2 down to its place', () => {
    const [width, height] = [20, 16];
    const data = Buffer.alloc(width * height * 3, 10);
    data.fill(200, (9 * width + 12) * 3, (9 * width + 13) * 3);
    const target = { width, height, fit: 'stretch' } as const;
    const warped = warpRgb({ data, width, height }, { width, height }, { ...AT_REST, x: 3, y: 2 }, target);
    const brightest = warped.data.indexOf(200) / 3;
    assert.deepEqual([brightest % width, Math.floor(brightest / width)], [9, 7]);
  });

  it('reads parts of a larger picture where they are', () => {
    const [width, height, stride] = [8, 6, 40];
    const data = Buffer.from(Array.from({ length: stride * height }, (_, i) => (i * 7) % 256));
    const rows = Array.from({ length: height }, (_, y) => data.subarray(y * stride, y * stride + width * 3));
    const target = { width, height, fit: 'stretch' } as const;
    const move = { x: 1.4, y: -0.6, angle: 5, scale: 1.02 };
    const there = warpRgb({ data, width, height, stride }, { width, height }, move, target);
    const copied = warpRgb({ data: Buffer.concat(rows), width, height }, { width, height }, move, target);
    assert.deepEqual(there.data, copied.data);
  });

  it('shows what the reference shows where the picture ends', () => {
    const frame = { width: 20, height: 10 };
    const data = Buffer.alloc(600, 200);
    const beyond = { data: Float32Array.from({ length: 8 }, (_, i) => 10 * i), width: 4, height: 2 };
    const target = { ...frame, fit: 'stretch' } as const;
    const { data: warped } = warpRgb({ data, ...frame }, frame, { ...AT_REST, x: 10 }, target, { beyond });
    assert.deepEqual([warped[0], warped[8 * 3]], [200, 200]);
    // columns 10…14 and 15…19 of the reference's four, in its upper and its lower row
    assert.deepEqual([warped[12 * 3], warped[19 * 3], warped[(9 * 20 + 19) * 3]], [20, 30, 70]);
  });
});
