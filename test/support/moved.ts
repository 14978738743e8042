/** A picture as a camera would see it with the part, and all around it, moved: for tests and evaluations. */
import type { RgbImage } from '../../lib/frame/decode.ts';
import { inverseOf, type Similarity } from '../../lib/frame/similarity.ts';
import { warpRgb } from '../../lib/frame/warp.ts';

export function moved(picture: RgbImage, similarity: Similarity): RgbImage {
  const { width, height } = picture;
  return warpRgb(picture, picture, inverseOf(similarity), { width, height, fit: 'stretch' });
}

/** The picture without so many pixels on each side: what moved in from outside is gone. */
export function inner({ data, width, height }: RgbImage, columns: number, rows: number): RgbImage {
  const [wide, high] = [width - 2 * columns, height - 2 * rows];
  const lines = Array.from({ length: high }, (_, row) => {
    const from = ((row + rows) * width + columns) * 3;
    return data.subarray(from, from + wide * 3);
  });
  return { data: Buffer.concat(lines), width: wide, height: high };
}
