/** What a map of scores says of each pixel of a picture, beside what its mask says. */
import sharp from 'sharp';
import type { Grid, Size } from '../../lib/anomaly/backbone.ts';
import { labelComponents } from '../../lib/frame/components.ts';
import type { PixelTruth } from './pixel-metrics.ts';

/** One number for each pixel, linear between the centres of patches. */
export function enlarged(map: Float32Array, { columns, rows }: Grid, size: Size): Float32Array {
  const { width, height } = size;
  const scores = new Float32Array(width * height);
  const between = (position: number, count: number): [at: number, next: number, share: number] => {
    const place = Math.min(Math.max(position, 0), count - 1);
    const at = Math.floor(place);
    return [at, Math.min(at + 1, count - 1), place - at];
  };
  for (let y = 0; y < height; y += 1) {
    const [top, below, down] = between(((y + 0.5) * rows) / height - 0.5, rows);
    for (let x = 0; x < width; x += 1) {
      const [left, right, across] = between(((x + 0.5) * columns) / width - 0.5, columns);
      const at = (row: number, column: number): number => map[row * columns + column] ?? NaN;
      const upper = at(top, left) * (1 - across) + at(top, right) * across;
      const lower = at(below, left) * (1 - across) + at(below, right) * across;
      scores[y * width + x] = upper * (1 - down) + lower * down;
    }
  }
  return scores;
}

/** Regions of a mask: connected areas of its pixels that are not black; none where there is no mask. */
async function regionsOf(mask: string | undefined, { width, height }: Size): Promise<Int32Array> {
  if (mask === undefined) return new Int32Array(width * height);
  const { data, info } = await sharp(mask).greyscale().raw().toBuffer({ resolveWithObject: true });
  if (info.width !== width || info.height !== height) {
    throw new Error(`the mask ${mask} is ${info.width}×${info.height}, its picture ${width}×${height}`);
  }
  const isBad = Uint8Array.from({ length: width * height }, (_, pixel) =>
    (data[pixel * info.channels] ?? 0) > 0 ? 1 : 0,
  );
  return labelComponents(isBad, width, height).labels;
}

/** Patches of a map of this length over an input of this size. */
function gridOf(length: number, input: Size): Grid {
  const stride = Math.sqrt((input.width * input.height) / length);
  return { columns: Math.round(input.width / stride), rows: Math.round(input.height / stride) };
}

/**
 * @param input size of the picture as the model sees it, whole and stretched
 * @param size of the picture itself
 * @param mask path of a picture of the same size, black where the part is good
 */
export async function pixelTruth(
  map: Float32Array,
  input: Size,
  size: Size,
  mask: string | undefined,
): Promise<PixelTruth> {
  const grid = gridOf(map.length, input);
  return { scores: enlarged(map, grid, size), regions: await regionsOf(mask, size) };
}
