/**
 * Detectors whose graph gives boxes, scores and classes as outputs of their own, suppressed already:
 *
 * - TensorFlow Object Detection (SSD, EfficientDet; its exporter, then tf2onnx): `detection_boxes`
 *   1×N×4 of [ymin, xmin, ymax, xmax] in 0…1, `detection_scores`, `detection_classes`,
 *   `num_detections`;
 * - torchvision (SSD, RetinaNet, Faster R-CNN) and the EfficientNMS layer: boxes N×4 of
 *   [xmin, ymin, xmax, ymax] in pixels of the input, scores and labels.
 *
 * The class is the number that the graph gives. TensorFlow and torchvision count from 1, with 0 for
 * the background: the list of labels then begins with a name for it.
 */
import type { OutputTensor } from '../head.ts';
import type { Family } from './family.ts';
import { isTensorFlow, type SeparateOutputs } from './format.ts';
import { notFinite, unsupported } from './refusals.ts';

/** Rows of a tensor whose other dimensions are 1, but for `columns` at the end. */
export function rowsOf({ dims, data }: OutputTensor, columns: number, name: string): number {
  const rows = data.length / columns;
  const isBatch = dims.length > (columns === 1 ? 1 : 2);
  if (!Number.isInteger(rows) || (columns > 1 && dims.at(-1) !== columns) || (isBatch && dims[0] !== 1)) {
    throw unsupported(`'${name}' is ${dims.join('×')}, not ${columns === 1 ? 'N' : `N×${columns}`}`);
  }
  return rows;
}

const MAX_CLASS = 2 ** 31 - 1;

/** A class as a graph gives it among other numbers. */
export function classIndex(value: number | undefined): number {
  if (value === undefined || !(value >= 0 && value <= MAX_CLASS)) throw notFinite();
  return Math.round(value);
}

export function ssd({
  boxes,
  scores,
  classes,
  count,
}: SeparateOutputs & { scores: { name: string } }): Family {
  const isNormalised = isTensorFlow(boxes);
  return {
    input: { fit: isNormalised ? 'stretch' : 'letterbox' },
    outputs: [boxes, scores, classes, ...(count === undefined ? [] : [count])].map(({ name }) => name),
    hasOverlaps: false,
    bind: ({ width, height }) => {
      // where in a row of the box x is, and how far 1 is
      const [x, y] = isNormalised ? [1, 0] : [0, 1];
      const [scaleX, scaleY] = isNormalised ? [width, height] : [1, 1];
      return (outputs, threshold, hits) => {
        const [box, score, label] = [boxes, scores, classes].map(({ name }) => outputs[name]) as [
          OutputTensor,
          OutputTensor,
          OutputTensor,
        ];
        const rows = rowsOf(box, 4, boxes.name);
        if (rows !== rowsOf(score, 1, scores.name) || rows !== rowsOf(label, 1, classes.name)) {
          throw unsupported(
            `'${boxes.name}', '${scores.name}' and '${classes.name}' have ${rows}, ${score.data.length} and ${label.data.length} rows`,
          );
        }
        const given = count === undefined ? rows : (outputs[count.name]?.data[0] ?? rows);
        if (!Number.isFinite(given)) throw notFinite();
        hits.clear(rows);
        for (let row = 0; row < Math.min(rows, given); row += 1) {
          const value = score.data[row] as number;
          if (value < threshold) continue;
          if (!Number.isFinite(value)) throw notFinite();
          hits.add(row, value, classIndex(label.data[row]));
        }
        return (row, corners) => {
          corners[0] = (box.data[row * 4 + x] as number) * scaleX;
          corners[1] = (box.data[row * 4 + y] as number) * scaleY;
          corners[2] = (box.data[row * 4 + 2 + x] as number) * scaleX;
          corners[3] = (box.data[row * 4 + 2 + y] as number) * scaleY;
        };
      };
    },
  };
}
