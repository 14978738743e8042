/** Head for whatever the other heads do not know: the outputs as they are, as long as they are small. */
import { InferenceError } from '../errors.ts';
import type { GraphOutputs, HeadPlan, HeadResult, OutputTensor, RawOptions } from './head.ts';

/** All outputs together: 8 192 numbers. More is a picture, and pictures do not travel as numbers. */
export const RAW_LIMIT_BYTES = 32_768;

export function planRaw(options: RawOptions, graph: GraphOutputs): HeadPlan {
  const known = graph.outputs.map(({ name }) => name);
  const names = options.outputs ?? known;
  const missing = names.find((name) => !known.includes(name));
  if (missing !== undefined || names.length === 0) {
    throw new InferenceError('MODEL_OUTPUT_UNSUPPORTED', `the graph has no output '${missing ?? ''}'`, {
      hint: `It has: ${known.join(', ')}.`,
    });
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
        // what is not finite becomes null on its way through JSON; the tensors keep it
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
