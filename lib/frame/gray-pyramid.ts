/** Small grey pictures in floats, and the same at half and a quarter of their size. */
import type { RgbImage } from './decode.ts';
import type { Thumbnail } from './luminance.ts';

/** Levels 0…255, row by row. */
export interface Gray {
  data: Float32Array;
  width: number;
  height: number;
}

/** Below this the sides of the smallest level do not go. */
const SHORTEST = 12;
/** Nor its longer side, because every level costs a search. */
const COARSE = 32;

/** Luminance (ITU-R BT.601). */
export function grayOf({ data, width, height }: RgbImage): Gray {
  const gray = new Float32Array(width * height);
  for (let pixel = 0, i = 0; pixel < gray.length; pixel += 1, i += 3) {
    gray[pixel] =
      0.299 * (data[i] as number) + 0.587 * (data[i + 1] as number) + 0.114 * (data[i + 2] as number);
  }
  return { data: gray, width, height };
}

/** Smoothed by 1 2 1 along and across; the border repeats. */
function blurred({ data, width, height }: Gray): Gray {
  const along = new Float32Array(data.length);
  const both = new Float32Array(data.length);
  for (let y = 0; y < height; y += 1) {
    const row = y * width;
    for (let x = 0; x < width; x += 1) {
      const left = data[row + Math.max(0, x - 1)] as number;
      const right = data[row + Math.min(width - 1, x + 1)] as number;
      along[row + x] = (left + 2 * (data[row + x] as number) + right) / 4;
    }
  }
  for (let y = 0; y < height; y += 1) {
    const row = y * width;
    const above = Math.max(0, y - 1) * width;
    const below = Math.min(height - 1, y + 1) * width;
    for (let x = 0; x < width; x += 1) {
      both[row + x] =
        ((along[above + x] as number) + 2 * (along[row + x] as number) + (along[below + x] as number)) / 4;
    }
  }
  return { data: both, width, height };
}

/** The mean of the area each pixel covers; neither side grows. */
export function shrunk({ data, width, height }: Gray, columns: number, rows: number): Thumbnail {
  const small = new Float64Array(columns * rows);
  const shares = (side: number, cells: number): { cell: number; index: number; share: number }[] => {
    const list: { cell: number; index: number; share: number }[] = [];
    for (let cell = 0; cell < cells; cell += 1) {
      const [begin, end] = [(cell * side) / cells, ((cell + 1) * side) / cells];
      for (let index = Math.floor(begin); index < Math.ceil(end - 1e-9); index += 1) {
        const overlap = Math.min(end, index + 1) - Math.max(begin, index);
        list.push({ cell, index, share: (overlap * cells) / side });
      }
    }
    return list;
  };
  const across = shares(width, columns);
  for (const { cell: row, index: y, share: high } of shares(height, rows)) {
    for (const { cell: column, index: x, share: wide } of across) {
      const at = row * columns + column;
      small[at] = (small[at] as number) + high * wide * (data[y * width + x] as number);
    }
  }
  return { data: small, width: columns, height: rows };
}

/** The picture, smoothed against noise, and its halves down to a coarse one; the finest first. */
export function pyramidOf(gray: Gray): Gray[] {
  const levels = [blurred(gray)];
  for (let level = levels[0] as Gray; ;) {
    const { width, height } = level;
    if (Math.max(width, height) <= COARSE || Math.min(width, height) < 2 * SHORTEST) return levels;
    const [columns, rows] = [width >> 1, height >> 1];
    const { data } = shrunk(level, columns, rows);
    level = blurred({ data: Float32Array.from(data), width: columns, height: rows });
    levels.push(level);
  }
}

/** The picture turned clockwise about its middle; the border repeats. `aspect` is height by width of the frame. */
export function turned({ data, width, height }: Gray, radians: number, aspect: number): Gray {
  const cosine = Math.cos(radians);
  const sine = Math.sin(radians);
  // lengths as the frame has them: pixels need not be square
  const pixelHeight = (aspect * width) / height;
  const result = new Float32Array(data.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const dx = x + 0.5 - width / 2;
      const dy = (y + 0.5 - height / 2) * pixelHeight;
      const column = Math.floor(cosine * dx + sine * dy + width / 2);
      const row = Math.floor((cosine * dy - sine * dx) / pixelHeight + height / 2);
      const from = Math.min(Math.max(row, 0), height - 1) * width + Math.min(Math.max(column, 0), width - 1);
      result[y * width + x] = data[from] as number;
    }
  }
  return { data: result, width, height };
}
