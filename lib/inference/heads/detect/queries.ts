/**
 * Detectors with object queries: a box of centre and size in 0…1 of the input and class scores for
 * each query, nothing to suppress. Of a query its best class counts.
 *
 * - DETR (Carion et al. 2020): softmax over the classes and one more, the last, for "no object";
 * - Deformable DETR, RT-DETR, RF-DETR (Zhu et al. 2021; Zhao et al. 2024): a sigmoid for each class;
 * - RT-DETR as Ultralytics exports it: 1×Q×(4+C), the sigmoid applied.
 */
import type { InputRecipe } from '../../graph/input.ts';
import type { OutputTensor } from '../head.ts';
import { anchorValues, classFields, scanClasses } from './anchors.ts';
import { around, type BoxReader, type Family } from './family.ts';
import type { Size } from './format.ts';
import type { Hits } from './hits.ts';
import { notFinite, unsupported } from './refusals.ts';

const STRETCH: Partial<InputRecipe> = { fit: 'stretch' };
/** Mean and deviation of ImageNet, as torchvision states them, of pixels in 0…1. */
const STANDARDISED: Partial<InputRecipe> = {
  fit: 'stretch',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** Reads the boxes of queries, `step` numbers apart. */
function boxesOf(data: Float32Array, step: number, { width, height }: Size): BoxReader {
  return (query, corners) => {
    const at = query * step;
    around(
      corners,
      (data[at] as number) * width,
      (data[at + 1] as number) * height,
      (data[at + 2] as number) * width,
      (data[at + 3] as number) * height,
    );
  };
}

/** Best class of a row of logits: its probability and index. Reused, as it is asked once a query. */
const best = { score: 0, index: 0 };

function bestOf(data: Float32Array, at: number, classes: number, isSoftmax: boolean): void {
  let highest = -Infinity;
  best.index = 0;
  for (let index = 0; index < classes; index += 1) {
    const logit = data[at + index] as number;
    if (logit <= highest) continue;
    if (!(logit < Infinity)) throw notFinite();
    highest = logit;
    best.index = index;
  }
  if (!isSoftmax) {
    best.score = 1 / (1 + Math.exp(-highest));
    return;
  }
  const none = data[at + classes] as number;
  const top = Math.max(highest, none);
  let sum = 0;
  for (let index = 0; index < classes; index += 1) sum += Math.exp((data[at + index] as number) - top);
  sum += Math.exp(none - top);
  best.score = Math.exp(highest - top) / sum;
}

function scanLogits(
  data: Float32Array,
  queries: number,
  fields: number,
  isSoftmax: boolean,
  threshold: number,
  hits: Hits,
): void {
  const classes = isSoftmax ? fields - 1 : fields;
  if (classes < 1) throw unsupported(`${fields} logits leave no room for a class`);
  hits.clear(queries);
  for (let query = 0; query < queries; query += 1) {
    bestOf(data, query * fields, classes, isSoftmax);
    if (best.score < threshold) continue;
    if (!Number.isFinite(best.score)) throw notFinite();
    hits.add(query, best.score, best.index);
  }
}

/**
 * @param isStandardised true where the models were trained on standardised pixels
 * @param isSoftmax true where the last class is "no object"
 */
export function logitsWithBoxes(
  logits: string,
  boxes: string,
  isStandardised: boolean,
  isSoftmax: boolean,
): Family {
  return {
    input: isStandardised ? STANDARDISED : STRETCH,
    outputs: [logits, boxes],
    hasOverlaps: false,
    bind: (size) => (outputs, threshold, hits) => {
      const [scores, places] = [outputs[logits], outputs[boxes]] as [OutputTensor, OutputTensor];
      const [batch, queries, fields] = scores.dims;
      const isFitting =
        scores.dims.length === 3 && batch === 1 && places.dims.join() === `1,${queries ?? ''},4`;
      if (!isFitting || queries === undefined || fields === undefined) {
        throw unsupported(
          `'${logits}' is ${scores.dims.join('×')} and '${boxes}' ${places.dims.join('×')}, not 1×Q×C and 1×Q×4`,
        );
      }
      scanLogits(scores.data, queries, fields, isSoftmax, threshold, hits);
      return boxesOf(places.data, 4, size);
    },
  };
}

export function queriesInOne(output: string): Family {
  return {
    input: STRETCH,
    outputs: [output],
    hasOverlaps: false,
    bind: (size) => (outputs, threshold, hits) => {
      const values = anchorValues(outputs[output] as OutputTensor, () => true);
      scanClasses(values, 4, classFields(values, 4, 0), threshold, hits);
      return boxesOf(values.data, values.anchorStep, size);
    },
  };
}
