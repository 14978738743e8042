/** Chooses the head for the task asked for and checks it against the graph. */
import { InferenceError } from '../errors.ts';
import { planAnomalyMap } from './anomaly-map.ts';
import { planClassify } from './classify.ts';
import { planDetect } from './detect.ts';
import type { GraphOutputs, HeadOptions, HeadPlan } from './head.ts';
import { planRaw } from './raw.ts';

/** @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED` when the graph has not what the head reads. */
export function planHead(options: HeadOptions, graph: GraphOutputs): HeadPlan {
  switch (options.task) {
    case 'classify':
      return planClassify(options, graph);
    case 'detect':
      return planDetect(options, graph);
    case 'raw':
      return planRaw(options, graph);
    case 'anomaly-map':
      return planAnomalyMap(graph);
    default:
      throw new InferenceError('MODEL_OUTPUT_UNSUPPORTED', `there is no head for '${options.task}'`);
  }
}
