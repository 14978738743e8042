/** What a new version's `model.json` says, from what the teaching process settled. */
import { missedDefectBound } from '../statistics/interval.ts';
import type { Acceptance, Change, ModelManifest } from './manifest.ts';
import { MAX_FINDINGS } from './manifest-schema.ts';
import { conformalThreshold } from './p-value.ts';
import type { Taught } from './teach-protocol.ts';
import type { LessonSettings } from './unfinished.ts';

/** Fewer parts than this say too little about what is normal. */
export const MINIMUM_PARTS = 10;
const ALPHAS = [0.005, 0.01, 0.02, 0.05, 0.1];
/** Of the acceptance test; where there are too few parts for it, the highest score of a good part is the limit. */
const ACCEPTANCE_ALPHA = 0.05;
const DELTA = 0.05;
const NOTE =
  'goodScores are out-of-fold: each part was scored by a head that had not seen it. Scores of the same parts by this model itself are lower; a threshold must never come from those. Parts learned from corrections are not among them: they are no random sample of good parts.';

/** Known defects against the threshold that good parts alone have set. `goodScores` ascending. */
function acceptanceOf(goodScores: readonly number[], defectScores: readonly number[]): Acceptance {
  const budget = conformalThreshold(goodScores, ACCEPTANCE_ALPHA);
  const threshold = budget ?? goodScores.at(-1) ?? 0;
  const alpha = budget === null ? 1 / (goodScores.length + 1) : ACCEPTANCE_ALPHA;
  const defects = defectScores.length;
  const found = defectScores.filter((score) => score > threshold).length;
  const missedBound = defects === 0 ? 1 : missedDefectBound(defects - found, defects, DELTA);
  return { defects, found, alpha, threshold, missedBound, delta: DELTA };
}

export function manifestOf(
  taught: Taught,
  settings: Pick<LessonSettings, 'seed' | 'coresetSize' | 'mask' | 'tiles'>,
  lineage: { name: string; parent: number | null; change: Change },
): Omit<ModelManifest, 'version'> {
  const { seed, coresetSize, mask, tiles } = settings;
  const learned = new Set(taught.learned);
  const goodScores = taught.scores
    .filter((_, index) => !learned.has(taught.parts[index] ?? ''))
    .sort((one, other) => one - other);
  return {
    format: 2,
    ...lineage,
    ...taught,
    findings: taught.findings.slice(0, MAX_FINDINGS),
    ...(mask === undefined ? {} : { mask }),
    ...(tiles === undefined ? {} : { tiles }),
    coresetSize,
    seed,
    goodScores,
    acceptance: acceptanceOf(goodScores, taught.defectScores),
    thresholds: ALPHAS.map((alpha) => ({ alpha, threshold: conformalThreshold(goodScores, alpha) })),
    note: NOTE,
    createdAt: new Date().toISOString(),
  };
}
