/**
 * Head for detectors: raw outputs → boxes in pixels of the frame. How the families differ is in
 * `detect/`, one file each; `detect/format.ts` tells them apart.
 *
 * First the threshold, in one pass over the class scores; boxes are decoded only of what reaches it,
 * best first; then suppression within each class where the graph has not done it. No object is made
 * for an anchor. 8 400 anchors of 80 classes with 300 over the threshold take 0.5 ms
 * (`npm run bench:heads`), where an array for each anchor takes 16 ms.
 */
import type { Box } from '../../inspection/inspection.ts';
import { boxesWithLabels, rowsEndToEnd } from './detect/end-to-end.ts';
import { LETTERBOX, type Family } from './detect/family.ts';
import {
  areCalledLabels,
  areLogits,
  detectFormatOf,
  formatOfOutput,
  separateOutputs,
  singleOutput,
  type Dimensions,
  type SeparateOutputs,
} from './detect/format.ts';
import { Hits } from './detect/hits.ts';
import { nanodet } from './detect/nanodet.ts';
import { logitsWithBoxes, queriesInOne } from './detect/queries.ts';
import { unsupported } from './detect/refusals.ts';
import { ssd } from './detect/ssd.ts';
import { Candidates, MAX_CANDIDATES } from './detect/suppression.ts';
import { yolov5 } from './detect/yolov5.ts';
import { yolov8 } from './detect/yolov8.ts';
import { yolox } from './detect/yolox.ts';
import type {
  DetectFormat,
  DetectOptions,
  GraphOutputs,
  Head,
  HeadPlan,
  OutputTensor,
  Placement,
} from './head.ts';
import { labelOf } from './labels.ts';

export { detectFormatOf };

const DEFAULT_CONFIDENCE = 0.3;
const DEFAULT_IOU = 0.45;
const DEFAULT_MAX_OBJECTS = 100;

export interface ObjectPrediction {
  index: number;
  label: string;
  /** 0..1 */
  score: number;
  box: Box;
}

/** Box in pixels of the frame, cut at its edges; null when nothing of it lies inside. */
function frameBox(corners: Float64Array, at: number, placement: Placement): Box | null {
  const { scaleX, scaleY, frameWidth, frameHeight } = placement;
  const clamp = (value: number, highest: number): number => Math.min(Math.max(value, 0), highest);
  const left = clamp((corners[at] as number) * scaleX, frameWidth);
  const top = clamp((corners[at + 1] as number) * scaleY, frameHeight);
  const width = clamp((corners[at + 2] as number) * scaleX, frameWidth) - left;
  const height = clamp((corners[at + 3] as number) * scaleY, frameHeight) - top;
  return width > 0 && height > 0 ? [left, top, width, height] : null;
}

/** The first output that can be one, for a format that was asked for. */
function outputOf(graph: GraphOutputs): string {
  const value = graph.outputs.find(
    ({ type, shape }) =>
      type === 'float32' && (shape.length === 3 || shape.length === 2 || shape.length === 0),
  );
  if (value !== undefined) return value.name;
  const found = graph.outputs.map(({ name, type, shape }) => `'${name}' ${type} ${shape.join('×')}`);
  throw unsupported(`no output is float32 of 1×N×M: ${found.join(', ')}`);
}

/** Fields behind the classes of a graph that also segments: as many as its prototypes of masks. */
function coefficientsOf({ outputs }: GraphOutputs): number {
  const prototypes = outputs.find(({ shape }) => shape.length === 4)?.shape[1];
  return typeof prototypes === 'number' ? prototypes : 0;
}

/** True where the last logit is "no object": DETR has 100 queries and, for COCO, 92 logits. */
function isSoftmax(parts: SeparateOutputs, labels: number | undefined): boolean {
  const [, queries, fields] = parts.classes.shape;
  if (areCalledLabels(parts)) return false;
  if (labels !== undefined && (fields === labels || fields === labels + 1)) return fields === labels + 1;
  return queries === 100 || fields === 92;
}

function familyOfParts(parts: SeparateOutputs, labels: number | undefined): Family | undefined {
  const { boxes, scores, classes } = parts;
  if (scores !== undefined) return ssd({ ...parts, scores });
  if (boxes.shape.at(-1) === 5) return boxesWithLabels(boxes.name, classes.name);
  if (!areLogits(parts)) return undefined;
  const hasNone = isSoftmax(parts, labels);
  return logitsWithBoxes(classes.name, boxes.name, hasNone || areCalledLabels(parts), hasNone);
}

