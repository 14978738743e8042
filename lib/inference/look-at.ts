/**
 * Which regions of a frame a model looks at one by one: the boxes a detector before it found. What a
 * message says of them may have been built by anybody, so nothing of it is believed unchecked.
 */
import type { Box, InferenceSection } from '../inspection/inspection.ts';
import { wholePixels } from './graph/crop.ts';
import { InferenceError } from './errors.ts';

export interface LookAt {
  /** Only objects of these labels; all when empty. */
  labels: readonly string[];
  /** Added on each side, in per cent of the box's width and height. */
  marginPercent: number;
}

interface Region {
  label: string;
  score: number;
  /** As it was found, in pixels of the frame. */
  box: Box;
  /** What the model gets: with the margin, on whole pixels, cut at the frame. */
  crop: Box;
}

interface Regions {
  regions: Region[];
  /** Objects that fit the labels beyond the limit. */
  left: number;
}

/** Each is a run: 32 of 5 ms are the cycle of a fast line already. */
export const MAX_REGIONS = 32;

type Found = NonNullable<InferenceSection['objects']>[number];

function isBox(value: unknown): value is Box {
  return Array.isArray(value) && value.length === 4 && value.every((side) => Number.isFinite(side));
}

function checked(found: unknown): Found {
  const { label, score, box } = (found ?? {}) as Partial<Found>;
  if (typeof label === 'string' && typeof score === 'number' && Number.isFinite(score) && isBox(box)) {
    return { label, score, box };
  }
  throw new InferenceError('OBJECTS_INVALID', 'msg.inspection holds objects without label, score and box', {
    hint: 'Leave inspection.inference as the detector wrote it.',
  });
}

function widened([x, y, width, height]: Box, marginPercent: number): Box {
  const [marginX, marginY] = [(width * marginPercent) / 100, (height * marginPercent) / 100];
  return [x - marginX, y - marginY, width + 2 * marginX, height + 2 * marginY];
}

/**
 * The regions to look at, best first, at most {@link MAX_REGIONS}; none where the detector found none.
 * What lies outside the frame is left out.
 *
 * @throws InferenceError `OBJECTS_MISSING`, `OBJECTS_INVALID`
 */
export function regionsOf(
  sections: readonly InferenceSection[] | undefined,
  { width, height }: { width: number; height: number },
  { labels, marginPercent }: LookAt,
): Regions {
  const objects: unknown = sections?.findLast((section) => section.objects !== undefined)?.objects;
  if (!Array.isArray(objects)) {
    throw new InferenceError('OBJECTS_MISSING', 'no detector before this node said what is in the picture', {
      hint: 'Put an onnx-infer-gpu node that detects objects before this one.',
    });
  }
  const wanted = objects.map(checked).filter(({ label }) => labels.length === 0 || labels.includes(label));
  const regions = wanted
    .toSorted((one, other) => other.score - one.score)
    .flatMap((object): Region[] => {
      const crop = wholePixels(widened(object.box, marginPercent), { width, height });
      return crop === undefined ? [] : [{ ...object, crop }];
    });
  return { regions: regions.slice(0, MAX_REGIONS), left: Math.max(0, regions.length - MAX_REGIONS) };
}
