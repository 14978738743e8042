/**
 * A model learns from mistakes without being taught from scratch. "This reject was good" adds the part, which
 * teaches and does not calibrate: wrongly rejected parts are no sample of good ones; "this accept was bad" notes a defect for the acceptance test, which never widens what is
 * good; un-teaching takes a part away again. Each is a new version that says who changed what, and why.
 */
import { rm } from 'node:fs/promises';
import type { Frame } from '../frame/frame.ts';
import { holdModel } from './hold.ts';
import { manifestOf } from './manifest-of.ts';
import type { Change } from './manifest.ts';
import { modelFolder, type AnomalyModel } from './model.ts';
import type { PartLabel } from './parts.ts';
import type { Learned, LearnJob } from './teach-protocol.ts';
import { doJob, throwIfCancelled, type JobOptions } from './teacher.ts';
import { currentVersion, newDraftPath, publish, sweep, takeBack } from './versions.ts';

/** A part as it came from the camera, or one that is kept. */
type Correction = { label: PartLabel; partId?: string } & ({ frame: Frame } | { pictureId: string });

export interface LearnOptions extends JobOptions {
  /** Folder of all models. */
  folder: string;
  name: string;
  add?: readonly Correction[];
  /** Ids of good parts or defects to forget. */
  remove?: readonly string[];
  actor: string;
  reason: string;
}

/** What a version was mainly made for. */
function changeOf({ added, removed, defects }: Learned, actor: string, reason: string): Change {
  const kind = added.length > 0 ? 'add' : defects.length > 0 ? 'defect' : 'remove';
  return { kind, parts: [...new Set([...added, ...defects, ...removed])], actor, reason };
}

/**
 * Makes the next version from the newest. A part that changes sides leaves the other one: a good part that
 * is found to be bad is no longer taught from.
 *
 * @throws AnomalyError `LEARN_NOTHING` (all of it is known), `LEARN_WITHOUT_PARTS` (taught before parts were
 *   kept), `PART_MISSING`, `PART_INVALID` (a frame that cannot be read), `TEACH_TOO_FEW` (too few would be
 *   left), `PARTS_FULL` (too many were learned), `MODEL_MISSING`, and as `teach`
 */
export async function learn(options: LearnOptions): Promise<AnomalyModel> {
  const { folder, name, add = [], remove = [], actor, reason, signal } = options;
  modelFolder(folder, name);
  throwIfCancelled(signal);
  const release = await holdModel(folder, name);
  const draft = newDraftPath(folder, name);
  try {
    const before = await currentVersion(folder, name);
    const { path, version } = before;
    const stored = add.flatMap((part) => {
      if (!('pictureId' in part)) return [];
      const { pictureId, label, partId } = part;
      return [{ id: pictureId, label, ...(partId === undefined ? {} : { partId }) }];
    });
    const job: LearnJob = { kind: 'learn', folder, name, draft, path, remove, add: stored };
    const frames = add.filter((part) => 'frame' in part)[Symbol.iterator]();
    const { learned } = (await doJob(job, frames, options)) as { learned: Learned };
    throwIfCancelled(signal);
    const lineage = { name, parent: version, change: changeOf(learned, actor, reason) };
    const model = await publish(draft, folder, name, manifestOf(learned.taught, before, lineage));
    if (signal?.aborted === true) await takeBack(folder, model);
    throwIfCancelled(signal);
    options.onProgress?.({ stage: 'saving', done: 1, total: 1 });
    return model;
  } finally {
    await rm(draft, { recursive: true, force: true });
    await sweep(folder, name).catch(() => undefined);
    await release();
  }
}
