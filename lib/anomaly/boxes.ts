/** Where on the frame a part looks unusual: boxes round the connected areas of the map. */
import type { Box } from '../inspection/inspection.ts';
import { sideOf } from './head.ts';

export const MAX_BOXES = 8;

export interface BoxOptions {
  /** Distance above which a patch counts as unusual. */
  level: number;
  /** Pixels of the frame the map was made from. */
  width: number;
  height: number;
}

/**
 * Boxes in frame pixels round areas of `map` (square, row by row) above `level`, patches touching
 * also by a corner; at most {@link MAX_BOXES}, the area with most patches first.
 */
export function boxesAbove(map: ArrayLike<number>, { level, width, height }: BoxOptions): Box[] {
  const side = sideOf(map.length);
  const visited = new Uint8Array(map.length);
  const areas: { patches: number; left: number; top: number; right: number; bottom: number }[] = [];
  for (let start = 0; start < visited.length; start += 1) {
    if (visited[start] === 1 || !isAbove(map, start, level)) continue;
    const area = { patches: 0, left: side, top: side, right: 0, bottom: 0 };
    const waiting = [start];
    visited[start] = 1;
    for (let patch = waiting.pop(); patch !== undefined; patch = waiting.pop()) {
      const column = patch % side;
      const row = (patch - column) / side;
      area.patches += 1;
      area.left = Math.min(area.left, column);
      area.top = Math.min(area.top, row);
      area.right = Math.max(area.right, column + 1);
      area.bottom = Math.max(area.bottom, row + 1);
      for (const neighbour of neighbours(column, row, side)) {
        if (visited[neighbour] === 1 || !isAbove(map, neighbour, level)) continue;
        visited[neighbour] = 1;
        waiting.push(neighbour);
      }
    }
    areas.push(area);
  }
  return areas
    .sort((one, other) => other.patches - one.patches)
    .slice(0, MAX_BOXES)
    .map(({ left, top, right, bottom }) => {
      const x = Math.floor((left * width) / side);
      const y = Math.floor((top * height) / side);
      return [
        x,
        y,
        Math.max(1, Math.ceil((right * width) / side) - x),
        Math.max(1, Math.ceil((bottom * height) / side) - y),
      ];
    });
}

function isAbove(map: ArrayLike<number>, patch: number, level: number): boolean {
  return (map[patch] ?? -Infinity) > level;
}

function* neighbours(column: number, row: number, side: number): Generator<number> {
  for (let y = Math.max(0, row - 1); y <= Math.min(side - 1, row + 1); y += 1) {
    for (let x = Math.max(0, column - 1); x <= Math.min(side - 1, column + 1); x += 1) {
      if (x !== column || y !== row) yield y * side + x;
    }
  }
}
