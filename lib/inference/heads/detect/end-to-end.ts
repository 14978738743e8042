/**
 * Detectors that give each object once, one row each, corners in pixels of the input:
 *
 * - 1×N×6: x1, y1, x2, y2, score, class (YOLOv10, YOLO26, YOLOv8 exported with its suppression);
 * - N×7: picture, x1, y1, x2, y2, class, score (YOLOv7 exported with `--end2end --max-wh`);
 * - `dets` 1×N×5 (x1, y1, x2, y2, score) with `labels` 1×N (MMDeploy).
 */
import type { OutputTensor } from '../head.ts';
import { LETTERBOX, type BoxReader, type Family } from './family.ts';
import type { Hits } from './hits.ts';
import { notFinite, unsupported } from './refusals.ts';
import { classIndex, rowsOf } from './ssd.ts';

/** Where in a row things are; `index` is undefined where the classes are an output of their own. */
interface Row {
  fields: number;
  box: number;
  score: number;
  index: number | undefined;
}

const SIX: Row = { fields: 6, box: 0, score: 4, index: 5 };
const SEVEN: Row = { fields: 7, box: 1, score: 6, index: 5 };
const FIVE: Row = { fields: 5, box: 0, score: 4, index: undefined };

function findRows(
  data: Float32Array,
  rows: number,
  row: Row,
  classes: Float32Array,
  threshold: number,
  hits: Hits,
): BoxReader {
  hits.clear(rows);
  for (let i = 0; i < rows; i += 1) {
    const at = i * row.fields;
    const score = data[at + row.score] as number;
    if (score < threshold) continue;
    if (!Number.isFinite(score)) throw notFinite();
    hits.add(i, score, classIndex(row.index === undefined ? classes[i] : data[at + row.index]));
  }
  return (i, corners) => {
    const at = i * row.fields + row.box;
    for (let corner = 0; corner < 4; corner += 1) corners[corner] = data[at + corner] as number;
  };
}

const NONE = new Float32Array(0);

export function rowsEndToEnd(output: string): Family {
  return {
    input: LETTERBOX,
    outputs: [output],
    hasOverlaps: false,
    bind: () => (outputs, threshold, hits) => {
      const tensor = outputs[output] as OutputTensor;
      const row = tensor.dims.length === 2 ? SEVEN : SIX;
      return findRows(tensor.data, rowsOf(tensor, row.fields, output), row, NONE, threshold, hits);
    },
  };
}

export function boxesWithLabels(boxes: string, labels: string): Family {
  return {
    input: LETTERBOX,
    outputs: [boxes, labels],
    hasOverlaps: false,
    bind: () => (outputs, threshold, hits) => {
      const [tensor, classes] = [outputs[boxes], outputs[labels]] as [OutputTensor, OutputTensor];
      const rows = rowsOf(tensor, 5, boxes);
      if (rowsOf(classes, 1, labels) !== rows) {
        throw unsupported(`'${boxes}' has ${rows} rows and '${labels}' ${classes.data.length}`);
      }
      return findRows(tensor.data, rows, FIVE, classes.data, threshold, hits);
    },
  };
}
