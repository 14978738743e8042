/**
 * A version that was taught and does not serve: it waits in `<name>/candidate` until a person puts it into service,
 * which gives it its number, or drops it. The newest number serves as before.
 */
import { rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { flushFolder, writeFlushed } from './durable.ts';
import { AnomalyError } from './errors.ts';
import { holdModel } from './hold.ts';
import { modelFolder, readManifest, readModel, versionsOf, type AnomalyModel } from './model.ts';
import type { ModelManifest } from './manifest.ts';
import { removeUnfinished } from './unfinished.ts';
import { candidateFolder, copyVersion, newDraftPath, publish, sweep } from './versions.ts';

interface Where {
  /** Folder of all models. */
  folder: string;
  name: string;
}

/** What waits; undefined where nothing does. Throws as `readModel`. */
export async function readCandidate({ folder, name }: Where): Promise<AnomalyModel | undefined> {
  const path = candidateFolder(folder, name);
  const isThere = await stat(join(path, 'model.json')).then(
    () => true,
    () => false,
  );
  return isThere ? readModel(path) : undefined;
}

/**
 * Makes a finished draft folder the candidate, in the place of one before. Only while the model is held.
 *
 * @throws AnomalyError `MODELS_UNWRITABLE`, and as `readModel`
 */
export async function keepCandidate(
  draft: string,
  { folder, name }: Where,
  manifest: Omit<ModelManifest, 'version'>,
): Promise<AnomalyModel> {
  const version = ((await versionsOf(folder, name)).at(-1) ?? 0) + 1;
  await writeFlushed(join(draft, 'model.json'), `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
  await flushFolder(draft);
  const model = await readModel(draft);
  const path = candidateFolder(folder, name);
  await rm(path, { recursive: true, force: true });
  await rename(draft, path);
  await flushFolder(modelFolder(folder, name));
  return { ...model, path, graph: join(path, basename(model.graph)) };
}

/**
 * Gives the candidate the next number: from then on it is the newest version. The draft it was taught from is gone.
 *
 * @throws AnomalyError `CANDIDATE_MISSING`, `TEACH_BUSY`, `MODELS_UNWRITABLE`, and as `readModel`
 */
export async function publishCandidate({ folder, name }: Where): Promise<AnomalyModel> {
  const release = await holdModel(folder, name);
  try {
    const candidate = await readCandidate({ folder, name });
    if (candidate === undefined) throw noCandidate(name);
    const manifest = await readManifest(candidate.path);
    const parent = (await versionsOf(folder, name)).at(-1) ?? null;
    const draft = newDraftPath(folder, name);
    await copyVersion(candidate, draft);
    const model = await publish(draft, folder, name, { ...manifest, parent });
    await rm(candidate.path, { recursive: true, force: true });
    await removeUnfinished(folder, name, 'draft');
    await sweep(folder, name);
    return model;
  } finally {
    await release();
  }
}

/** Removes what waits; the draft it was taught from stays. Throws `TEACH_BUSY`. */
export async function dropCandidate({ folder, name }: Where): Promise<void> {
  const release = await holdModel(folder, name);
  try {
    await removeCandidate({ folder, name });
    await sweep(folder, name);
  } finally {
    await release();
  }
}

/** Only while the model is held. */
export async function removeCandidate({ folder, name }: Where): Promise<void> {
  await rm(candidateFolder(folder, name), { recursive: true, force: true });
}

function noCandidate(name: string): AnomalyError {
  return new AnomalyError('CANDIDATE_MISSING', `no new version of “${name}” waits to be put into service`, {
    hint: 'Collect good parts and teach from them.',
  });
}
