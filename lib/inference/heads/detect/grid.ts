/** The cells a detector without anchor boxes predicts in, one level for each stride. */

/** Levels of the feature pyramid; `p6` is NanoDet-Plus and every larger YOLO. */
export const STRIDES = { p5: [8, 16, 32], p6: [8, 16, 32, 64], p2: [4, 8, 16, 32] } as const;

type Strides = readonly number[];

/** Cells of all levels together. A level that does not fit the side exactly has a cell more. */
export function cellCount(width: number, height: number, strides: Strides): number {
  return strides.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0);
}

/** Column, row and stride of every cell in the order of the output: level by level, row by row. */
export function gridCells(width: number, height: number, strides: Strides): Float32Array {
  const cells = new Float32Array(cellCount(width, height, strides) * 3);
  let at = 0;
  for (const stride of strides) {
    for (let row = 0; row < Math.ceil(height / stride); row += 1) {
      for (let column = 0; column < Math.ceil(width / stride); column += 1) {
        cells.set([column, row, stride], at);
        at += 3;
      }
    }
  }
  return cells;
}
