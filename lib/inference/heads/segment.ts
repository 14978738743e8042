/**
 * Head for segmentation: which pixels of the frame belong to what, as polygons and as a mask picture.
 *
 * - Semantic: 1×C×H×W or 1×H×W×C (logits or probabilities), 1×1×H×W or 1×H×W (probability or logit), 1×H×W of
 *   whole numbers (classes). Every connected area of a class is a segment; the mask shows class numbers.
 * - Instances (YOLOv8-seg and its like, `instances.ts`): every object is a segment; the mask shows its number.
 *
 * Class 0 is the background and left out, unless the labels name every class and the first of them is not a
 * word for background (`labels.ts`). A mask of one channel has class 0, which is left out, and class 1.
 */
import { argmaxMap, numberMap, thresholdMap } from './class-map.ts';
import type { GraphOutputs, Head, HeadPlan, OutputTensor, SegmentOptions } from './head.ts';
import { instanceOutputs, planInstances } from './instances.ts';
import { maskNames } from './labels.ts';
import { gridOf, viewOf } from './mask-grid.ts';
import { chooseOutput, isFloat, unsupportedOutput } from './outputs.ts';
import { ScoreKind } from './score-kind.ts';
import { pictureOf, segmentsOf } from './segments.ts';

const DEFAULT_THRESHOLD = 0.5;

/** True for dimensions that can be a picture: two that are open or more than 1. */
export function isPicture(shape: readonly (number | string)[]): boolean {
  const sides = shape.filter((length) => length !== 1).length;
  return (shape.length === 4 && sides >= 2) || (shape.length === 3 && sides >= 2);
}

/** @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`; from `read` also `SCORE_NOT_FINITE` */
export function planSegment(options: SegmentOptions, graph: GraphOutputs): HeadPlan {
  const instances = instanceOutputs(graph, options.output);
  if (instances !== undefined) return planInstances(options, instances);
  const output = chooseOutput(graph, options.output, ({ shape }) => isPicture(shape));
  if (output.shape.length > 0 && !isPicture(output.shape)) {
    throw unsupportedOutput(
      `output '${output.name}' is ${output.shape.join('×')}, not a mask`,
      'Segment reads 1×C×H×W, 1×H×W×C and 1×H×W, and the two outputs of YOLOv8-seg.',
    );
  }
  const { labels, threshold = DEFAULT_THRESHOLD, minArea = 0, scores } = options;
  return {
    input: {},
    bind: (input): Head => {
      const kind = new ScoreKind(output.name, scores);
      return {
        outputs: [output.name],
        read: (outputs, placement) => {
          const tensor = outputs[output.name] as OutputTensor;
          const view = viewOf(tensor, input);
          if (view === undefined) {
            throw unsupportedOutput(`output '${output.name}' is ${tensor.dims.join('×')}, not a mask`);
          }
          const grid = gridOf(view, input, placement);
          const isClasses = view.channels === 1 && !isFloat(output);
          const classes = isClasses ? undefined : Math.max(2, view.channels);
          const names = maskNames(labels, classes);
          const map = isClasses
            ? numberMap(view, grid, names.hasBackground)
            : view.channels === 1
              ? thresholdMap(view, grid, threshold, kind)
              : argmaxMap(view, grid, names.hasBackground, kind);
          return {
            prediction: { task: 'segment', ...segmentsOf(map, grid, names, minArea) },
            tensors: {},
            pictures: { mask: pictureOf(map, grid) },
          };
        },
      };
    },
  };
}
