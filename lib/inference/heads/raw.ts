/**
 * Head for whatever the other heads do not know: the outputs as they are, as long as they are small. Values
 * that are not finite are null in the JSON of the prediction; the tensors keep them.
 */
import { InferenceError } from '../errors.ts';
import type { GraphOutputs, HeadPlan, HeadResult, OutputTensor, RawOptions } from './head.ts';
import { chooseOutput, isNumeric, unsupportedOutput } from './outputs.ts';

/** All outputs together: 8 192 numbers. More is a picture, and pictures do not travel as numbers. */
export const RAW_LIMIT_BYTES = 32_768;
/** With the numbers less than 256 kB of JSON. */
const MAX_OUTPUTS = 64;
const MAX_NAME_LENGTH = 128;

/** @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`; from `read` `OUTPUT_TOO_LARGE` */
export function planRaw(options: RawOptions, graph: GraphOutputs): HeadPlan {
  const wanted = options.outputs ?? graph.outputs.filter(isNumeric).map(({ name }) => name);
  const names = wanted.map((name) => chooseOutput(graph, name, () => true).name);
  if (names.length === 0) throw unsupportedOutput('the graph gives no numbers');
  if (names.length > MAX_OUTPUTS || names.some((name) => name.length > MAX_NAME_LENGTH)) {
    throw unsupportedOutput(
      `raw hands on ${MAX_OUTPUTS} outputs at most, with names of ${MAX_NAME_LENGTH} characters`,
      'Name the few outputs that are needed.',
    );
  }
  return {
    input: {},
    bind: () => ({
      outputs: names,
      read: (outputs) => {
        const tensors: HeadResult['tensors'] = {};
        let bytes = 0;
        for (const name of names) {
          const { dims, data } = outputs[name] as OutputTensor;
          bytes += data.byteLength;
          tensors[name] = { dims: [...dims], data };
        }
        if (bytes > RAW_LIMIT_BYTES) {
          throw new InferenceError(
            'OUTPUT_TOO_LARGE',
            `the outputs are ${bytes} bytes, over ${RAW_LIMIT_BYTES}`,
            {
              hint: 'Name the small outputs that are needed, or reduce the result inside the graph.',
            },
          );
        }
        const values = Object.entries(tensors).map(([name, { dims, data }]) => [
          name,
          { dims, values: [...data] },
        ]);
        return {
          prediction: { task: 'raw', outputs: Object.fromEntries(values) as Record<string, unknown> },
          tensors,
        };
      },
    }),
  };
}
