/** Teaches from the parts a person left in a draft. What comes out serves nobody until it is put into service. */
import { rm } from 'node:fs/promises';
import { keepCandidate } from './candidate.ts';
import type { DraftLesson, DraftPlace } from './draft-lesson.ts';
import { holdModel } from './hold.ts';
import { manifestOf } from './manifest-of.ts';
import { MAX_FINDINGS } from './manifest-schema.ts';
import { latestModel, type AnomalyModel, type Change } from './model.ts';
import type { Taught, TeachJob } from './teach-protocol.ts';
import { doJob, throwIfCancelled, type JobOptions } from './teacher.ts';
import type { LessonSettings } from './unfinished.ts';
import { newDraftPath, sweep } from './versions.ts';

export interface TeachDraftOptions extends JobOptions, DraftPlace {
  draft: DraftLesson;
  actor: string;
  reason: string;
}

/** Known defects were kept as the model in service sees them; another view of them would say nothing. */
function knownDefects(serving: AnomalyModel | undefined, settings: LessonSettings): readonly string[] {
  if (serving === undefined || settings.align !== undefined || serving.input.align !== undefined) return [];
  const { width, height } = serving.input;
  return width === settings.width && height === settings.height ? serving.defects : [];
}

/**
 * The candidate. The draft stays, so that a person can go back and choose other parts. The same parts in the same
 * order and the same seed give the same graph.
 *
 * @throws AnomalyError `TEACH_TOO_FEW`, `TEACH_BUSY`, `TEACH_CANCELLED`, `TEACH_SUSPENDED`, `TEACH_FAILED`,
 *   `MODELS_UNWRITABLE`, and as `PartStore.read`
 */
export async function teachDraft(options: TeachDraftOptions): Promise<AnomalyModel> {
  const { folder, name, draft, actor, reason, signal } = options;
  throwIfCancelled(signal);
  const release = await holdModel(folder, name);
  const path = newDraftPath(folder, name);
  try {
    const serving = await latestModel(folder, name).catch(() => undefined);
    const { settings, chosen, findings, parts } = draft;
    const job: TeachJob = {
      kind: 'teach',
      ...{ folder, name, settings, draft: path, parts: chosen },
      resumed: undefined,
      // what is left out a person has decided
      leaveOut: [],
      defects: knownDefects(serving, settings),
    };
    const { taught } = (await doJob(job, undefined, options)) as { taught: Taught };
    throwIfCancelled(signal);
    const change: Change = { kind: 'teach', parts: [], actor, reason };
    const known = { findings: findings.slice(0, MAX_FINDINGS), skipped: parts.length - chosen.length };
    const lineage = { name, parent: serving?.version ?? null, change };
    const manifest = manifestOf({ ...taught, ...known }, settings, lineage);
    return await keepCandidate(path, { folder, name }, manifest);
  } finally {
    await rm(path, { recursive: true, force: true });
    await sweep(folder, name).catch(() => undefined);
    await release();
  }
}
