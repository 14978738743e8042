/**
 * Head for measurements: the numbers of a graph by name and unit. One output of 1 to 64 values; where none is
 * named and the graph has several outputs of one value each, all of those in their order.
 */
import { InferenceError } from '../errors.ts';
import type { ValueDescription } from '../host/protocol.ts';
import type { GraphOutputs, HeadPlan, OutputTensor, RegressOptions } from './head.ts';
import { plainText } from './labels.ts';
import { checkOutput, chooseOutput, isFloat, unsupportedOutput } from './outputs.ts';

/** More is a vector to compare with others: `embed`. */
export const MAX_VALUES = 64;

interface ValuePrediction {
  name: string;
  value: number;
  unit?: string;
}

/** Values an output declares; undefined where a dimension but the batch is open. */
export function declaredValues({ shape }: ValueDescription): number | undefined {
  const [batch, ...rest] = shape;
  const own = typeof batch === 'number' ? shape : rest;
  if (own.some((length) => typeof length === 'string')) return undefined;
  return (own as number[]).reduce((product, length) => product * length, 1);
}

function outputsOf(options: RegressOptions, graph: GraphOutputs): ValueDescription[] {
  const singles = graph.outputs.filter((output) => isFloat(output) && declaredValues(output) === 1);
  if (options.output === undefined && singles.length > 1)
    return singles.slice(0, MAX_VALUES).map(checkOutput);
  const few = (output: ValueDescription): boolean => (declaredValues(output) ?? 1) <= MAX_VALUES;
  const output = chooseOutput(graph, options.output, few);
  const values = declaredValues(output);
  if (values !== undefined && values > MAX_VALUES) {
    throw unsupportedOutput(
      `output '${plainText(output.name)}' has ${values} values; regress reads ${MAX_VALUES} at most`,
      'Choose embed for a vector, or raw.',
    );
  }
  return [output];
}

/** @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`; from `read` also `SCORE_NOT_FINITE`, `OUTPUT_TOO_LARGE` */
export function planRegress(options: RegressOptions, graph: GraphOutputs): HeadPlan {
  const chosen = outputsOf(options, graph);
  const { names = [], units = [] } = options;
  /** Of a value without a name: that of its output, numbered where there are more. */
  const nameOf = (index: number, output: string, own: number, count: number): string => {
    const name = names[index];
    if (name !== undefined && name !== '') return plainText(name);
    return count === 1 ? plainText(output) : `${plainText(output)} ${own + 1}`;
  };
  return {
    input: {},
    bind: () => ({
      outputs: chosen.map(({ name }) => name),
      read: (outputs) => {
        const values: ValuePrediction[] = [];
        for (const { name } of chosen) {
          const { data } = outputs[name] as OutputTensor;
          if (values.length + data.length > MAX_VALUES) {
            throw new InferenceError('OUTPUT_TOO_LARGE', `there are more than ${MAX_VALUES} values`, {
              hint: 'Choose embed for a vector, or raw.',
            });
          }
          for (const [own, value] of data.entries()) {
            if (!Number.isFinite(value)) {
              throw new InferenceError('SCORE_NOT_FINITE', `'${plainText(name)}' is ${value}`, {
                hint: 'The model or its input is broken; nothing may be accepted on this value.',
              });
            }
            const unit = units[values.length];
            values.push({
              name: nameOf(values.length, name, own, data.length),
              value,
              ...(unit === undefined || unit === '' ? {} : { unit: plainText(unit) }),
            });
          }
        }
        return { prediction: { task: 'regress', values }, tensors: {} };
      },
    }),
  };
}
