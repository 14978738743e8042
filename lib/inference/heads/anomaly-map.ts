/**
 * Head of graphs that score by themselves: `score` (one value, higher is worse) and `map` (the
 * same per patch or pixel). Whatever else such a graph gives is not fetched.
 */
import { InferenceError } from '../errors.ts';
import type { GraphOutputs, HeadPlan, OutputTensor } from './head.ts';

const SCORE = 'score';
const MAP = 'map';

export function planAnomalyMap(graph: GraphOutputs): HeadPlan {
  const names = graph.outputs.map(({ name }) => name);
  if (!names.includes(SCORE) || !names.includes(MAP)) {
    throw new InferenceError('MODEL_OUTPUT_UNSUPPORTED', `the graph has no outputs 'score' and 'map'`, {
      hint: 'Choose a model that was taught for anomaly scoring, or another task.',
    });
  }
  return {
    input: {},
    bind: () => ({
      outputs: [SCORE, MAP],
      read: (outputs) => {
        const [score, map] = [outputs[SCORE], outputs[MAP]] as [OutputTensor, OutputTensor];
        const [value] = score.data;
        if (score.data.length !== 1 || value === undefined) {
          throw new InferenceError('RUN_FAILED', `'score' has ${score.data.length} values instead of one`);
        }
        if (!Number.isFinite(value)) {
          throw new InferenceError('SCORE_NOT_FINITE', `the model scored ${value}`, {
            hint: 'The model or its input is broken; nothing may be accepted on this score.',
          });
        }
        return {
          prediction: { task: 'anomaly-map', score: value },
          tensors: { map: { dims: [...map.dims], data: map.data } },
        };
      },
    }),
  };
}
