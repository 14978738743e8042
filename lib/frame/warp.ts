/**
 * RGB rows → RGB rows of another size in which a part that was moved, turned or scaled lies where it lies
 * in the reference. Moving and resizing are one resampling where the target has at least half the
 * picture's pixels along each side; what is larger is first averaged down to twice the target, as
 * `resize.ts` does and for its reason, and read at two by two places for each pixel.
 */
import type { Gray } from './gray-pyramid.ts';
import { PADDING, placedIn, resizeRgb, strideOf } from './resize.ts';
import type { ResizedImage, RgbWindow, Target } from './resize.ts';
import { turnOf, type Similarity, type Size } from './similarity.ts';

/** Samples along each side for a pixel of the target. */
const MOST_SAMPLES = 2;

/** The picture as large as {@link warpRgb} reads it: itself, or averaged down to twice the target. */
export function warpSource(image: RgbWindow, target: Target): RgbWindow {
  const placed = placedIn(image, target);
  const width = Math.min(image.width, MOST_SAMPLES * placed.width);
  const height = Math.min(image.height, MOST_SAMPLES * placed.height);
  if (width === image.width && height === image.height) return image;
  return resizeRgb(image, { width, height, fit: 'stretch' });
}

function inside(index: number, side: number): number {
  return Math.min(Math.max(index, 0), side - 1);
}

/**
 * `source` is of {@link warpSource}, for the same target; `frame` is the size of the picture that came, in
 * whose pixels `similarity` says where the part lies. `scaleX` and `scaleY` lead to pixels of the frame as
 * it would be with the part in its place. What lies beyond the edge of the picture is taken from `beyond`,
 * which covers the frame: always the same at the same place, where mirrored or repeated pixels would be
 * another flaw in each picture. Without it the edge repeats.
 */
export function warpRgb(
  source: RgbWindow,
  frame: Size,
  similarity: Similarity,
  target: Target,
  { beyond, output }: { beyond?: Gray; output?: Buffer | undefined } = {},
): ResizedImage {
  const placed = placedIn(frame, target);
  const across = source.width > placed.width ? MOST_SAMPLES : 1;
  const down = source.height > placed.height ? MOST_SAMPLES : 1;
  const stride = target.width * 3;
  const length = stride * target.height;
  const data = output?.length === length ? output : Buffer.allocUnsafeSlow(length);
  if (placed.width < target.width || placed.height < target.height) data.fill(PADDING);

  // the way from places of the target, `across` × `down` of them for a pixel, to pixels of the source
  const { cosine, sine } = turnOf(similarity);
  const [scaleX, scaleY] = [frame.width / placed.width, frame.height / placed.height];
  const [toX, toY] = [source.width / frame.width, source.height / frame.height];
  const [columnX, columnY] = [(cosine * scaleX * toX) / across, (sine * scaleX * toY) / across];
  const [rowX, rowY] = [(-sine * scaleY * toX) / down, (cosine * scaleY * toY) / down];
  const [middleX, middleY] = [frame.width / 2, frame.height / 2];
  const cornerX = middleX - cosine * middleX + sine * middleY + similarity.x;
  const cornerY = middleY - sine * middleX - cosine * middleY + similarity.y;
  const startX = cornerX * toX - 0.5 + (columnX + rowX) / 2;
  const startY = cornerY * toY - 0.5 + (columnY + rowY) / 2;

  const pixels = source.data;
  const sourceStride = strideOf(source);
  const { width, height } = source;
  const share = 1 / (across * down);
  for (let y = 0; y < placed.height; y += 1) {
    for (let x = 0, out = y * stride; x < placed.width; x += 1, out += 3) {
      // half a level, because a Buffer cuts off what is behind the point
      let red = 0.5;
      let green = 0.5;
      let blue = 0.5;
      for (let row = y * down; row < (y + 1) * down; row += 1) {
        for (let column = x * across; column < (x + 1) * across; column += 1) {
          const fromX = startX + column * columnX + row * rowX;
          const fromY = startY + column * columnY + row * rowY;
          const left = Math.floor(fromX);
          const top = Math.floor(fromY);
          if (beyond !== undefined && !(left >= -1 && top >= -1 && left < width && top < height)) {
            const row = Math.floor(((y + 0.5) * beyond.height) / placed.height);
            const column = Math.floor(((x + 0.5) * beyond.width) / placed.width);
            const level = share * (beyond.data[row * beyond.width + column] as number);
            red += level;
            green += level;
            blue += level;
            continue;
          }
          const isInside = left >= 0 && top >= 0 && left < width - 1 && top < height - 1;
          const firstRow = (isInside ? top : inside(top, height)) * sourceStride;
          const secondRow = isInside ? firstRow + sourceStride : inside(top + 1, height) * sourceStride;
          const firstColumn = (isInside ? left : inside(left, width)) * 3;
          const secondColumn = isInside ? firstColumn + 3 : inside(left + 1, width) * 3;
          const right = (fromX - left) * share;
          const lower = fromY - top;
          const bottomRight = right * lower;
          const bottomLeft = lower * share - bottomRight;
          const topRight = right - bottomRight;
          const topLeft = share - right - bottomLeft;
          const a = firstRow + firstColumn;
          const b = firstRow + secondColumn;
          const c = secondRow + firstColumn;
          const d = secondRow + secondColumn;
          red +=
            topLeft * (pixels[a] as number) +
            topRight * (pixels[b] as number) +
            bottomLeft * (pixels[c] as number) +
            bottomRight * (pixels[d] as number);
          green +=
            topLeft * (pixels[a + 1] as number) +
            topRight * (pixels[b + 1] as number) +
            bottomLeft * (pixels[c + 1] as number) +
            bottomRight * (pixels[d + 1] as number);
          blue +=
            topLeft * (pixels[a + 2] as number) +
            topRight * (pixels[b + 2] as number) +
            bottomLeft * (pixels[c + 2] as number) +
            bottomRight * (pixels[d + 2] as number);
        }
      }
      data[out] = red;
      data[out + 1] = green;
      data[out + 2] = blue;
    }
  }
  return { data, width: target.width, height: target.height, scaleX, scaleY };
}
