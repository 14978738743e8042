/**
 * YOLOX: 1×N×(5+C) on the cells of strides 8, 16 and 32, to be decoded here (Ge et al. 2021,
 * "YOLOX", and the project's demo/ONNXRuntime): x = (tx + column)·stride, w = exp(tw)·stride,
 * score = objectness · class. The exporter has applied the sigmoid to the scores. Trained on BGR
 * of 0…255.
 */
import type { OutputTensor } from '../head.ts';
import { anchorValues, classFields, scanWithObjectness } from './anchors.ts';
import { around, LETTERBOX, type Family } from './family.ts';
import { gridCells, STRIDES } from './grid.ts';
import { unsupported } from './refusals.ts';

export function yolox(output: string): Family {
  return {
    input: { ...LETTERBOX, colour: 'bgr', scale: 1 },
    outputs: [output],
    hasOverlaps: true,
    bind: ({ width, height }) => {
      const grid = gridCells(width, height, STRIDES.p5);
      return (outputs, threshold, hits) => {
        const values = anchorValues(outputs[output] as OutputTensor, () => true);
        if (grid.length !== values.anchors * 3) {
          throw unsupported(
            `${values.anchors} anchors are not the ${grid.length / 3} cells of ${width} × ${height}`,
          );
        }
        scanWithObjectness(values, classFields(values, 5, 0), threshold, hits);
        const { data, anchorStep } = values;
        return (anchor, corners) => {
          const [at, cell] = [anchor * anchorStep, anchor * 3];
          const stride = grid[cell + 2] as number;
          around(
            corners,
            ((data[at] as number) + (grid[cell] as number)) * stride,
            ((data[at + 1] as number) + (grid[cell + 1] as number)) * stride,
            Math.exp(data[at + 2] as number) * stride,
            Math.exp(data[at + 3] as number) * stride,
          );
        };
      };
    },
  };
}
