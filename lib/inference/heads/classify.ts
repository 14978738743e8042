/** Head for classifiers: the most probable classes of the whole picture, by name. */
import { InferenceError } from '../errors.ts';
import type { ValueDescription } from '../host/protocol.ts';
import { sigmoid } from './class-map.ts';
import type { ClassifyOptions, GraphOutputs, Head, HeadPlan, OutputTensor, Scores } from './head.ts';
import { labelOf, plainText } from './labels.ts';
import { chooseOutput, isFloat, unsupportedOutput } from './outputs.ts';
import { ScoreKind, SLACK } from './score-kind.ts';

const DEFAULT_TOP = 5;
/** Classes in a prediction, however many are asked for. */
const MOST_CLASSES = 100;

export interface ClassPrediction {
  index: number;
  label: string;
  /** 0..1 */
  score: number;
}

/** Half a step of bytes, which quantised graphs round each probability to. */
const ROUNDING = 1 / 512;

/** True when the values could be probabilities that sum to 1, each rounded to 1/256 perhaps. */
function isDistribution(values: Float32Array): boolean {
  let sum = 0;
  for (const value of values) {
    if (!(value >= -SLACK && value <= 1 + SLACK)) return false;
    sum += value;
  }
  return Math.abs(sum - 1) < SLACK + ROUNDING * values.length;
}

/** Softmax, shifted by the highest value so that nothing overflows. */
export function softmax(values: Float32Array): Float32Array {
  let highest = -Infinity;
  for (const value of values) if (value > highest) highest = value;
  let sum = 0;
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    const exponential = Math.exp((values[i] as number) - highest);
    result[i] = exponential;
    sum += exponential;
  }
  for (let i = 0; i < result.length; i += 1) result[i] = (result[i] as number) / sum;
  return result;
}

/** Indices of the `count` highest scores, highest first; of equal ones the lower index first. */
export function topIndices(scores: Float32Array, count: number): number[] {
  return Array.from(scores.keys())
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
    .slice(0, count);
}

/**
 * The scores of a row of classes as probabilities; `kind` knows whether they are that already.
 *
 * One value is a yes or no: the probability of class 1, which class 0 has the rest of. Whether it is a
 * probability already cannot be seen from it, as a logit may lie in 0…1 too; so with `auto` the name of the
 * output decides (`logit` in it: a logit, else a probability), and a value outside 0…1 is refused rather
 * than read one way today and the other way tomorrow.
 */
function probabilities(data: Float32Array, mode: Scores, name: string, kind: ScoreKind): Float32Array {
  const [first] = data;
  if (data.length === 1 && first !== undefined) {
    const isLogit = mode === 'softmax' || mode === 'sigmoid' || (mode === 'auto' && /logit/i.test(name));
    const score = isLogit ? sigmoid(first) : first;
    if (score < 0 || score > 1) {
      throw unsupportedOutput(
        `'${plainText(name)}' is ${first}, which is no probability`,
        'Set the scores to sigmoid if the model gives a logit, or choose regress.',
      );
    }
    return Float32Array.of(1 - score, score);
  }
  if (mode === 'sigmoid') return data.map(sigmoid);
  const isBlank = data.every((value) => value === 0);
  return kind.settle(isDistribution(data) && !isBlank, isBlank) ? data : softmax(data);
}

/** Of a yes or no one label names the yes. */
function nameOf(labels: readonly string[] | undefined, isYesOrNo: boolean, index: number): string {
  if (isYesOrNo && labels?.length === 1) return index === 1 ? labelOf(labels, 0) : '0';
  return labelOf(labels, index);
}

/** Classes an output declares, 0 where it is no row; undefined where it leaves them open. */
export function declaredClasses({ shape }: ValueDescription): number | undefined {
  const [batch, ...rest] = shape;
  const own = rest.length === 0 ? shape : batch === 1 || typeof batch === 'string' ? rest : shape;
  const long = own.filter((length) => length !== 1);
  if (long.length > 1) return 0;
  const [classes = 1] = long;
  return typeof classes === 'number' ? classes : undefined;
}

/**
 * One output is read: the one that is named, else the first that is a row of floats. For another head of
 * the same model name its output, in another node.
 *
 * @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`; from `read` also `SCORE_NOT_FINITE`
 */
export function planClassify(options: ClassifyOptions, graph: GraphOutputs): HeadPlan {
  const output = chooseOutput(
    graph,
    options.output,
    (value) => isFloat(value) && declaredClasses(value) !== 0,
  ).name;
  const { labels, topK = DEFAULT_TOP, scores: mode = 'auto' } = options;
  const bind = (): Head => {
    const kind = new ScoreKind(output, mode);
    return {
      outputs: [output],
      read: (outputs) => {
        const { dims, data } = outputs[output] as OutputTensor;
        if (dims.filter((dimension) => dimension !== 1).length > 1 || data.length === 0) {
          throw unsupportedOutput(`'${plainText(output)}' is ${dims.join('×')}, not one row of classes`);
        }
        if (!data.every(Number.isFinite)) {
          throw new InferenceError('SCORE_NOT_FINITE', 'a class score is not a finite number', {
            hint: 'The model or its input is broken; nothing may be accepted on this prediction.',
          });
        }
        const scores = probabilities(data, mode, output, kind);
        const classes = topIndices(scores, Math.min(topK, MOST_CLASSES)).map((index): ClassPrediction => ({
          index,
          label: nameOf(labels, data.length === 1, index),
          score: scores[index] as number,
        }));
        return { prediction: { task: 'classify', classes }, tensors: {} };
      },
    };
  };
  return { input: {}, bind };
}
