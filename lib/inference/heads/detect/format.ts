/**
 * Tells the families of detectors apart by names, number and dimensions of a graph's outputs.
 *
 * | outputs | dimensions | format | as exported by |
 * | --- | --- | --- | --- |
 * | `detection_boxes`, `_scores`, `_classes` | 1×N×4, 1×N, 1×N | `ssd` | TensorFlow Object Detection, tf2onnx |
 * | `…boxes`, `scores`, `labels` or `…classes` | N×4 or 1×N×4, N, N | `ssd` | torchvision; EfficientNMS of YOLOv6/7 |
 * | `dets`, `labels` (numbers of classes) | 1×N×5, 1×N | `end-to-end` | MMDeploy |
 * | `…logits` or `labels` (float), `…boxes` or `dets` | 1×Q×C, 1×Q×4 | `end-to-end` | DETR, RT-DETR (Transformers), RF-DETR |
 * | one | 1×300×(4+C), C ≠ 2 | `end-to-end` | RT-DETR (Ultralytics) |
 * | one | 1×N×6, N no number of cells | `end-to-end` | YOLOv10, YOLO26, YOLOv8 with NMS |
 * | one | N×7 | `end-to-end` | YOLOv7 `--end2end --max-wh` |
 * | one | 1×(4+C)×cells | `yolov8` | Ultralytics (v8, v9, 11, 12) |
 * | one | 1×3·cells×(5+C) | `yolov5` | YOLOv5, YOLOv7 `--grid` |
 * | one | 1×cells of 8, 16, 32, 64×(C+32) | `nanodet` | NanoDet-Plus |
 * | one | 1×cells of 8, 16, 32×fields | see below | YOLOX, NanoDet, YOLOv6, YOLOv8 transposed |
 *
 * An open number of anchors is told by the names of Ultralytics' exporter (`images`, `output0`): of
 * two dimensions the open one is the anchors. Everything else that is open waits for the first run.
 *
 * "Cells" are those of the grids of strides 8, 16 and 32, where it is not said otherwise also with 4
 * before or 64 after.
 *
 * The last row is ambiguous: 1×cells×85 is YOLOX with 80 classes, or YOLOv6 (which gives centre and
 * size in pixels), or YOLOv8 with 81 classes the other way round. With labels their number decides:
 * fields = labels + 5 is `yolox`, labels + 4 is `yolov8`, labels + 32 (or 36, 40, … 68) is `nanodet`. Without,
 * an input named `data` with 33 fields or more is `nanodet`, as its exporter names it, and
 * everything else is `yolox`: it is the only one of them that is exported so by default and does
 * not name itself. YOLOv6, and YOLOX exported with `--decode_in_inference`, have to be named:
 * they are read as `yolov5`.
 */
import type { DetectFormat, GraphOutputs } from '../head.ts';
import type { ValueDescription } from '../../host/protocol.ts';
import { cellCount, STRIDES } from './grid.ts';

export type Dimensions = readonly (number | string)[];

export interface Size {
  width: number;
  height: number;
}

/** Values of NanoDet's four distributions, each over the distances 0…7. */
const NANODET_FIELDS = 32;
/** Longer distributions, up to 0…16, are those of a few larger models. */
const MAX_NANODET_FIELDS = 68;

/** True where classes and four distributions make up the fields. */
export function isNanodet(fields: number, classes: number): boolean {
  const rest = fields - classes;
  return rest >= NANODET_FIELDS && rest <= MAX_NANODET_FIELDS && rest % 4 === 0;
}

/** Object queries of RT-DETR. */
const QUERIES = 300;

function isImage({ shape }: ValueDescription): boolean {
  return shape.length === 4;
}

/** Width and height of the input as far as the graph fixes them. */
function inputSize(graph: GraphOutputs): Size | undefined {
  const shape = graph.inputs.find(isImage)?.shape ?? [];
  const isPlanar = shape[1] === 3 || shape[1] === 1;
  const [height, width] = isPlanar ? [shape[2], shape[3]] : [shape[1], shape[2]];
  return typeof width === 'number' && typeof height === 'number' ? { width, height } : undefined;
}

