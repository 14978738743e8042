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
 * "Cells" are those of the grids of strides 8, 16 and 32, where it is not said otherwise also with 4
 * before or 64 after.
 *
 * The last row is ambiguous: 1×cells×85 is YOLOX with 80 classes, or YOLOv6 (which gives centre and
 * size in pixels), or YOLOv8 with 81 classes the other way round. With labels their number decides:
 * fields = labels + 5 is `yolox`, labels + 4 is `yolov8`, labels + 32 is `nanodet`. Without,
 * an input named `data` with 33 fields or more is `nanodet`, as its exporter names it, and
 * everything else is `yolox`: it is the only one of them that is exported so by default and does
 * not name itself. YOLOv6, and YOLOX exported with `--decode_in_inference`, have to be named:
 * they are read as `yolov5`.
 */
import type { DetectFormat, GraphOutputs } from '../head.ts';
import type { ValueDescription } from '../../protocol.ts';
import { cellCount, STRIDES } from './grid.ts';

export type Dimensions = readonly (number | string)[];

export interface Size {
  width: number;
  height: number;
}

/** Values of NanoDet's distributions for each side of a box in all published models but EfficientNet-Lite2's. */
const NANODET_FIELDS = 32;
/** Object queries of RT-DETR. */
const QUERIES = 300;

function isImage({ shape }: ValueDescription): boolean {
  return shape.length === 4;
}

/** Width and height of the input as far as the graph fixes them. */
export function inputSize(graph: GraphOutputs): Size | undefined {
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
  if (boxes === undefined || classes === undefined) return undefined;
  return { boxes, classes, scores: named(SCORES), count: named(COUNT) };
}

/** True for [ymin, xmin, ymax, xmax] of 0…1, as TensorFlow gives them. */
export function isTensorFlow({ boxes }: SeparateOutputs): boolean {
  return plainName(boxes.name) === 'detection_boxes';
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
  if (labels !== undefined && fields === labels + NANODET_FIELDS) return 'nanodet';
  if (labels !== undefined && fields === labels + 4) return 'yolov8';
  const isNanodet = inputName === 'data' && fields > NANODET_FIELDS && fields !== (labels ?? NaN) + 5;
  return isNanodet ? 'nanodet' : 'yolox';
}

function isCellCount(anchors: number, { width, height }: Size): boolean {
  return Object.values(STRIDES).some((strides) => anchors === cellCount(width, height, strides));
}

/** The family of one output by its dimensions; undefined where they fit none or are open. */
export function formatOfOutput(
  dims: Dimensions,
  size: Size | undefined,
  labels: number | undefined,
  inputName: string,
): DetectFormat | undefined {
  const [first, second, third] = dims;
  if (dims.length === 2) return second === 7 ? 'end-to-end' : undefined;
  if (dims.length !== 3 || (typeof first === 'number' && first > 1)) return undefined;
  if (size !== undefined && typeof third === 'number' && typeof second === 'number') {
    if (second >= 5 && isCellCount(third, size)) return 'yolov8';
    const byCells = third >= 6 ? formatOfCells(second, third, size, labels, inputName) : undefined;
    if (byCells !== undefined) return byCells;
  }
  if (third === 6) return 'end-to-end';
  if (second === QUERIES && typeof third === 'number' && third >= 5) return 'end-to-end';
  return undefined;
}

/**
 * The family of a graph, or undefined where nothing says that it is a detector at all. `labels`
 * is the number of classes, where it is known.
 */
export function detectFormatOf(graph: GraphOutputs, labels?: number): DetectFormat | undefined {
  const image = graph.inputs.find(isImage);
  if (image === undefined) return undefined;
  const parts = separateOutputs(graph);
  if (parts !== undefined) return formatOfSeparate(parts);
  for (const { shape, type } of graph.outputs) {
    if (type !== 'float32') continue;
    const format = formatOfOutput(shape, inputSize(graph), labels, plainName(image.name));
    if (format !== undefined) return format;
  }
  return undefined;
}
