/**
 * NanoDet and NanoDet-Plus: 1×N×(C+4·(m+1)); class scores after the sigmoid, then for left, top,
 * right and bottom a distribution over the distances 0…m in strides, whose expectation counts (Li et
 * al. 2020, "Generalized Focal Loss"; the project's `_forward_onnx` and `get_bboxes`). Boxes are
 * clipped to the input, as the project does before its suppression.
 *
 * NanoDet-Plus has strides 8…64 and measures from the corner column · stride; NanoDet has strides
 * 8…32 and measures from the middle of the cell. m is 7 unless the number of labels says otherwise.
 * Trained on BGR, standardised, stretched to the input.
 */
import type { InputRecipe } from '../../graph/input.ts';
import type { OutputTensor } from '../head.ts';
import { anchorValues, classFields, scanClasses } from './anchors.ts';
import type { Family } from './family.ts';
import { isNanodet, type Size } from './format.ts';
import { cellCount, gridCells, STRIDES } from './grid.ts';
import { unsupported } from './refusals.ts';

const INPUT: Partial<InputRecipe> = {
  colour: 'bgr',
  scale: 1,
  mean: [103.53, 116.28, 123.675],
  std: [57.375, 57.12, 58.395],
  fit: 'stretch',
};

/** Distances of a distribution, m + 1, of nearly all models. */
const BINS = 8;

function binsOf(fields: number, labels: number | undefined): number {
  return labels !== undefined && isNanodet(fields, labels) ? (fields - labels) / 4 : BINS;
}

/** Column, row and stride of every cell, and where in it distances are measured from. */
function gridOf(anchors: number, { width, height }: Size): { cells: Float32Array; offset: number } {
  if (anchors === cellCount(width, height, STRIDES.p6)) {
    return { cells: gridCells(width, height, STRIDES.p6), offset: 0 };
  }
  if (anchors === cellCount(width, height, STRIDES.p5)) {
    return { cells: gridCells(width, height, STRIDES.p5), offset: 0.5 };
  }
  throw unsupported(`${anchors} anchors are not the cells of ${width} × ${height}`);
}

/** Expectation of the distribution whose logits begin at `at`. */
function expectation(data: Float32Array, at: number, bins: number): number {
  let highest = -Infinity;
  for (let bin = 0; bin < bins; bin += 1) {
    const logit = data[at + bin] as number;
    if (logit > highest) highest = logit;
  }
  let [sum, weighted] = [0, 0];
  for (let bin = 0; bin < bins; bin += 1) {
    const exponential = Math.exp((data[at + bin] as number) - highest);
    sum += exponential;
    weighted += exponential * bin;
  }
  return weighted / sum;
}

export function nanodet(output: string, labels: number | undefined): Family {
  return {
    input: INPUT,
    outputs: [output],
    hasOverlaps: true,
    bind: (size) => {
      let grid: { cells: Float32Array; offset: number } | undefined;
      const limits = [size.width, size.height, size.width, size.height];
      return (outputs, threshold, hits) => {
        const values = anchorValues(outputs[output] as OutputTensor, () => true);
        if (grid?.cells.length !== values.anchors * 3) grid = gridOf(values.anchors, size);
        const { cells, offset } = grid;
        const bins = binsOf(values.fields, labels);
        const classes = classFields(values, 0, 4 * bins);
        scanClasses(values, 0, classes, threshold, hits);
        const { data, anchorStep } = values;
        return (anchor, corners) => {
          const stride = cells[anchor * 3 + 2] as number;
          const at = anchor * anchorStep + classes;
          for (let side = 0; side < 4; side += 1) {
            const from = ((cells[anchor * 3 + (side % 2)] as number) + offset) * stride;
            const distance = expectation(data, at + side * bins, bins) * stride;
            const place = side < 2 ? from - distance : from + distance;
            corners[side] = Math.min(Math.max(place, 0), limits[side] as number);
          }
        };
      };
    },
  };
}
