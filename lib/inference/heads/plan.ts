/** Chooses the head for the task asked for and checks it against the graph. */
import { InferenceError } from '../errors.ts';
import { planAnomalyMap } from './anomaly-map.ts';
import { planClassify } from './classify.ts';
import { planDetect } from './detect.ts';
import { planEmbed } from './embed.ts';
import type { ChosenHead, GraphOutputs, HeadOptions, HeadPlan } from './head.ts';
import { planRaw } from './raw.ts';
import { planRegress } from './regress.ts';
import { planSegment } from './segment.ts';
import { suggestHead } from './suggest.ts';

export interface ResolvedPlan extends HeadPlan {
  /** What was planned: the head asked for, or the one chosen in its place. */
  head: ChosenHead;
  /** Why it was chosen, where it was. */
  why?: string;
}

function plan(head: ChosenHead, graph: GraphOutputs): HeadPlan {
  switch (head.task) {
    case 'classify':
      return planClassify(head, graph);
    case 'detect':
      return planDetect(head, graph);
    case 'segment':
      return planSegment(head, graph);
    case 'regress':
      return planRegress(head, graph);
    case 'embed':
      return planEmbed(head, graph);
    case 'anomaly-map':
      return planAnomalyMap(head, graph);
    case 'raw':
      return planRaw(head, graph);
    default:
      throw new InferenceError('MODEL_OUTPUT_UNSUPPORTED', `there is no head for '${String(head)}'`);
  }
}

/**
 * @param labels names of the classes, for a head that names classes and was given none
 * @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED` when the graph has not what the head reads.
 */
export function planHead(
  options: HeadOptions,
  graph: GraphOutputs,
  labels?: readonly string[],
): ResolvedPlan {
  if (options.task === 'auto') {
    const { head, why } = suggestHead(graph, options.labels ?? labels);
    return { ...plan(head, graph), head, why };
  }
  const isUnlabelled =
    (options.task === 'classify' || options.task === 'detect' || options.task === 'segment') &&
    options.labels === undefined;
  const head = isUnlabelled && labels !== undefined ? { ...options, labels } : options;
  return { ...plan(head, graph), head };
}