/** Without what exporters and converters put around a name: `StatefulPartitionedCall/boxes:0` → `boxes`. */
function plainName(name: string): string {
  return name.replace(/:\d+$/, '').replace(/^.*\//, '').toLowerCase();
}

/** A family whose parts are outputs of their own. */
export interface SeparateOutputs {
  boxes: ValueDescription;
  scores: ValueDescription | undefined;
  classes: ValueDescription;
  count: ValueDescription | undefined;
}

const BOXES = /^(pred_|det_|detection_)?b?boxes$|^dets$/;
const SCORES = /^(det_|detection_)?scores$/;
const CLASSES = /^(pred_|det_|detection_)?(labels|classes|logits)$/;
const COUNT = /^num_(dets|detections)$/;

/** The outputs by their names; undefined where boxes or classes have none of their own. */
export function separateOutputs({ outputs }: GraphOutputs): SeparateOutputs | undefined {
  const named = (pattern: RegExp): ValueDescription | undefined =>
    outputs.find(({ name }) => pattern.test(plainName(name)));
  const [boxes, classes] = [named(BOXES), named(CLASSES)];
  if (boxes === undefined || classes === undefined) return unnamedOutputs(outputs);
  return { boxes, classes, scores: named(SCORES), count: named(COUNT) };
}

/** torchvision's exporter numbers the outputs unless it is given names: types and dimensions tell. */
function unnamedOutputs(outputs: readonly ValueDescription[]): SeparateOutputs | undefined {
  const boxes = outputs.find(
    ({ type, shape }) => type === 'float32' && shape.length > 1 && shape.at(-1) === 4,
  );
  const rank = (boxes?.shape.length ?? NaN) - 1;
  const classes = outputs.find(({ type, shape }) => type === 'int64' && shape.length === rank);
  const scores = outputs.find(({ type, shape }) => type === 'float32' && shape.length === rank);
  if (boxes === undefined || classes === undefined || scores === undefined) return undefined;
  return { boxes, classes, scores, count: undefined };
}

/** True for [ymin, xmin, ymax, xmax] of 0…1, as TensorFlow gives them. */
export function isTensorFlow(boxes: ValueDescription): boolean {
  return plainName(boxes.name) === 'detection_boxes';
}

/** True where the class scores are called `labels`, as RF-DETR does. */
export function areCalledLabels({ classes }: SeparateOutputs): boolean {
  return plainName(classes.name) === 'labels';
}

/** True where `classes` has a logit for every class of every query. */
export function areLogits({ scores, classes, boxes }: SeparateOutputs): boolean {
  return scores === undefined && classes.shape.length === 3 && boxes.shape.at(-1) !== 5;
}

function formatOfSeparate(parts: SeparateOutputs): DetectFormat | undefined {
  if (parts.scores !== undefined) return 'ssd';
  return areLogits(parts) || parts.boxes.shape.at(-1) === 5 ? 'end-to-end' : undefined;
}

/** What the number of cells says; undefined where it says nothing. */
function formatOfCells(
  anchors: number,
  fields: number,
  size: Size,
  labels: number | undefined,
  inputName: string,
): DetectFormat | undefined {
  const cells = (strides: readonly number[]): number => cellCount(size.width, size.height, strides);
  if (anchors === 3 * cells(STRIDES.p5) || anchors === 3 * cells(STRIDES.p6)) return 'yolov5';
  if (anchors === cells(STRIDES.p6) && fields > NANODET_FIELDS) return 'nanodet';
  if (anchors !== cells(STRIDES.p5)) return undefined;
  if (labels !== undefined && isNanodet(fields, labels)) return 'nanodet';
  if (labels !== undefined && fields === labels + 4) return 'yolov8';
  const isCalledData = inputName === 'data' && fields > NANODET_FIELDS && fields !== (labels ?? NaN) + 5;
  return isCalledData ? 'nanodet' : 'yolox';
}

/** True for the cells of a detector with one anchor each. */
export function isCellCount(anchors: number, { width, height }: Size): boolean {
  return Object.values(STRIDES).some((strides) => anchors === cellCount(width, height, strides));
}

/** The family of one output by its dimensions; undefined where they fit none or are open. */
export function formatOfOutput(
  dims: Dimensions,
  size: Size | undefined,
  labels: number | undefined,
  inputName: string,
  isUltralytics = false,
): DetectFormat | undefined {
  const [first, second, third] = dims;
  if (dims.length === 2) return second === 7 ? 'end-to-end' : undefined;
  if (dims.length !== 3 || (typeof first === 'number' && first > 1)) return undefined;
  if (size !== undefined && typeof third === 'number' && typeof second === 'number') {
    if (second >= 5 && isCellCount(third, size)) return 'yolov8';
    const byCells = third >= 6 ? formatOfCells(second, third, size, labels, inputName) : undefined;
    if (byCells !== undefined) return byCells;
  }
  if (isUltralytics && typeof second === 'string' && typeof third === 'number' && third > 5) return 'yolov5';
  if (isUltralytics && typeof second === 'number' && typeof third === 'string' && second > 4) return 'yolov8';
  if (third === 6) return 'end-to-end';
  if (second === QUERIES && typeof third === 'number' && third >= 5) return 'end-to-end';
  return undefined;
}

export interface SingleOutput {
  output: ValueDescription;
  format: DetectFormat;
}

/** Ultralytics' exporter leaves the number of anchors open where it is asked to, and calls things so. */
const ULTRALYTICS_OUTPUT = /^output\d*$/;

/** The first output that a family's dimensions fit. */
export function singleOutput(graph: GraphOutputs, labels: number | undefined): SingleOutput | undefined {
  const inputName = plainName(graph.inputs.find(isImage)?.name ?? '');
  for (const output of graph.outputs) {
    if (output.type !== 'float32') continue;
    const isUltralytics = inputName === 'images' && ULTRALYTICS_OUTPUT.test(output.name);
    const format = formatOfOutput(output.shape, inputSize(graph), labels, inputName, isUltralytics);
    if (format !== undefined) return { output, format };
  }
  return undefined;
}

/**
 * The family of a graph, or undefined where nothing says that it is a detector at all. `labels`
 * is the number of classes, where it is known.
 */
export function detectFormatOf(graph: GraphOutputs, labels?: number): DetectFormat | undefined {
  if (!graph.inputs.some(isImage)) return undefined;
  const parts = separateOutputs(graph);
  return parts === undefined ? singleOutput(graph, labels)?.format : formatOfSeparate(parts);
}
