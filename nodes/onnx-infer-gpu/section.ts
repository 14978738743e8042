/** What the envelope and the message keep of a prediction. */
import { Frame } from '../../lib/frame/frame.ts';
import type { InferenceResult } from '../../lib/inference/host/host.ts';
import type { Box, InferenceSection } from '../../lib/inspection/inspection.ts';

/** The record of a part is for reading: more objects than that are on the payload alone. */
const MAX_OBJECTS = 100;

type Found = NonNullable<InferenceSection['objects']>[number];
type Prediction = Record<string, unknown>;

/** How many things the model found; one answer counts as one. */
function countOf(prediction: Prediction): number {
  for (const list of ['objects', 'classes', 'segments', 'values', 'boxes']) {
    const found = prediction[list];
    if (Array.isArray(found)) return found.length;
  }
  return 1;
}

/** What a detector found; undefined for every other task. */
function objectsOf({ task, objects }: Prediction): Found[] | undefined {
  if (task !== 'detect' || !Array.isArray(objects)) return undefined;
  return (objects as Found[]).map(({ label, score, box }) => ({ label, score, box }));
}

type Ran = Pick<InferenceResult, 'model' | 'provider' | 'alignment'> & { ms: number };

/** Of a model that looked at the whole frame. */
export function sectionOf(ran: Ran, prediction: Prediction): InferenceSection {
  const { model, provider, ms, alignment } = ran;
  const objects = objectsOf(prediction)?.slice(0, MAX_OBJECTS);
  return {
    model,
    provider,
    ms,
    task: String(prediction['task']),
    count: countOf(prediction),
    ...(objects === undefined ? {} : { objects }),
    ...(alignment === undefined ? {} : { alignment }),
  };
}

/** Of a model that looked at each region; where it detects, all it found in them. */
export function sectionOfRegions(
  ran: Ran,
  task: string,
  predictions: readonly Prediction[],
): InferenceSection {
  const { model, provider, ms } = ran;
  const objects = predictions.flatMap((prediction) => objectsOf(prediction) ?? []);
  return {
    model,
    provider,
    ms,
    task,
    count: predictions.length,
    ...(task === 'detect' ? { objects: objects.slice(0, MAX_OBJECTS) } : {}),
  };
}

/** One thing a detector found, and what the model behind it says of it. */
export interface Examined {
  label: string;
  score: number;
  box: Box;
  prediction: Prediction;
}

/** The mask of a prediction as a frame, where its head makes one. */
export function maskOf(
  { pictures }: Pick<InferenceResult, 'pictures'>,
  { source, capturedAt }: Frame,
): Frame | undefined {
  const mask = pictures['mask'];
  if (mask === undefined) return undefined;
  const { bytes, width, height, format } = mask;
  return new Frame(bytes, { width, height, format, source, capturedAt });
}
