/**
 * YOLOv5 and YOLOv7 (`--grid`): 1×N×(5+C), three anchors for each cell; centre and size in pixels of
 * the input and all scores decoded in the graph (the `Detect` layers of both projects, as exported),
 * score = objectness · class. YOLOv6, and YOLOX with `--decode_in_inference`, give the same with one
 * anchor for each cell.
 *
 * YOLOv7 does not train the class score where there is one class, and leaves it at 0.5 (its
 * `non_max_suppression`): such a model scores up to 0.5, and its threshold has to be halved.
 */
import type { OutputTensor } from '../head.ts';
import { anchorValues, classFields, scanWithObjectness } from './anchors.ts';
import { around, LETTERBOX, type Family } from './family.ts';

/** @param coefficients fields behind the classes that are none */
export function yolov5(output: string, coefficients: number): Family {
  return {
    input: LETTERBOX,
    outputs: [output],
    hasOverlaps: true,
    bind: () => (outputs, threshold, hits) => {
      const values = anchorValues(outputs[output] as OutputTensor, () => true);
      scanWithObjectness(values, classFields(values, 5, coefficients), threshold, hits);
      const { data, anchorStep } = values;
      return (anchor, corners) => {
        const at = anchor * anchorStep;
        around(
          corners,
          data[at] as number,
          data[at + 1] as number,
          data[at + 2] as number,
          data[at + 3] as number,
        );
      };
    },
  };
}
