import assert from 'node:assert/strict';
import fc from 'fast-check';
import { measurePixels, thumbnailSize, type Luminance } from '../../../lib/frame/luminance.ts';

function measureGrey(data: Uint8Array, width: number, height: number): Luminance {
  return measurePixels({ data, width, height, channels: 1 }).luminance;
}

function measureColour(colour: [number, number, number]): Luminance {
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => colour[i % 3] as number);
  return measurePixels({ data, width: 64, height: 64, channels: 3 }).luminance;
}

describe('luminance', () => {
  it('follows its formulas on a picture worked out by hand', () => {
    // One bright pixel of 100 in a dark field of 10: Laplacians −360, 4 × 90, 4 × 0.
    const pixels = new Uint8Array(25).fill(10);
    pixels[12] = 100;
    const mean = (24 * 10 + 100) / 25;
    const measured = measureGrey(pixels, 5, 5);
    assert.equal(measured.sharpness, (360 ** 2 + 4 * 90 ** 2) / 9);
    assert.equal(measured.fineness, 1);
    assert.ok(Math.abs(measured.brightness - mean / 255) < 1e-12);
    const deviation = Math.sqrt((24 * (10 - mean) ** 2 + (100 - mean) ** 2) / 25);
    assert.ok(Math.abs(measured.contrast - deviation / 255) < 1e-12);
    assert.deepEqual([measured.clippedDark, measured.clippedBright], [0, 0]);
    pixels[0] = 0;
    pixels[1] = 255;
    pixels[2] = 254;
    assert.deepEqual(
      [measureGrey(pixels, 5, 5).clippedDark, measureGrey(pixels, 5, 5).clippedBright],
      [1 / 25, 2 / 25],
    );
  });

  it('gives the fineness of a pattern by how fine it is, however strong it is', () => {
    const waves = (period: number, strength: number): Uint8Array =>
      Uint8Array.from(
        { length: 90 * 64 },
        (_, i) => 128 + strength * Math.sin((2 * Math.PI * (i % 90)) / period + 0.4),
      );
    const finenessOf = (period: number, strength: number): number =>
      measureGrey(waves(period, strength), 90, 64).fineness;
    // (1 − cos ω)² / (1 − cos 2ω)²: 1 at three pixels, 1/9 at six, towards 1/16
    assert.ok(Math.abs(finenessOf(3, 100) - 1) < 0.05, String(finenessOf(3, 100)));
    assert.ok(Math.abs(finenessOf(6, 100) - 1 / 9) < 0.01, String(finenessOf(6, 100)));
    assert.ok(Math.abs(finenessOf(6, 40) - 1 / 9) < 0.01, String(finenessOf(6, 40)));
    assert.ok(finenessOf(18, 100) < 0.08, String(finenessOf(18, 100)));
  });

  it('sees to which colour a picture leans, and that grey leans to none', () => {
    const none = measureColour([128, 128, 128]);
    assert.deepEqual([none.castBlue, none.castRed], [0, 0]);
    const blue = measureColour([100, 110, 160]);
    assert.ok(blue.castBlue > 0.08 && blue.castRed < 0, JSON.stringify(blue));
    const warm = measureColour([170, 130, 90]);
    assert.ok(warm.castRed > 0.08 && warm.castBlue < -0.08, JSON.stringify(warm));
  });

  it('measures grey rows and the same rows as RGB alike', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 1e6 }),
        (width, height, seed) => {
          const grey = Uint8Array.from({ length: width * height }, (_, i) => (i * i * 7 + i * seed) % 256);
          const colour = Uint8Array.from(
            { length: grey.length * 3 },
            (_, i) => grey[Math.floor(i / 3)] as number,
          );
          assert.deepEqual(
            measurePixels({ data: colour, width, height, channels: 3 }),
            measurePixels({ data: grey, width, height, channels: 1 }),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  it('reduces a picture to at most 128 × 64 pixels that have its mean', () => {
    assert.deepEqual(thumbnailSize(1920, 1080), { width: 128, height: 64 });
    assert.deepEqual(thumbnailSize(480, 640), { width: 64, height: 128 });
    assert.deepEqual(thumbnailSize(1, 1), { width: 1, height: 1 });
    assert.deepEqual(thumbnailSize(40, 9), { width: 32, height: 8 });
    const data = Uint8Array.from({ length: 400 * 300 }, (_, i) => (i % 400) / 2);
    const { thumbnail } = measurePixels({ data, width: 400, height: 300, channels: 1 });
    assert.deepEqual([thumbnail.width, thumbnail.height], [128, 64]);
    for (const column of [0, 63, 127]) {
      const middle = ((column + 0.5) * 400) / 128 / 2;
      assert.ok(Math.abs((thumbnail.data[column] as number) - middle) < 1, `column ${column}`);
    }
  });
});
