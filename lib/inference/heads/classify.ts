/** Head for classifiers: the most probable classes of the whole picture, by name. */
import { InferenceError } from '../errors.ts';
import type { ClassifyOptions, GraphOutputs, HeadPlan, OutputTensor } from './head.ts';
import { labelOf } from './labels.ts';

const DEFAULT_TOP = 5;

export interface ClassPrediction {
  index: number;
  label: string;
  /** 0..1 */
  score: number;
}

/** True when the values could be probabilities that sum to 1. */
function isDistribution(values: Float32Array): boolean {
  let sum = 0;
  for (const value of values) {
    if (!(value >= 0 && value <= 1)) return false;
    sum += value;
  }
  return Math.abs(sum - 1) < 1e-3;
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

export function planClassify(options: ClassifyOptions, graph: GraphOutputs): HeadPlan {
  const names = graph.outputs.map(({ name }) => name);
  const output = options.output ?? names[0];
  if (output === undefined || !names.includes(output)) {
    throw new InferenceError('MODEL_OUTPUT_UNSUPPORTED', `the graph has no output '${output ?? ''}'`, {
      hint: `It has: ${names.join(', ')}.`,
    });
  }
  const { labels, topK = DEFAULT_TOP, scores: mode = 'auto' } = options;
  return {
    input: {},
    bind: () => ({
      outputs: [output],
      read: (outputs) => {
        const { dims, data } = outputs[output] as OutputTensor;
        if (dims.filter((dimension) => dimension !== 1).length > 1) {
          throw new InferenceError(
            'MODEL_OUTPUT_UNSUPPORTED',
            `'${output}' is ${dims.join('×')}, not one row of classes`,
          );
        }
        if (!data.every(Number.isFinite)) {
          throw new InferenceError('SCORE_NOT_FINITE', 'a class score is not a finite number', {
            hint: 'The model or its input is broken; nothing may be accepted on this prediction.',
          });
        }
        const isReady = mode === 'as-is' || (mode === 'auto' && isDistribution(data));
        const scores = isReady ? data : softmax(data);
        const classes = topIndices(scores, topK).map((index): ClassPrediction => ({
          index,
          label: labelOf(labels, index),
          score: scores[index] as number,
        }));
        return { prediction: { task: 'classify', classes }, tensors: {} };
      },
    }),
  };
}
