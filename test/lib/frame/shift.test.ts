import assert from 'node:assert/strict';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededRandom } from '../../../lib/statistics/random.ts';
import { measurePixels, type Thumbnail } from '../../../lib/frame/luminance.ts';
import { ShiftReference, type Shift } from '../../../lib/frame/shift.ts';
import { requirePath, shared } from '../../support/shared.ts';

const MARGIN = 20;

/** A real picture, decoded. */
interface Photo {
  rgb: Buffer;
  width: number;
  height: number;
}

async function photo(...path: string[]): Promise<Photo> {
  const { data, info } = await sharp(join(shared('data', 'images'), ...path))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { rgb: data, width: info.width, height: info.height };
}

/** What a camera sees that looks `x` and `y` pixels beside, within the picture. */
function view({ rgb, width, height }: Photo, x: number, y: number, gain = 1): Thumbnail {
  const [inside, rows] = [width - 2 * MARGIN, height - 2 * MARGIN];
  const data = new Uint8Array(inside * rows * 3);
  for (let row = 0; row < rows; row += 1) {
    const from = ((row + MARGIN - y) * width + MARGIN - x) * 3;
    for (let i = 0; i < inside * 3; i += 1) {
      data[row * inside * 3 + i] = Math.min(255, gain * (rgb[from + i] as number));
    }
  }
  return measurePixels({ data, width: inside, height: rows, channels: 3 }).thumbnail;
}

function everywhere(thumbnail: Thumbnail): Float64Array {
  return new Float64Array(thumbnail.data.length).fill(1);
}

function inPixels(shift: Shift, { width, height }: Photo, thumbnail: Thumbnail): [x: number, y: number] {
  return [
    (shift.x * (width - 2 * MARGIN)) / thumbnail.width,
    (shift.y * (height - 2 * MARGIN)) / thumbnail.height,
  ];
}

const PHOTOS = [
  ['anomalib_dobot_cubes', 'normal', 'input_20230210130107.jpg'],
  ['anomalib_dobot_cubes', 'normal', 'input_20230214124236.jpg'],
  ['aws_cookies_288x384', 'dataset-files', 'training-images', 'normal-10.jpg'],
  ['aws_aliens', 'normal', '4.png'],
];

describe('shift', () => {
  it('is found to half a pixel on real pictures, whatever the light', async function () {
    requirePath(this, shared('data', 'images'), 'the image sets');
    for (const path of PHOTOS) {
      const image = await photo(...path);
      const still = view(image, 0, 0);
      const reference = new ShiftReference(still, everywhere(still));
      for (const [x, y] of [
        [0, 0],
        [1, 0],
        [0, -2],
        [5, 0],
        [-3, 4],
        [0, 5],
        [-11, 6],
        [15, -15],
      ] as const) {
        for (const gain of [1, 0.6, 1.1]) {
          const shift = reference.measure(view(image, x, y, gain));
          const [foundX, foundY] = inPixels(shift, image, still);
          const off = Math.hypot(foundX - x, foundY - y);
          assert.ok(off <= 0.5, `${path.at(-1)} ${x},${y} × ${gain}: ${foundX},${foundY}`);
          assert.ok(shift.quality > 0.4, `${path.at(-1)} ${x},${y} × ${gain}: ${shift.quality}`);
        }
      }
    }
  });

  it('has a low quality between pictures that have nothing in common', async function () {
    requirePath(this, shared('data', 'images'), 'the image sets');
    const cookie = view(await photo(...(PHOTOS[2] as string[])), 0, 0);
    const noise = { ...cookie, data: cookie.data.map((_, i) => (i * i * 31 + i * 7919) % 251) };
    const { quality } = new ShiftReference(cookie, everywhere(cookie)).measure(noise);
    assert.ok(quality < 0.25, String(quality));
  });

  it('looks at what has weight only', () => {
    const [width, height] = [128, 64];
    const random = seededRandom(4);
    const levels = Array.from({ length: 64 * 64 }, () => 255 * random.uniform());
    const texture = (x: number, y: number): number =>
      levels[(Math.floor(y / 2) * 64 + Math.floor(x / 2)) % levels.length] as number;
    const picture = (partMoves: number): Thumbnail => ({
      width,
      height,
      data: Float64Array.from({ length: width * height }, (_, i) => {
        const x = i % width;
        return texture(x < 64 ? x : x - partMoves, Math.floor(i / width));
      }),
    });
    const still = picture(0);
    const left = still.data.map((_, i) => (i % width < 56 ? 1 : 0));
    const right = still.data.map((_, i) => (i % width >= 72 ? 1 : 0));
    assert.ok(Math.abs(new ShiftReference(still, left).measure(picture(4)).x) < 0.1);
    assert.ok(Math.abs(new ShiftReference(still, right).measure(picture(4)).x - 4) < 0.5);
  });

  it('is nothing in a picture without anything to see', () => {
    const flat: Thumbnail = { width: 16, height: 16, data: new Float64Array(256).fill(90) };
    const { x, y, quality } = new ShiftReference(flat, everywhere(flat)).measure(flat);
    assert.ok(Number.isFinite(x) && Number.isFinite(y) && quality < 0.1);
  });
});
