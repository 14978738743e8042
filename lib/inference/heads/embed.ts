/**
 * Head for features: one vector that stands for the picture, to be compared with others. A feature map is
 * pooled to the mean of its places: 1×C×H×W over H and W (1×H×W×C for a graph with that layout of its
 * input), 1×N×C of a transformer over the N tokens.
 */
import { InferenceError } from '../errors.ts';
import type { InputRecipe } from '../graph/input.ts';
import type { EmbedOptions, GraphOutputs, HeadPlan, OutputTensor } from './head.ts';
import { plainText } from './labels.ts';
import { chooseOutput, isFloat, unsupportedOutput } from './outputs.ts';

/** Longest vector; the largest backbones of today give 2 048 to 4 096. */
const MAX_LENGTH = 4096;

/** Mean over places, channel by channel; a vector as it is. Undefined for dimensions that are neither. */
function pooled({ dims, data }: OutputTensor, layout: InputRecipe['layout']): Float64Array | undefined {
  if (dims.filter((length) => length !== 1).length <= 1) return Float64Array.from(data);
  const [batch, ...rest] = dims;
  if (batch !== 1 || rest.length < 2 || rest.length > 3) return undefined;
  const isPlanar = rest.length === 3 && layout === 'nchw';
  const channels = (isPlanar ? rest[0] : rest.at(-1)) as number;
  const places = data.length / channels;
  const [channelStep, placeStep] = isPlanar ? [places, 1] : [1, channels];
  const means = new Float64Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    let sum = 0;
    for (let place = 0, at = channel * channelStep; place < places; place += 1, at += placeStep) {
      sum += data[at] as number;
    }
    means[channel] = sum / places;
  }
  return means;
}

/** @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`; from `read` also `SCORE_NOT_FINITE`, `OUTPUT_TOO_LARGE` */
export function planEmbed(options: EmbedOptions, graph: GraphOutputs): HeadPlan {
  const { normalise = true } = options;
  const { name } = chooseOutput(graph, options.output, isFloat);
  return {
    input: {},
    bind: ({ layout }) => ({
      outputs: [name],
      read: (outputs) => {
        const tensor = outputs[name] as OutputTensor;
        const means = pooled(tensor, layout);
        if (means === undefined || means.length === 0) {
          throw unsupportedOutput(`output '${plainText(name)}' is ${tensor.dims.join('×')}, not features`);
        }
        if (means.length > MAX_LENGTH) {
          throw new InferenceError(
            'OUTPUT_TOO_LARGE',
            `the vector has ${means.length} values, over ${MAX_LENGTH}`,
          );
        }
        const length = Math.sqrt(means.reduce((sum, value) => sum + value * value, 0));
        if (!Number.isFinite(length)) {
          throw new InferenceError('SCORE_NOT_FINITE', 'a feature is not a finite number', {
            hint: 'The model or its input is broken; nothing may be accepted on this vector.',
          });
        }
        // a vector of nothing has no direction and stays
        const scale = normalise && length > 0 ? 1 / length : 1;
        // seven digits are what a float32 has
        const vector = Array.from(means, (value) => Number((value * scale).toPrecision(7)));
        return { prediction: { task: 'embed', vector }, tensors: {} };
      },
    }),
  };
}