function familyOfOutput(
  format: DetectFormat,
  output: string,
  dims: Dimensions,
  coefficients: number,
  labels: number | undefined,
): Family {
  switch (format) {
    case 'yolox':
      return yolox(output);
    case 'yolov8':
      return yolov8(output, coefficients);
    case 'yolov5':
      return yolov5(output, coefficients);
    case 'nanodet':
      return nanodet(output, labels);
    case 'end-to-end':
      return dims.length === 3 && typeof dims[2] === 'number' && dims[2] !== 6
        ? queriesInOne(output)
        : rowsEndToEnd(output);
    case 'ssd':
      throw unsupported('the graph does not give boxes, scores and classes as outputs of their own');
  }
}

/** Decides at the first run, by the dimensions that the graph leaves open. */
function familyByRun(output: string, coefficients: number, labels: number | undefined): Family {
  return {
    input: LETTERBOX,
    outputs: [output],
    hasOverlaps: true,
    bind: (size) => {
      let find: ReturnType<Family['bind']> | undefined;
      return (outputs, threshold, hits) => {
        const { dims } = outputs[output] as OutputTensor;
        const format = formatOfOutput(dims, size, labels, '') ?? 'yolov8';
        find ??= familyOfOutput(format, output, dims, coefficients, labels).bind(size);
        return find(outputs, threshold, hits);
      };
    },
  };
}

function familyOf(options: DetectOptions, whole: GraphOutputs): Family {
  const outputs = whole.outputs.filter(({ name }) => options.output === undefined || name === options.output);
  if (outputs.length === 0) throw unsupported(`the graph has no output '${options.output ?? ''}'`);
  const graph = { inputs: whole.inputs, outputs };
  // an empty list says nothing about the number of classes
  const labels = options.labels?.length === 0 ? undefined : options.labels?.length;
  const isAuto = options.format === undefined || options.format === 'auto';
  const asked = isAuto ? undefined : (options.format as DetectFormat);
  if (asked === undefined || asked === 'ssd' || asked === 'end-to-end') {
    const parts = separateOutputs(graph);
    const isSsd = parts?.scores !== undefined;
    const family = parts === undefined ? undefined : familyOfParts(parts, labels);
    if (family !== undefined && (asked === undefined || isSsd === (asked === 'ssd'))) return family;
  }
  const told = singleOutput(graph, labels);
  const format = asked ?? told?.format;
  const name = told?.output.name ?? outputOf(graph);
  const coefficients = coefficientsOf(whole);
  if (format === undefined) return familyByRun(name, coefficients, labels);
  const dims = graph.outputs.find((output) => output.name === name)?.shape ?? [];
  return familyOfOutput(format, name, dims, coefficients, labels);
}

/**
 * Objects with their class, score and box, best first.
 *
 * @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`; from `read` also `SCORE_NOT_FINITE` for a score,
 *   a class or a box of something that counts
 */
export function planDetect(options: DetectOptions, graph: GraphOutputs): HeadPlan {
  const family = familyOf(options, graph);
  const {
    confidence = DEFAULT_CONFIDENCE,
    iou = DEFAULT_IOU,
    maxObjects = DEFAULT_MAX_OBJECTS,
    labels,
  } = options;
  const threshold = Math.max(confidence, 0);
  return {
    input: family.input,
    bind: ({ width, height }): Head => {
      const find = family.bind({ width, height });
      const [hits, candidates, corners] = [new Hits(), new Candidates(), new Float64Array(4)];
      return {
        outputs: family.outputs,
        read: (outputs, placement) => {
          const box = find(outputs, threshold, hits);
          candidates.clear();
          hits.ranked(MAX_CANDIDATES, (anchor) => {
            box(anchor, corners);
            candidates.add(anchor, hits.classes[anchor] as number, corners);
          });
          const objects: ObjectPrediction[] = [];
          const visit = (candidate: number): void => {
            const place = frameBox(candidates.corners, candidate * 4, placement);
            if (place === null) return;
            const index = candidates.classes[candidate] as number;
            const score = hits.scores[candidates.anchors[candidate] as number] as number;
            objects.push({ index, label: labelOf(labels, index), score, box: place });
          };
          if (family.hasOverlaps) candidates.keep(iou, maxObjects, visit);
          else candidates.first(maxObjects, visit);
          return { prediction: { task: 'detect', objects }, tensors: {} };
        },
      };
    },
  };
}
