/**
 * The versions of a model, each made whole beside the others and then given its number. The newest
 * serves; going back is a new version that copies an old one. None is changed; old ones that nobody needs are
 * removed (`prune`).
 */
import { randomUUID } from 'node:crypto';
import { copyFile, link, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { asWriteError, DRAFT, flushFolder, makeFolder, writeFlushed } from './durable.ts';
import { AnomalyError } from './errors.ts';
import { holdModel } from './hold.ts';
import { readUnfinished } from './unfinished.ts';
import {
  modelFolder,
  readManifest,
  readModel,
  SIDE_FILES,
  versionFolder,
  versionsOf,
  type AnomalyModel,
  type Change,
  type ModelManifest,
} from './model.ts';
import { PartStore } from './parts.ts';

/** What a list of versions shows. */
export type VersionSummary = Pick<
  ModelManifest,
  'version' | 'digest' | 'method' | 'why' | 'acceptance' | 'parent' | 'change' | 'createdAt' | 'seed'
> & {
  /** Good parts its scores come from. */
  parts: number;
  /** False for those taught before parts were kept: they can serve, but not learn. */
  learns: boolean;
};

function summaryOf(manifest: ModelManifest): VersionSummary {
  const { version, digest, method, why, acceptance, parent, change, createdAt, seed } = manifest;
  const parts = manifest.goodScores.length;
  const learns = manifest.parts.length > 0;
  return { version, digest, method, why, acceptance, parent, change, createdAt, seed, parts, learns };
}

/** All that can be read, newest first. One that cannot is not in the list. Throws `MODEL_NAME_INVALID`. */
export async function versions(folder: string, name: string): Promise<VersionSummary[]> {
  const numbers = await versionsOf(folder, name);
  const manifests = await Promise.all(
    numbers.map((version) => readManifest(versionFolder(folder, name, version)).catch(() => undefined)),
  );
  return manifests
    .filter((manifest) => manifest !== undefined)
    .map(summaryOf)
    .reverse();
}

export interface RollbackOptions {
  /** Folder of all models. */
  folder: string;
  name: string;
  /** The one to go back to. */
  version: number;
  actor: string;
  reason: string;
}

/**
 * A new version that is an old one again: same graph, same digest, same scores.
 *
 * @throws AnomalyError `TEACH_BUSY`, `MODELS_UNWRITABLE`, and as `readModel` for the old one
 */
export async function rollback({
  folder,
  name,
  version,
  actor,
  reason,
}: RollbackOptions): Promise<AnomalyModel> {
  const release = await holdModel(folder, name);
  try {
    const path = versionFolder(folder, name, version);
    const [old, manifest] = [await readModel(path), await readManifest(path)];
    const parent = (await versionsOf(folder, name)).at(-1) ?? null;
    const draft = newDraftPath(folder, name);
    await copyVersion(old, draft);
    const change: Change = { kind: 'rollback', parts: [], actor, reason };
    const createdAt = new Date().toISOString();
    return await publish(draft, folder, name, { ...manifest, parent, change, createdAt });
  } finally {
    await release();
  }
}

/** A folder that is not there yet, to make a version in. */
export function newDraftPath(folder: string, name: string): string {
  return join(modelFolder(folder, name), `${DRAFT}${randomUUID()}`);
}

/** Copies the files of a version, without its manifest, into a draft. Throws `MODELS_UNWRITABLE`. */
export async function copyVersion(model: AnomalyModel, draft: string): Promise<void> {
  await makeFolder(draft);
  const sideFiles = (Object.keys(model.files) as (keyof typeof model.files)[]).map(
    (file) => SIDE_FILES[file],
  );
  for (const file of ['model.onnx', ...sideFiles]) {
    const [from, to] = [join(model.path, file), join(draft, file)];
    // No version is ever changed, so they can share side files, where the disk can; a graph with two names is refused.
    const isShared = file !== 'model.onnx';
    await (isShared ? link(from, to) : copyFile(from, to))
      .catch(() => copyFile(from, to))
      .catch((error: unknown) => {
        throw asWriteError(error, draft);
      });
    await flushFolder(join(draft, file));
  }
}

/**
 * Gives the draft the next free number; a draft that cannot be published, or could not be read again, is removed.
 *
 * @throws AnomalyError `MODELS_UNWRITABLE`, and as `readModel`
 */
export async function publish(
  draft: string,
  folder: string,
  name: string,
  manifest: Omit<ModelManifest, 'version'>,
): Promise<AnomalyModel> {
  const all = modelFolder(folder, name);
  try {
    for (let version = ((await versionsOf(folder, name)).at(-1) ?? 0) + 1; ; version += 1) {
      await writeFlushed(join(draft, 'model.json'), `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
      await flushFolder(draft);
      const path = join(all, String(version));
      try {
        // What its own reader would refuse must never be the newest: the one before would no longer serve.
        const model = await readModel(draft);
        await rename(draft, path);
        await flushFolder(all);
        return { ...model, path, graph: join(path, basename(model.graph)) };
      } catch (error) {
        // Another process took this number meanwhile.
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      }
    }
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Takes back a version that was just published and that nobody uses. Only while the model is held. */
export async function takeBack(folder: string, { name, path }: AnomalyModel): Promise<void> {
  await removeVersion(folder, name, path);
}

/** At once: half of a version is never seen. */
async function removeVersion(folder: string, name: string, path: string): Promise<void> {
  const draft = newDraftPath(folder, name);
  await rename(path, draft);
  await flushFolder(modelFolder(folder, name));
  await rm(draft, { recursive: true, force: true });
}

/** Of a version that does not serve yet. */
export function candidateFolder(folder: string, name: string): string {
  return join(modelFolder(folder, name), 'candidate');
}

/** Ids of the parts that a version names, or the one that waits, an unfinished lesson, or a draft. */
async function neededParts(folder: string, name: string): Promise<Set<string> | undefined> {
  const needed = new Set<string>();
  for (const kind of ['lesson', 'draft'] as const) {
    for (const { id } of (await readUnfinished(folder, name, kind))?.collected ?? []) needed.add(id);
  }
  const candidate = await readManifest(candidateFolder(folder, name)).catch(() => undefined);
  for (const id of [...(candidate?.parts ?? []), ...(candidate?.defects ?? [])]) needed.add(id);
  for (const version of await versionsOf(folder, name)) {
    const manifest = await readManifest(versionFolder(folder, name, version)).catch(() => undefined);
    // What a version needs that cannot be read, nobody knows.
    if (manifest === undefined) return undefined;
    for (const id of [...manifest.parts, ...manifest.defects]) needed.add(id);
  }
  return needed;
}

/**
 * Removes what was cut off or given up: drafts, and parts that no version needs. Only while the model is held.
 */
export async function sweep(folder: string, name: string): Promise<void> {
  const all = modelFolder(folder, name);
  for (const entry of await readdir(all).catch(() => [])) {
    const isOurs = entry.startsWith(DRAFT) || entry.startsWith('.teaching-');
    if (isOurs) await rm(join(all, entry), { recursive: true, force: true });
  }
  const needed = await neededParts(folder, name);
  if (needed !== undefined) await new PartStore(folder, name).sweep(needed);
}

/**
 * Removes the oldest versions. What stays: the newest, which serves; the one it came from, to go back to; and
 * `keep` others, the newest of them. Numbers are never given again. Parts that only a removed version knew go too.
 *
 * @returns what was removed, oldest first
 * @throws AnomalyError `TEACH_BUSY`
 */
export async function prune(
  folder: string,
  name: string,
  keep: number,
): Promise<{ version: number; digest?: string }[]> {
  const numbers = await versionsOf(folder, name);
  if (numbers.length <= keep + 1) return [];
  const release = await holdModel(folder, name);
  try {
    const serving = numbers.at(-1) ?? 0;
    const { parent } = await readManifest(versionFolder(folder, name, serving));
    const others = numbers.filter((version) => version !== serving && version !== parent);
    const removed: { version: number; digest?: string }[] = [];
    for (const version of others.slice(0, Math.max(0, others.length - keep))) {
      const path = versionFolder(folder, name, version);
      const digest = (await readManifest(path).catch(() => undefined))?.digest;
      await removeVersion(folder, name, path);
      removed.push({ version, ...(digest === undefined ? {} : { digest }) });
    }
    if (removed.length > 0) await sweep(folder, name);
    return removed;
  } finally {
    await release();
  }
}

/** The version to start from. Throws `MODEL_MISSING` and as `readModel`. */
export async function currentVersion(folder: string, name: string): Promise<AnomalyModel> {
  const newest = (await versionsOf(folder, name)).at(-1);
  if (newest === undefined) {
    throw new AnomalyError('MODEL_MISSING', `nothing was taught under the name “${name}”`, {
      hint: 'Teach the model first.',
    });
  }
  return readModel(versionFolder(folder, name, newest));
}
