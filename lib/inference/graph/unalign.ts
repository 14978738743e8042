/** What a head says of a picture whose part was brought to its place, said of the picture as it came. */
import type { Alignment } from '../../frame/align.ts';
import { inverseOf, movedBox, movedPoint, type Size } from '../../frame/similarity.ts';
import type { HeadResult } from '../heads/head.ts';
import { tenth } from '../heads/mask-grid.ts';
import { replaced } from './crop.ts';

/** A map or picture that covers the frame, row by row. */
interface Grid<Data> {
  data: Data;
  width: number;
  height: number;
}

/**
 * Each pixel is the nearest one of what the model saw there: a map keeps its highest values, a mask its
 * classes. What it did not see repeats its edge.
 */
function moved<Data extends Float32Array | Uint8Array>(
  { data, width, height }: Grid<Data>,
  alignment: Alignment,
  frame: Size,
): Data {
  const result = data.slice() as Data;
  const toReference = inverseOf(alignment);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const x = ((column + 0.5) * frame.width) / width;
      const y = ((row + 0.5) * frame.height) / height;
      const [fromX, fromY] = movedPoint([x, y], toReference, frame);
      const fromColumn = Math.min(Math.max(Math.floor((fromX * width) / frame.width), 0), width - 1);
      const fromRow = Math.min(Math.max(Math.floor((fromY * height) / frame.height), 0), height - 1);
      result[row * width + column] = data[fromRow * width + fromColumn] as number;
    }
  }
  return result;
}

/** Boxes become the upright ones round where they lie; `tensors.map` and pictures are moved as they cover the frame. */
export function asItCame(result: HeadResult, alignment: Alignment, frame: Size): HeadResult {
  if (alignment.lost) return result;
  const { prediction, tensors, pictures } = result;
  const { map, ...others } = tensors;
  const [rows = 0, columns = 0] = map?.dims ?? [];
  const movedMap =
    map === undefined || prediction['task'] !== 'anomaly-map'
      ? map
      : { dims: map.dims, data: moved({ data: map.data, width: columns, height: rows }, alignment, frame) };
  const placed = replaced(
    prediction,
    (box) => {
      const [x, y, width, height] = movedBox(box, alignment, frame);
      return [tenth(x), tenth(y), tenth(width), tenth(height)];
    },
    (point) => {
      const [x, y] = movedPoint(point, alignment, frame);
      return [tenth(Math.min(Math.max(x, 0), frame.width)), tenth(Math.min(Math.max(y, 0), frame.height))];
    },
  );
  const entries = Object.entries(pictures ?? {}).map(([name, picture]) => [
    name,
    { ...picture, data: moved(picture, alignment, frame) },
  ]);
  return {
    prediction: placed,
    tensors: movedMap === undefined ? others : { ...others, map: movedMap },
    ...(pictures === undefined ? {} : { pictures: Object.fromEntries(entries) as typeof pictures }),
  };
}
