/**
 * YOLOv8 and its like (v9, 11, 12): 1×(4+C)×N or transposed; centre and size in pixels of the input,
 * score = class, both decoded in the graph (Ultralytics, `Detect` head and its exporter). A graph
 * that also gives masks has their coefficients behind the classes.
 */
import type { OutputTensor } from '../head.ts';
import { anchorValues, classFields, scanClasses } from './anchors.ts';
import { around, LETTERBOX, type Family } from './family.ts';
import { isCellCount } from './format.ts';

/** @param coefficients fields behind the classes that are none */
export function yolov8(output: string, coefficients: number): Family {
  return {
    input: LETTERBOX,
    outputs: [output],
    hasOverlaps: true,
    bind: (size) => {
      // where neither is a number of cells: there are more anchors than fields
      const isByAnchor = (second: number, third: number): boolean =>
        !isCellCount(third, size) && (isCellCount(second, size) || second > third);
      return (outputs, threshold, hits) => {
        const values = anchorValues(outputs[output] as OutputTensor, isByAnchor);
        scanClasses(values, 4, classFields(values, 4, coefficients), threshold, hits);
        const { data, anchorStep, fieldStep } = values;
        return (anchor, corners) => {
          const at = anchor * anchorStep;
          around(
            corners,
            data[at] as number,
            data[at + fieldStep] as number,
            data[at + 2 * fieldStep] as number,
            data[at + 3 * fieldStep] as number,
          );
        };
      };
    },
  };
}
